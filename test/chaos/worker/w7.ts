// W7: the store is gone while many jobs fall due, and comes back.
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { machineNowMs, readEffects } from "../harness/effect-log.ts";
import { Place, QUICK_WORKER, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const WORKERS = 2;
const WORK_MS = 20;
const WINDOW_MS = 1_000;
/** Enough to see the usual rate of starts for some seconds. */
const STEADY_JOBS = 5_000;

export const scenario: Scenario = {
  id: "W7",
  fault: "the store can't be written to for minutes while jobs fall due; then it is back",
  async run(chaos) {
    const goneMs = chaos.isShort ? 4_000 : 300_000;
    const jobs = chaos.isShort ? 1_500 : 50_000;
    const steadyJobs = Math.min(jobs, STEADY_JOBS);
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    const worker = { ...QUICK_WORKER, concurrency: 5 };
    await Promise.all(Array.from({ length: WORKERS }, () => place.startWorker({ worker })));
    const input = { workMs: WORK_MS };
    await produce(mill, types.work, log, { from: 1, count: steadyJobs, callers: 100, input });
    await until(chaos, "a steady rate", async () => (await countJobs(mill)).open === 0);
    const steady = busiestWindow(startsSince(place.logs, 0));

    const late = { from: steadyJobs + 1, count: jobs, callers: 100, input, delayMs: goneMs / 2 };
    await produce(mill, types.work, log, late);
    {
      using intruder = new DatabaseSync(place.path, { timeout: 30_000 });
      intruder.exec("BEGIN EXCLUSIVE");
      await sleep(goneMs, undefined, { signal: chaos.signal });
      intruder.exec("COMMIT");
    }
    const backAtMs = machineNowMs();
    const isDone = async (): Promise<boolean> => (await countJobs(mill)).open === 0;
    await until(chaos, "the end of all jobs", isDone, goneMs + 600_000);

    const after = busiestWindow(startsSince(place.logs, backAtMs));
    chaos.figure("gone, ms", goneMs);
    chaos.figure("busiest second before", steady);
    chaos.must("busiest second after", after, { atMost: 2 * steady });
    chaos.must("leases lost", place.printed().split('"lease lost"').length - 1, { exactly: 0 });
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.must("run twice", verdict.duplicates, { exactly: 0 });
  },
};

function startsSince(logs: string, sinceMs: number): readonly number[] {
  return readEffects(logs)
    .filter(({ kind, atMs }) => kind === "start" && atMs >= sinceMs)
    .map(({ atMs }) => atMs);
}

/** Most starts in any window of a second. */
function busiestWindow(times: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [index, atMs] of times.entries()) {
    while ((times[first] ?? atMs) < atMs - WINDOW_MS) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
