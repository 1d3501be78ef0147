// Children of a run that its own worker has: their claims as they are handed over, and their ends before the store tells.
import type { JobId } from "../../core/ids.ts";
import type { Ending } from "../../core/run.ts";
import type { ClaimedJob, NewJob, SettleOutcome } from "../../core/store.ts";

/** Characters of what a child that ended here gave. */
export function lengthOf(outcome: SettleOutcome): number {
  return outcome.kind === "succeeded" ? outcome.result.length : 0;
}

/** What a parent is told of a child that ended here: as the store will write it. */
export function endingOf(claimed: ClaimedJob, outcome: SettleOutcome, worker: string): Ending {
  const base = {
    attempts: outcome.kind === "cancelled" ? claimed.attempt - 1 : claimed.attempt,
    worker,
    startedAtMs: claimed.startedAtMs,
    finishedAtMs: Date.now(),
  };
  if (outcome.kind === "succeeded") {
    return { ...base, state: "succeeded", result: JSON.parse(outcome.result) as unknown };
  }
  const state = outcome.kind === "failed" ? "failed" : "cancelled";
  return { ...base, state, ...("error" in outcome ? { error: outcome.error } : {}) };
}

/** A child as its parent's owner claims it, in the act that enqueued it. */
export function claimOf(child: NewJob, token: string, parent: JobId, nowMs: number): ClaimedJob {
  return {
    id: child.id,
    type: child.type,
    queue: child.queue,
    input: child.input,
    token,
    attempt: 1,
    crashes: 0,
    enqueuedAtMs: nowMs,
    dueAtMs: nowMs,
    startedAtMs: nowMs,
    tags: child.tags ?? [],
    parent,
    ...(child.retention === undefined ? {} : { retention: child.retention }),
    ...(child.terms === undefined ? {} : { terms: child.terms }),
  };
}
