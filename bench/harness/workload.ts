// What subjects of the suites about jobs are asked to do, and how their pace is taken.
import { join } from "node:path";
import { type Logger, pino } from "pino";
import type { Run } from "./suite.ts";

/** A small JSON document, as a job that names things by their ids has it. */
export const PAYLOAD = { orderId: "o-4711", customerId: "c-1042", lines: 3 } as const;

/** Jobs that one call of a bulk enqueue holds. */
export const BULK_SIZE = 1_000;
/** Callers that enqueue at once, and jobs that are processed at once. */
export const CONCURRENCY = 100;

/** Lets code get hot first, then takes the pace for a while: times rather than counts, so that slow subjects end too. */
function paceTimes(run: Run): { readonly warmUpMs: number; readonly measureMs: number } {
  return run.isQuick ? { warmUpMs: 150, measureMs: 350 } : { warmUpMs: 1_000, measureMs: 3_000 };
}

/** Jobs processed before the clock starts, and while it runs. */
export function processCounts(run: Run): { readonly warmUp: number; readonly measured: number } {
  return run.isQuick ? { warmUp: 2_000, measured: 8_000 } : { warmUp: 10_000, measured: 50_000 };
}

/** Steps a second of fan-outs of so many, one after the other: as many steps in all as there are plain jobs. */
export async function paceOfFanOuts(
  run: Run,
  count: number,
  once: () => Promise<void>,
): Promise<number> {
  const { warmUp, measured } = processCounts(run);
  for (let steps = 0; steps < warmUp; steps += count) await once();
  const startedAt = performance.now();
  let steps = 0;
  for (; steps < measured; steps += count) await once();
  return (steps * 1_000) / (performance.now() - startedAt);
}

/** Latency samples: enough for a 99th percentile in the long form. */
export function latencySamples(run: Run): number {
  return run.isQuick ? 60 : 1_000;
}

/** Calls a step, which tells how many jobs it handled, again and again; gives jobs a second. */
export async function paceOf(run: Run, step: () => number | Promise<number>): Promise<number> {
  const { warmUpMs, measureMs } = paceTimes(run);
  await repeatFor(warmUpMs, step);
  return repeatFor(measureMs, step);
}

/** The same for callers that each wait for their own call before they make the next. */
export async function paceOfCallers(run: Run, call: () => Promise<unknown>): Promise<number> {
  const { warmUpMs, measureMs } = paceTimes(run);
  const together = async (durationMs: number): Promise<number> => {
    const one = (): Promise<number> => repeatFor(durationMs, () => call().then(() => 1));
    const paces = await Promise.all(Array.from({ length: CONCURRENCY }, one));
    return paces.reduce((sum, pace) => sum + pace, 0);
  };
  await together(warmUpMs);
  return together(measureMs);
}

async function repeatFor(
  durationMs: number,
  step: () => number | Promise<number>,
): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  let passedMs: number;
  do {
    const stepped = step();
    count += typeof stepped === "number" ? stepped : await stepped;
    passedMs = performance.now() - startedAt;
  } while (passedMs < durationMs);
  return (count / passedMs) * 1_000;
}

/** Counts jobs as they start and takes the pace between two counts: beyond the warm-up, before the last ones. */
export class StartCounter {
  readonly #warmUp: number;
  readonly #total: number;
  readonly #done = Promise.withResolvers<number>();
  #count = 0;
  #warmAt = 0;

  constructor(counts: { readonly warmUp: number; readonly measured: number }) {
    this.#warmUp = counts.warmUp;
    this.#total = counts.warmUp + counts.measured;
  }

  /** To be called by each job. */
  readonly count = (): void => {
    this.#count += 1;
    if (this.#count === this.#warmUp) this.#warmAt = performance.now();
    if (this.#count !== this.#total) return;
    this.#done.resolve(((this.#total - this.#warmUp) / (performance.now() - this.#warmAt)) * 1_000);
  };

  get isDone(): boolean {
    return this.#count >= this.#total;
  }

  /** Jobs a second. */
  get pace(): Promise<number> {
    return this.#done.promise;
  }
}

/** Where `-logged` cases write a start and an end line per job: a file, as a service's output would be. */
export function fileLogger(run: Run): Logger {
  return pino({ base: null }, pino.destination(join(run.directory, "log")));
}
