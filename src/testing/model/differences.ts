// What a store may choose otherwise than the rest when it hands out jobs, so that the model judges it by what it can do.
import type { JobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import type { ClaimRequest, ClaimedJob } from "../../core/store.ts";

/**
 * - `delayed-go-last`: a job that waited for its time, or was given back, goes behind those that wait already.
 * - `holds-what-does-not-fit`: a claim takes a queue's next jobs whatever their types; what does not fit the worker is
 *   held back for a while, and goes last then.
 * - `takes-no-heed-of-age`: a worker that has only begun is given jobs like any other, whoever died under them.
 */
export type Difference = "delayed-go-last" | "holds-what-does-not-fit" | "takes-no-heed-of-age";

/** Deaths in a row under a job from which on only a worker that has run for a while is given it. */
const DEATHS_FOR_GROWN = 2;
/** Longest time that a job is held back. */
const HOLD_MS = 30_000;

/** What the model remembers of the differences of the store beside it. */
export class Differences {
  readonly #of: ReadonlySet<Difference>;
  readonly #heldUntilMs: Map<JobId, number> = new Map();

  constructor(of: readonly Difference[]) {
    this.#of = new Set(of);
  }

  /** Whether its place among those that wait can be told. */
  hasPlace(record: JobRecord): boolean {
    if (this.#heldUntilMs.has(record.id)) return false;
    const hasWaited = record.dueAtMs !== record.enqueuedAtMs || record.startedAtMs !== null;
    return !(hasWaited && this.#of.has("delayed-go-last"));
  }

  /** Whether workers died under it so often in a row that one which has only begun must not be given it. */
  isForGrown(deaths: number): boolean {
    return deaths >= DEATHS_FOR_GROWN && !this.#of.has("takes-no-heed-of-age");
  }

  /** Whether it may be left behind now. */
  mayStay({ id }: JobRecord, nowMs: number): boolean {
    return (this.#heldUntilMs.get(id) ?? 0) > nowMs;
  }

  /** A claim was made, before which these jobs of its queues were waiting. */
  claimed(
    waiting: readonly JobRecord[],
    { offers }: ClaimRequest,
    claimed: readonly ClaimedJob[],
    nowMs: number,
  ): void {
    if (!this.#of.has("holds-what-does-not-fit")) return;
    const isFull = ({ queue, type }: JobRecord): boolean => {
      const offer = offers.find((each) => each.queue === queue && each.type === type);
      const taken = claimed.filter((each) => each.queue === queue && each.type === type);
      return offer === undefined || taken.length >= offer.capacity;
    };
    const taken = new Set(claimed.map(({ id }) => id));
    const left = waiting.filter(({ id }) => !taken.has(id));
    const held = new Set(left.filter(isFull).map(({ queue }) => queue));
    for (const { id, queue } of left) {
      if (held.has(queue)) this.#heldUntilMs.set(id, nowMs + HOLD_MS);
    }
  }
}
