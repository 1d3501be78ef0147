// What must hold after every fault of Redis, and how it is told.
import type { WorkerOptions } from "millrace";
import { type Observer, type Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import type { Chaos } from "../harness/scenario.ts";
import type { Load } from "./load.ts";

/** Waits until every job has ended. */
export async function untilDone(
  chaos: Chaos,
  { mill }: Observer,
  withinMs?: number,
): Promise<void> {
  const isDone = async (): Promise<boolean> => (await countJobs(mill)).open === 0;
  await until(chaos, "the end of all jobs", isDone, withinMs);
}

/** Nothing lost, nothing made up, nothing ended twice; and no error at a caller. Gives the jobs that ran twice. */
export function mustHaveKept(chaos: Chaos, place: Place, observer: Observer, load: Load): number {
  const verdict = place.judge();
  mustKeepPromises(chaos, verdict, observer.transitions);
  const [first] = load.refusals;
  if (first !== undefined) chaos.figure("first refusal", `${first.code}: ${first.message}`);
  chaos.must("refused", load.refusals.length, { exactly: 0 });
  chaos.figure("slowest call, ms", load.longestMs());
  return verdict.duplicates;
}

/** Leases so long that none ends because its keeper had to wait for a processor. */
export const STEADY_WORKER: WorkerOptions = {
  concurrency: 10,
  leaseDuration: "30s",
  sweepInterval: "1s",
};

/** Workers had nothing to warn of. */
export function mustBeQuiet(chaos: Chaos, { told }: Place): void {
  const [first] = told;
  if (first !== undefined) chaos.figure("first warning", first);
  chaos.must("warnings and errors of workers", told.length, { exactly: 0 });
}
