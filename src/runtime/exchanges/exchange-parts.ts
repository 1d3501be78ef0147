// What the exchanges of a worker are made of: what goes into one, and what they need of their worker.
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeRequest,
  SettleReply,
  Settlement,
  Store,
} from "../../core/store.ts";
import type { JobId } from "../../core/ids.ts";
import type { HeldRuns, Sent } from "./held-runs.ts";
import type { QuickSteps } from "../quick-steps/quick-steps.ts";
import type { Slots } from "../worker/slots.ts";

/** A try that ended, until the store has its word. */
export interface Ended {
  readonly settlement: Settlement;
  readonly claimed: ClaimedJob;
  readonly runMs: number;
  /** It was said before to a part of the store that is silent. */
  readonly isSaidAgain?: true;
}

/** What the loop needs of its worker. */
export interface ExchangeLoopParts {
  readonly store: Store;
  readonly concurrency: number;
  readonly leaseDurationMs: number;
  readonly labels: readonly string[];
  readonly pollIntervalMs: number;
  readonly slots: Slots;
  readonly runs: HeldRuns;
  readonly quick: QuickSteps;
  /** The worker as the store knows it at present: another name after each lost lease. */
  readonly workerId: () => string;
  readonly isAttached: () => boolean;
  /** Milliseconds of a monotonic clock. */
  readonly monotonicMs: () => number;
  /** Begins claimed jobs. */
  readonly begin: (claimed: readonly ClaimedJob[]) => void;
  /** A run does not wait for a job any more, which may run here. */
  readonly cancel: (id: JobId) => void;
  /** The store answered a settlement. */
  readonly onSettled: (ended: Ended, reply: SettleReply) => void;
  /** Something that somebody may wait for is over. */
  readonly onProgress: () => void;
}

/** What went into one exchange. */
export interface Exchanged {
  readonly worker: string;
  readonly batch: readonly Ended[];
  readonly words: readonly Sent[];
  readonly claim: ClaimRequest | undefined;
}

/** The same as the store is asked. */
export function toRequest({ worker, batch, words, claim }: Exchanged): ExchangeRequest {
  return {
    worker,
    settlements: batch.map(({ settlement }) => settlement),
    ...(words.length === 0 ? {} : { advances: words.map(({ advance }) => advance) }),
    ...(claim === undefined ? {} : { claim }),
  };
}

/** How many were not said before. */
export function countFresh(ended: readonly Ended[]): number {
  let count = 0;
  for (const { isSaidAgain } of ended) if (isSaidAgain !== true) count += 1;
  return count;
}

/** How many end steps of runs. */
export function countSteps(ended: readonly Ended[]): number {
  let count = 0;
  for (const { claimed } of ended) if (claimed.parent !== undefined) count += 1;
  return count;
}

/**
 * Exchanges under way at once where runs speak or their steps end. With one alone the worker waits while the store keeps
 * what they said, and the store while their functions go on: a run of two steps took as long as both together.
 */
const MAX_UNDER_WAY = 2;
/**
 * From so many words or ended steps on, the first of the two carries half of what waits. What is said together is
 * answered together, and functions that were answered together speak together again: a worker with runs of two steps had
 * one exchange under way at a time although it might have two. With halves it ran 9,000 of them a second on Redis where
 * it ran 5,300 to 7,200 (8,500 to 9,700 on SQLite where it ran 5,400 to 8,500), and of one run's fan-out of 10,000 it
 * ended 29,100 to 32,800 steps a second on Redis where it ended 25,400 to 28,700; all under real-time priority.
 */
const LEAST_TO_HALVE = 32;
/** Ends of steps that go beside an exchange though their runs have no word yet: a half of what is halved. */
const LEAST_BESIDE = 16;

/** Exchanges that settle or say something and that the store has yet to answer. */
export class UnderWay {
  /** One of them failed: the store is left alone for a while, once it has answered for the others. */
  hasFailed = false;
  readonly #exchanges = new Set<Exchanged>();

  get size(): number {
    return this.#exchanges.size;
  }

  /** Whether there may be one more. */
  get mayAdd(): boolean {
    return this.size === 0 || (this.size < MAX_UNDER_WAY && !this.hasFailed);
  }

  /** The part of what waits that the next exchange carries, where so much of runs waits: all, or half. */
  partOf(ofRuns: number): (waiting: number) => number {
    const isHalf = this.size === 0 && ofRuns >= LEAST_TO_HALVE;
    return (waiting) => (isHalf ? Math.ceil(waiting / 2) : waiting);
  }

  /** Whether so many words of runs, or the steps among what ended, can go beside what is under way. */
  mayGoBeside(words: number, ended: readonly Ended[]): boolean {
    if (!this.mayAdd) return false;
    return words > 0 || (ended.length >= LEAST_BESIDE && countSteps(ended) >= LEAST_BESIDE);
  }

  get hasClaim(): boolean {
    for (const { claim } of this.#exchanges) if (claim !== undefined) return true;
    return false;
  }

  /** Settlements that they carry. */
  get settlements(): number {
    let count = 0;
    for (const { batch } of this.#exchanges) count += batch.length;
    return count;
  }

  /** Those of them that were not said before. */
  get fresh(): number {
    let count = 0;
    for (const { batch } of this.#exchanges) count += countFresh(batch);
    return count;
  }

  add(exchanged: Exchanged): void {
    this.#exchanges.add(exchanged);
  }

  delete(exchanged: Exchanged): void {
    this.#exchanges.delete(exchanged);
  }
}
