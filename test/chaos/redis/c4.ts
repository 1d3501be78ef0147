// C4: a client is left with one primary on the minority side of a cut; the majority puts a replica in its place.
import { setTimeout as sleep } from "node:timers/promises";
import type { Durability } from "millrace";
import { partitionOf } from "../../../src/stores/redis/layout.ts";
import { Place, countJobs, until } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { MortalCluster, untilWhole } from "./cluster.ts";
import { startLoad } from "./load.ts";

/*
 * The cut is made in time, not in space, which needs no privileges: first the whole majority is stopped (SIGSTOP) and
 * the client is alone with its primary; then the primary is stopped and the majority goes on without it; then the
 * primary comes back. No message crosses from one side to the other, as behind a cut: what the primary still had in
 * its connections to its replica is dropped with them.
 */

/** More than primaries, so that each has some. */
const PARTITIONS = 12;
/** Longer than the node timeout: by then the primary itself refuses writes. */
const CUT_MS = 4_000;
/** Promises may still come for what the replica had before the cut. */
const UNDER_WAY_MS = 200;

export const scenario: Scenario = {
  id: "C4",
  fault: "a Cluster cut in two, the client with one primary on the minority side",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 10;
    const kept = await cutOff(chaos, rounds, "replicated");
    chaos.figure("cuts", rounds);
    chaos.must("acknowledged", kept.acknowledged, { atLeast: 1 });
    chaos.must("acknowledged behind the cut", kept.behindTheCut, { exactly: 0 });
    chaos.must("lost", kept.lost, { exactly: 0 });
    if (chaos.isShort) return;
    // That the harness would see a loss: the same without waiting for replicas.
    const risked = await cutOff(chaos, rounds, undefined);
    chaos.figure("without it: acknowledged behind the cut", risked.behindTheCut);
    chaos.must("without it: lost", risked.lost, { atLeast: 1 });
  },
};

interface Outcome {
  acknowledged: number;
  behindTheCut: number;
  lost: number;
}

async function cutOff(
  chaos: Chaos,
  rounds: number,
  durability: Durability | undefined,
): Promise<Outcome> {
  const cluster = chaos.use(await MortalCluster.start());
  await untilWhole(chaos, cluster);
  const url = `${cluster.url}?partitions=*:${PARTITIONS}`;
  const name = durability ?? "default";
  const place = new Place(chaos, name, durability === undefined ? { url } : { url, durability });
  const observer = await place.observe();
  const outcome: Outcome = { acknowledged: 0, behindTheCut: 0, lost: 0 };
  // Nothing is done before the end, so that every job must be found by then.
  const load = startLoad(chaos, observer, { callers: 20, restMs: 20 });
  for (let round = 0; round < rounds; round += 1) {
    const enough = load.kept.length + 50;
    await until(chaos, "promises", () => load.kept.length >= enough);
    const alone = chaos.random.pick(await cluster.primaries());
    const majority = cluster.nodes.filter((node) => node !== alone);
    for (const node of majority) node.process.kill("SIGSTOP");
    await alone.client.call("CLIENT", "KILL", "TYPE", "replica");
    const cutAtMs = performance.now();
    await sleep(CUT_MS, undefined, chaos);
    alone.process.kill("SIGSTOP");
    const overAtMs = performance.now();
    outcome.behindTheCut += load.kept.filter(
      ({ keptAtMs }) => keptAtMs > cutAtMs + UNDER_WAY_MS && keptAtMs < overAtMs,
    ).length;
    for (const node of majority) node.process.kill("SIGCONT");
    await cluster.untilReplaced(chaos, alone);
    alone.process.kill("SIGCONT");
    await untilWhole(chaos, cluster);
  }
  const enough = load.kept.length + 50;
  await until(chaos, "promises after the cut", () => load.kept.length >= enough);
  await load.stop();
  const partitions = new Set(load.kept.map(({ id }) => partitionOf(id, PARTITIONS)));
  if (partitions.size < PARTITIONS) throw new Error("some partition had no jobs: prove it again");
  await place.workHere();
  await until(chaos, "the end", async () => (await countJobs(observer.mill)).open === 0);
  outcome.acknowledged = load.kept.length;
  outcome.lost = place.judge().lost.length;
  return outcome;
}
