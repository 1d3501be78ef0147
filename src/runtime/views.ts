// What may be shown of jobs and events: plain data with secrets masked.
import type { ErrorRecord } from "../core/errors.ts";
import { fingerprintOf } from "../core/fingerprint.ts";
import type { JobEvent } from "../core/events.ts";
import { type AttemptRecord, type JobRecord, type JsonText, isTerminal } from "../core/job.ts";
import { type Redactor, collectSecrets, maskValue } from "../core/redaction.ts";
import { readTerms } from "../core/terms.ts";
import type { AttemptView, EventView, JobView } from "./millrace.ts";

/** Shows a job. */
export function viewJob(job: JobRecord, redact: Redactor): JobView {
  const input = parse(job.input);
  const secrets = collectSecrets(input, redact);
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    state: job.state,
    input: redact(input),
    result: redact(parse(job.result)),
    error: viewError(job.error, secrets),
    errorFingerprint: job.error === null ? null : fingerprintOf(job.error),
    progress: redact(parse(job.progress)),
    attempt: isTerminal(job.state) ? Math.max(job.attempts, 1) : job.attempts + 1,
    attempts: job.history.map((attempt) => viewAttempt(attempt, secrets)),
    crashes: job.crashes,
    worker: job.worker,
    priorityHeadStartMs: job.headStartMs,
    tags: job.tags,
    labels: job.labels,
    idempotencyKey: job.idempotencyKey,
    ...viewTerms(job.terms),
    cancelRequested:
      job.cancelRequest === null
        ? null
        : { at: iso(job.cancelRequest.atMs), reason: job.cancelRequest.reason },
    enqueuedAt: iso(job.enqueuedAtMs),
    dueAt: iso(job.dueAtMs),
    expiresAt: isoOrNull(job.expiresAtMs),
    startedAt: isoOrNull(job.startedAtMs),
    finishedAt: isoOrNull(job.finishedAtMs),
    removedAfter: isoOrNull(job.removeAtMs),
  };
}

function viewTerms(terms: JsonText | undefined): Pick<JobView, "retry" | "timeout"> {
  const { retry = null, timeout = null } = terms === undefined ? {} : readTerms(terms);
  return { retry, timeout };
}

/** Shows an event. Errors and log lines were masked by the worker that wrote them, which had the input at hand. */
export function viewEvent(event: JobEvent, redact: Redactor): EventView {
  const { kind, id, type, queue, atMs } = event;
  const base = { kind, id, type, queue, at: iso(atMs) };
  switch (event.kind) {
    case "enqueued":
    case "advanced":
      return { ...base, state: event.state };
    case "started":
      return { ...base, worker: event.worker, attempt: event.attempt };
    case "progress":
      return { ...base, progress: redact(parse(event.progress)) };
    case "log":
      return { ...base, level: event.level, message: event.message };
    case "succeeded":
      return { ...base, result: redact(parse(event.result)) };
    case "failed":
    case "cancelled":
      return { ...base, error: event.error };
    case "retrying":
      return { ...base, error: event.error, delayMs: event.delayMs };
    case "snoozed":
      return { ...base, delayMs: event.delayMs };
    case "readied":
      return { ...base, why: event.why };
    case "rearranged":
    case "removed":
      return base;
  }
}

/** Masks secrets in an error's texts, those of its causes included. */
export function maskError(error: ErrorRecord, secrets: readonly string[]): ErrorRecord {
  return maskValue(error, secrets) as ErrorRecord;
}

function viewError(error: ErrorRecord | null, secrets: readonly string[]): ErrorRecord | null {
  return error === null ? null : maskError(error, secrets);
}

function viewAttempt(attempt: AttemptRecord, secrets: readonly string[]): AttemptView {
  return {
    attempt: attempt.attempt,
    worker: attempt.worker,
    startedAt: iso(attempt.startedAtMs),
    endedAt: iso(attempt.endedAtMs),
    outcome: attempt.outcome,
    error: viewError(attempt.error ?? null, secrets),
  };
}

function parse(text: JsonText | null): unknown {
  return text === null ? null : (JSON.parse(text) as unknown);
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

function isoOrNull(atMs: number | null): string | null {
  return atMs === null ? null : iso(atMs);
}
