// C1: the primaries of a Cluster are killed one after the other, in the middle of work.
import { setTimeout as sleep } from "node:timers/promises";
import { partitionOf } from "../../../src/stores/redis/layout.ts";
import { Place } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { MortalCluster, untilWhole } from "./cluster.ts";
import { type Load, startLoad } from "./load.ts";
import { APPEND_ALWAYS } from "./server.ts";
import { mustHaveKept, untilDone } from "./verdict.ts";

/** More than primaries, so that each has some. */
const PARTITIONS = 12;
const LOOK_MS = 50;
/** Between two calls: every partition has some within a second or two. */
const EVERY_MS = 40;
/** With a lease as workers have it, longer than a failover. */
const WORKER = { concurrency: 10 };
const RESUMES_WITHIN_MS = 6_000;
/** The short form runs beside other tests: it sees that work goes on, the long one how soon. */
const BESIDE_OTHERS = 5;

export const scenario: Scenario = {
  id: "C1",
  fault: "primaries of a Cluster (node timeout 2 s) killed with SIGKILL one after the other",
  async run(chaos) {
    const kills = chaos.isShort ? 1 : 50;
    const cluster = chaos.use(await MortalCluster.start(APPEND_ALWAYS));
    await untilWhole(chaos, cluster);
    const url = `${cluster.url}?partitions=*:${PARTITIONS}`;
    const place = new Place(chaos, "place", { url, durability: "replicated" });
    const observer = await place.observe();
    await place.workHere(WORKER);
    // Callers who wait for a dead primary's partition would ask for nothing in those that work.
    const load = startLoad(chaos, observer, { everyMs: EVERY_MS, workMs: 5 });
    const resumedMs: number[] = [];
    const replacedMs: number[] = [];
    const copiedMs: number[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(chaos.random.integer(100, 500));
      const victim = chaos.random.pick(await cluster.primaries());
      await cluster.kill(victim);
      const killedAtMs = performance.now();
      const resuming = resume(chaos, place, load, killedAtMs);
      await cluster.untilReplaced(chaos, victim);
      replacedMs.push(performance.now() - killedAtMs);
      // Durability needs a replica: the node that died comes back as one.
      await cluster.restart(victim);
      await cluster.untilCopied(chaos);
      copiedMs.push(performance.now() - killedAtMs);
      resumedMs.push(await resuming);
      await untilWhole(chaos, cluster);
    }
    const afterwardsMs = resumedMs.map((ms, kill) => Math.max(0, ms - (copiedMs[kill] ?? 0)));
    await load.stop();
    await untilDone(chaos, observer);

    chaos.figure("kills", kills);
    chaos.figure("until another primary serves, median and slowest, ms", spread(replacedMs));
    chaos.figure("until it has a replica again, as durability asks, ms", spread(copiedMs));
    chaos.figure(
      "until work goes on in every partition, median and slowest, ms",
      spread(resumedMs),
    );
    chaos.figure("of that, after the servers are ready for it", spread(afterwardsMs));
    const atMost = RESUMES_WITHIN_MS * (chaos.isShort ? BESIDE_OTHERS : 1);
    chaos.must("slowest to go on in every partition, ms", Math.round(Math.max(...resumedMs)), {
      atMost,
    });
    chaos.figure("run twice", mustHaveKept(chaos, place, observer, load));
  },
};

/**
 * Until in every partition a job that was asked for after the kill is kept and done. What is kept has a replica: of the
 * partitions that were on the victim that is the victim itself, once it is back.
 */
async function resume(chaos: Chaos, place: Place, load: Load, killedAtMs: number): Promise<number> {
  const resumed = new Set<number>();
  const first = load.kept.length;
  while (resumed.size < PARTITIONS) {
    await sleep(LOOK_MS, undefined, chaos);
    for (const { id, calledAtMs } of load.kept.slice(first)) {
      if (calledAtMs >= killedAtMs && place.hasDone(id)) {
        resumed.add(partitionOf(id, PARTITIONS));
      }
    }
  }
  return performance.now() - killedAtMs;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((left, right) => left - right);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return `${Math.round(median)}, ${Math.round(sorted.at(-1) ?? 0)}`;
}
