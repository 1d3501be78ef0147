// Whether limits leave so much room that jobs under them may be claimed ahead of free slots.

/** A claim for fewer jobs says nothing: what is claimed ahead is more. */
const LEAST_TELLING = 16;
/** So much of a full claim must be under limits: else they may be what keeps it from being more. */
const LEAST_SHARE = 0.5;
/** After a claim that came short, or a push-back, limits count as tight for so long. */
const TIGHT_MS = 1_000;

/** What a claim asked for, and what it was given. */
export interface ClaimFound {
  readonly capacity: number;
  readonly claimed: number;
  /** Those of types with limits. */
  readonly limited: number;
}

/*
 * Why not always: a job that is held has a place that its limit could give to another worker, and is counted by a rate
 * though it may be given back. Where a limit binds, claims come short; where jobs under limits are few beside others,
 * a claim may be full and the limit binding all the same. Where a full claim is mostly of jobs under limits it is the
 * slots that bind, and a place that is held for some milliseconds is missed by nobody.
 */
export class Slack {
  #isFull = false;
  #tightUntilMs = 0;

  /** A claim was answered. Times are of a monotonic clock. */
  noteClaim({ capacity, claimed, limited }: ClaimFound, nowMs: number): void {
    if (claimed < capacity) this.tighten(nowMs);
    else if (capacity >= LEAST_TELLING) this.#isFull = limited >= claimed * LEAST_SHARE;
  }

  /** A limit binds, or is about to. */
  tighten(nowMs: number): void {
    this.#isFull = false;
    this.#tightUntilMs = nowMs + TIGHT_MS;
  }

  isThere(nowMs: number): boolean {
    return this.#isFull && nowMs >= this.#tightUntilMs;
  }
}
