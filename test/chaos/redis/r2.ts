// R2: the power goes. What was promised must be in the append-only file, as far as its fsync policy says.
import { join } from "node:path";
import { openRedisStore } from "../../../src/stores/redis/index.ts";
import { Place, until } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { missingStrace } from "../harness/strace.ts";
import { flushesTracedTo, readTrace, restoreAt } from "./aof-power-loss.ts";
import { type Load, startLoad } from "./load.ts";
import { MortalServer } from "./server.ts";

/** What `doctor` says that `appendfsync everysec` may lose. */
const MOST_LOST_MS = 2_000;
/** Clocks of two processes, as they are read: a promise counts from so long after it was made. */
const CLOCK_SLACK_MS = 3;
/** A server may take so long to load what was found. */
const LOADED_WITHIN_MS = 120_000;
/** Ids asked for in one call. */
const BATCH = 500;

export const scenario: Scenario = {
  id: "R2",
  fault:
    "loss of power while jobs are enqueued, run and settled, with fsync always and every second",
  missing: missingStrace,
  async run(chaos) {
    const always = await losePower(chaos, "always");
    chaos.must("always: promises", always.promised, { atLeast: 1 });
    chaos.must("always: lost", always.lost, { exactly: 0 });
    chaos.must("always: results handed out", always.results, { atLeast: 1 });
    chaos.must("always: results lost", always.undone, { exactly: 0 });
    const everySecond = await losePower(chaos, "everysec");
    chaos.figure("everysec: promises", everySecond.promised);
    chaos.figure("everysec: lost", everySecond.lost);
    const lostMs = Math.ceil(everySecond.longestLostMs);
    chaos.must("everysec: longest time lost, ms", lostMs, { atMost: MOST_LOST_MS });
  },
};

interface Totals {
  promised: number;
  lost: number;
  results: number;
  undone: number;
  longestLostMs: number;
}

async function losePower(chaos: Chaos, policy: "always" | "everysec"): Promise<Totals> {
  const cuts = chaos.isShort ? 3 : 100;
  const jobs = chaos.isShort ? 150 : 10_000;
  const trace = join(chaos.directory, `trace-${policy}`);
  const args = ["--appendonly", "yes", "--appendfsync", policy];
  args.push("--auto-aof-rewrite-percentage", "0");
  const server = chaos.use(await MortalServer.start({ args, under: flushesTracedTo(trace) }));
  const place = new Place(chaos, policy, { url: server.url });
  const observer = await place.observe();
  const worker = await place.workHere();
  const load = startLoad(chaos, observer, { callers: 10, restMs: 2, followsResults: true });
  const isEnough = (): boolean => load.kept.length >= jobs && load.results.size > jobs / 2;
  await until(chaos, "jobs", isEnough, 600_000);
  await load.stop();
  await worker.close();
  await observer.mill.close();
  await server.kill();

  const traced = readTrace(trace);
  const totals: Totals = { promised: 0, lost: 0, results: 0, undone: 0, longestLostMs: 0 };
  const found = join(chaos.directory, "found");
  const firstAtMs = performance.timeOrigin + (load.kept[0]?.keptAtMs ?? 0);
  for (let cut = 0; cut < cuts; cut += 1) {
    // The first at the very end, when there are results to be lost.
    const when = cut === 0 ? 1 : chaos.random.next();
    const atMs = firstAtMs + when * (traced.endedAtMs - firstAtMs);
    restoreAt(atMs, traced, server.now.directory, found);
    await readBack(found, load, atMs, totals);
  }
  return totals;
}

/** Starts a server on what was found, looks for what was promised, and removes it. */
async function readBack(found: string, load: Load, atMs: number, totals: Totals): Promise<void> {
  const untilMs = atMs - performance.timeOrigin - CLOCK_SLACK_MS;
  await using server = await MortalServer.start({
    directory: found,
    args: ["--appendonly", "yes"],
  });
  const store = await openRedisStore({
    url: server.url,
    namespace: "default",
    deadlineMs: LOADED_WITHIN_MS,
  });
  const promised = load.kept.filter(({ keptAtMs }) => keptAtMs <= untilMs);
  for (let from = 0; from < promised.length; from += BATCH) {
    const batch = promised.slice(from, from + BATCH);
    const records = await store.get({ ids: batch.map(({ id }) => id) });
    for (const [index, { id, keptAtMs }] of batch.entries()) {
      const record = records[index] ?? null;
      totals.promised += 1;
      if (record === null) {
        totals.lost += 1;
        totals.longestLostMs = Math.max(totals.longestLostMs, untilMs - keptAtMs);
      }
      if ((load.results.get(id) ?? Number.POSITIVE_INFINITY) > untilMs) continue;
      totals.results += 1;
      if (record?.state !== "succeeded") totals.undone += 1;
    }
  }
  await store.close();
}
