// The life of a job as pure functions: (job, command, time) -> the job changed, removed, or a rejection.
import type { ErrorRecord } from "./errors.ts";
import {
  type AttemptOutcome,
  type AttemptRecord,
  type JobRecord,
  type JobState,
  MAX_KEPT_ATTEMPTS,
  isTerminal,
} from "./job.ts";
import { DEFAULT_MAX_CRASHES, DEFAULT_RETENTION } from "./limits.ts";
import { isRun } from "./run.ts";
import type { NewJob, Retention, RetentionPolicy, SettleOutcome } from "./store.ts";

/** What a command makes of a job: its next record, its removal, or the reason why not. */
export type Transition =
  | { readonly kind: "changed"; readonly job: JobRecord }
  /** `job` is the record as it would be kept, or as it was where someone removed it. */
  | { readonly kind: "removed"; readonly job: JobRecord }
  | { readonly kind: "rejected"; readonly why: "stale" | "wrong-state" };

const STALE: Transition = { kind: "rejected", why: "stale" };
const WRONG_STATE: Transition = { kind: "rejected", why: "wrong-state" };

/** The record of a new job. */
export function createJob(job: NewJob, nowMs: number): JobRecord {
  const dueAtMs = job.runAtMs ?? nowMs + (job.delayMs ?? 0);
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    state: dueAtMs > nowMs ? "scheduled" : "ready",
    labels: job.labels ?? [],
    tags: job.tags ?? [],
    input: job.input,
    headStartMs: job.headStartMs ?? 0,
    attempts: 0,
    crashes: 0,
    enqueuedAtMs: nowMs,
    dueAtMs: Math.max(dueAtMs, nowMs),
    expiresAtMs:
      job.expireAfterMs === undefined ? null : Math.max(dueAtMs, nowMs) + job.expireAfterMs,
    startedAtMs: null,
    finishedAtMs: null,
    removeAtMs: null,
    worker: null,
    token: null,
    progress: null,
    result: null,
    error: null,
    cancelRequest: null,
    history: [],
    idempotencyKey: job.idempotency?.key ?? null,
    keys: (job.keys ?? []).map(({ limit, key }) => ({ limit, key })),
    ...(job.terms === undefined ? {} : { terms: job.terms }),
    ...(job.parent === undefined ? {} : { parent: job.parent }),
  };
}

/**
 * The place of a ready job in its lane: lowest first. Time since it was due ages every job alike, so a head start is
 * an advantage that later arrivals of low priority never lose ground to for ever.
 */
export function rankOf(job: Pick<JobRecord, "dueAtMs" | "headStartMs">): number {
  return job.dueAtMs - job.headStartMs;
}

/** A scheduled job whose time has come is ready. */
export function promote(job: JobRecord, nowMs: number): Transition {
  if (job.state !== "scheduled" || job.dueAtMs > nowMs) return WRONG_STATE;
  return { kind: "changed", job: { ...job, state: "ready" } };
}

/** A worker takes a ready job. */
export function claim(
  job: JobRecord,
  by: { readonly worker: string; readonly token: string },
  nowMs: number,
): Transition {
  if (job.state !== "ready" || isExpired(job, nowMs)) return WRONG_STATE;
  return {
    kind: "changed",
    job: {
      ...job,
      state: "running",
      worker: by.worker,
      token: by.token,
      startedAtMs: nowMs,
      progress: null,
    },
  };
}

/** Whether a job that has not started is no longer worth starting. */
export function isExpired(job: JobRecord, nowMs: number): boolean {
  return (
    job.expiresAtMs !== null &&
    nowMs >= job.expiresAtMs &&
    (job.state === "ready" || job.state === "scheduled")
  );
}

/** Whether a claim stands: its job runs under it, or waits in its worker's memory as a workflow run. */
export function isHeld(job: JobRecord, token: string): boolean {
  return (job.state === "running" || job.state === "waiting") && job.token === token;
}

/** A worker says how far a job is. Stale when its token is not the one that the job runs under. */
export function report(job: JobRecord, token: string, progress: string): Transition {
  if (!isHeld(job, token)) return STALE;
  return { kind: "changed", job: { ...job, progress } };
}

/** A worker says how a try ended. Stale when its token is not the one that the job runs under. */
export function settle(
  job: JobRecord,
  token: string,
  outcome: SettleOutcome,
  policy: StorePolicy,
  nowMs: number,
): Transition {
  if (!isHeld(job, token)) return STALE;
  // A cancel request outlives the try that it was made in: the job must not start again. A workflow run does, to undo.
  if (job.cancelRequest !== null && isAgain(outcome) && !isRun(job))
    return withdraw(job, policy, nowMs);
  switch (outcome.kind) {
    case "succeeded":
      return finish(
        { ...job, attempts: job.attempts + 1, error: null },
        { state: "succeeded", result: outcome.result, retention: outcome.retention },
        nowMs,
      );
    case "failed":
      return finish(
        { ...endTry(job, "failed", nowMs, outcome.error), attempts: job.attempts + 1 },
        { state: "failed", error: outcome.error, retention: outcome.retention },
        nowMs,
      );
    case "cancelled":
      return finish(
        endTry(job, "cancelled", nowMs, outcome.error),
        { state: "cancelled", error: outcome.error, retention: outcome.retention },
        nowMs,
      );
    case "retry":
      return again(
        {
          ...endTry(job, "failed", nowMs, outcome.error),
          attempts: job.attempts + 1,
          error: outcome.error,
        },
        outcome.delayMs,
        nowMs,
      );
    case "snooze":
      return again(endTry(job, "snoozed", nowMs), outcome.delayMs, nowMs);
    case "release":
      return again(endTry(job, "released", nowMs), 0, nowMs);
  }
}

/** The policy that a store needs where no worker decides. */
export interface StorePolicy {
  readonly retention: RetentionPolicy;
  readonly maxCrashes: number;
  readonly cancelGraceMs: number;
}

/** The policy of a type that nobody made known to the store. The grace is that of a request in flight. */
export const DEFAULT_STORE_POLICY: StorePolicy = {
  retention: DEFAULT_RETENTION,
  maxCrashes: DEFAULT_MAX_CRASHES,
  cancelGraceMs: 5_000,
};

/**
 * The worker of a running job is dead. The job is ready again with its place kept and its try not counted. The crash is
 * charged to a job that its worker ran alone, never to jobs that ran beside each other; one charged with `maxCrashes`
 * fails.
 */
export function lose(
  job: JobRecord,
  policy: StorePolicy,
  loss: { readonly isCharged: boolean },
  nowMs: number,
): Transition {
  // A run that waited did nothing that could be the cause.
  if (job.state === "waiting" && job.token !== null) {
    return { kind: "changed", job: { ...job, state: "ready", token: null } };
  }
  if (job.state !== "running") return WRONG_STATE;
  if (job.cancelRequest !== null && !isRun(job)) return withdraw(job, policy, nowMs);
  const crashes = job.crashes + (loss.isCharged ? 1 : 0);
  const error = crashError({ ...job, crashes }, policy);
  const lost = { ...endTry(job, "lost", nowMs, error), crashes };
  if (crashes >= policy.maxCrashes) {
    return finish(lost, { state: "failed", error, retention: policy.retention.failed }, nowMs);
  }
  return { kind: "changed", job: { ...lost, state: "ready" } };
}

/** Someone wants a job cancelled: one that waits is, one that runs is asked. */
export function cancel(
  job: JobRecord,
  reason: string,
  policy: StorePolicy,
  nowMs: number,
): Transition {
  if (isTerminal(job.state)) return WRONG_STATE;
  if (job.state === "running" || isRun(job)) {
    if (job.cancelRequest !== null) return { kind: "changed", job };
    const asked = { ...job, cancelRequest: { atMs: nowMs, reason } };
    // A run that has begun ends by itself, so that it can undo: one that is out of memory is claimed for it.
    if (job.token !== null || job.state === "ready") return { kind: "changed", job: asked };
    return { kind: "changed", job: { ...asked, state: "ready", dueAtMs: nowMs } };
  }
  return finish(
    { ...job, cancelRequest: { atMs: nowMs, reason } },
    { state: "cancelled", error: cancelError(reason), retention: policy.retention.cancelled },
    nowMs,
  );
}

/** The grace after a cancel request is over: the claim is withdrawn, and a late word of it will be stale. */
export function withdraw(job: JobRecord, policy: StorePolicy, nowMs: number): Transition {
  const isClaimed = job.state === "running" || (job.state === "waiting" && job.token !== null);
  if (!isClaimed || job.cancelRequest === null || isRun(job)) return WRONG_STATE;
  const error = cancelError(job.cancelRequest.reason);
  return finish(
    endTry(job, "cancelled", nowMs, error),
    { state: "cancelled", error, retention: policy.retention.cancelled },
    nowMs,
  );
}

/** Whether the store itself must withdraw a running job whose worker did not answer a cancel request. */
export function isOverdue(job: JobRecord, policy: StorePolicy, nowMs: number): boolean {
  return (
    job.state === "running" &&
    job.cancelRequest !== null &&
    !isRun(job) &&
    nowMs >= job.cancelRequest.atMs + policy.cancelGraceMs
  );
}

/** A job that was not started, or not started again, in time fails. */
export function expire(job: JobRecord, policy: StorePolicy, nowMs: number): Transition {
  if (!isExpired(job, nowMs)) return WRONG_STATE;
  const error = expiryError(job);
  return finish(job, { state: "failed", error, retention: policy.retention.failed }, nowMs);
}

/** How the loss of a worker is kept with its job; `crashes` are those it is charged with by now. */
export function crashError(
  job: Pick<JobRecord, "worker" | "crashes">,
  policy: Pick<StorePolicy, "maxCrashes">,
): ErrorRecord {
  return {
    name: "MillraceError",
    code: "JOB_CRASHED",
    message: `worker ${job.worker ?? "unknown"} died or lost its lease while it ran this job (${job.crashes} of ${policy.maxCrashes} allowed)`,
  };
}

/** How an expiry is kept with the job. */
export function expiryError(job: Pick<JobRecord, "startedAtMs">): ErrorRecord {
  return {
    name: "MillraceError",
    code: "JOB_EXPIRED",
    message:
      job.startedAtMs === null
        ? "the job was not started before it expired"
        : "the job was not started again before it expired",
  };
}

/** Someone wants a failed or cancelled job run again: it gets a fresh set of attempts and keeps its history. */
export function retryByHand(job: JobRecord, nowMs: number): Transition {
  if (job.state !== "failed" && job.state !== "cancelled") return WRONG_STATE;
  return {
    kind: "changed",
    job: {
      ...job,
      state: "ready",
      attempts: 0,
      crashes: 0,
      dueAtMs: nowMs,
      expiresAtMs: null,
      finishedAtMs: null,
      removeAtMs: null,
      cancelRequest: null,
      progress: null,
    },
  };
}

/** Someone wants a job gone. A running one must be cancelled first. */
export function remove(job: JobRecord): Transition {
  return job.token === null ? { kind: "removed", job } : WRONG_STATE;
}

/** How a cancellation is kept with the job. */
export function cancelError(reason: string): ErrorRecord {
  return { name: "MillraceError", code: "JOB_CANCELLED", message: reason };
}

interface Ending {
  readonly state: "succeeded" | "failed" | "cancelled";
  readonly result?: string;
  readonly error?: ErrorRecord;
  readonly retention: Retention;
}

function finish(job: JobRecord, ending: Ending, nowMs: number): Transition {
  const isRemoved = ending.retention.ageMs === 0 || ending.retention.count === 0;
  return {
    kind: isRemoved ? "removed" : "changed",
    job: {
      ...job,
      state: ending.state,
      token: null,
      result: ending.result ?? null,
      error: ending.error ?? job.error,
      finishedAtMs: nowMs,
      removeAtMs: nowMs + ending.retention.ageMs,
    },
  };
}

function again(job: JobRecord, delayMs: number, nowMs: number): Transition {
  const state: JobState = delayMs > 0 ? "scheduled" : "ready";
  const dueAtMs = delayMs > 0 ? nowMs + delayMs : job.dueAtMs;
  return { kind: "changed", job: { ...job, state, dueAtMs } };
}

function isAgain(outcome: SettleOutcome): boolean {
  return outcome.kind === "retry" || outcome.kind === "snooze" || outcome.kind === "release";
}

function endTry(
  job: JobRecord,
  outcome: AttemptOutcome,
  nowMs: number,
  error?: ErrorRecord,
): JobRecord {
  const attempt: AttemptRecord = {
    attempt: job.attempts + 1,
    worker: job.worker ?? "",
    startedAtMs: job.startedAtMs ?? nowMs,
    endedAtMs: nowMs,
    outcome,
    ...(error === undefined ? {} : { error }),
  };
  return { ...job, token: null, history: [...job.history, attempt].slice(-MAX_KEPT_ATTEMPTS) };
}
