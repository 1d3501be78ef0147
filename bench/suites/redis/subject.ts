// What every subject of the suites on Redis can do. Each file beside this one exports one as `subject`.
import type { Logger } from "pino";
import type { Producer } from "../../harness/two-processes.ts";

export interface RedisSubject {
  open(url: string, options?: OpenOptions): Promise<RedisQueue>;
  /** The enqueuing side of the latency measurement, in a process of its own. */
  openProducer(url: string): Promise<Producer>;
}

export interface OpenOptions {
  /** A start and an end line per job are written there. */
  readonly logger?: Logger;
  /** Whether jobs that succeeded are kept; otherwise they are removed at once. */
  readonly isKept?: boolean;
}

export interface RedisQueue {
  /** Adds so many jobs with one call. Ranked ones have priorities from 1 to `RANKS`, in turn. */
  addBulk(count: number, options?: { readonly isRanked: boolean }): Promise<unknown>;
  /** Adds one job, which is kept when the promise is fulfilled. */
  add(): Promise<unknown>;
  /** Begins to work; each job calls this with its payload and is done. */
  work(concurrency: number, onJob: (payload: unknown) => void): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Priorities of ranked jobs. */
export const RANKS = 10;
