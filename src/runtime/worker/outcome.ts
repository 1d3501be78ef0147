// Decides what becomes of a job whose try did not succeed.
import type { AnyJobType } from "../../core/define-job.ts";
import { QUEUE_LIMIT } from "../../core/flow.ts";
import { type ErrorRecord, isMillraceError, toErrorRecord } from "../../core/errors.ts";
import { FatalError, RetryAfterError, SnoozeError, pushBackOf } from "../../core/outcomes.ts";
import type { RetentionPolicy, SettleOutcome } from "../../core/store.ts";

/** A try that ended with an error. */
export interface FailedTry {
  readonly thrown: unknown;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Why the try was asked to end, where it was. */
  readonly abortReason: unknown;
  readonly retention: RetentionPolicy;
}

/**
 * The outcome of a failed try. `null` where the claim is void, so that nothing may be said of the job any more.
 *
 * @param random in [0, 1), for jitter
 */
export function decideFailure(
  type: AnyJobType,
  failed: FailedTry,
  random: number,
): SettleOutcome | null {
  const { abortReason, thrown, retention } = failed;
  if (isMillraceError(abortReason, "LEASE_LOST") || isMillraceError(abortReason, "STALE_CLAIM")) {
    return null;
  }
  // Thrown by a launcher whose job was settled by a callback.
  if (isMillraceError(thrown, "STALE_CLAIM")) return null;
  if (isMillraceError(abortReason, "JOB_CANCELLED")) {
    return {
      kind: "cancelled",
      error: toErrorRecord(abortReason),
      retention: retention.cancelled,
    };
  }
  if (isMillraceError(abortReason, "STOPPED")) return { kind: "release" };
  if (thrown instanceof SnoozeError) {
    return { kind: "snooze", delayMs: thrown.delayMs, ...pushBackOf(thrown) };
  }
  // A handler that ends by its signal throws whatever fetch or a timer throws: the timeout is what happened.
  const cause = isMillraceError(abortReason, "JOB_TIMEOUT") ? abortReason : thrown;
  return retryOrFail(type, { ...failed, thrown: cause }, random);
}

function retryOrFail(type: AnyJobType, failed: FailedTry, random: number): SettleOutcome {
  const { thrown, attempt, retention } = failed;
  const error = toErrorRecord(thrown);
  const final: SettleOutcome = {
    kind: "failed",
    error,
    retention: retention.failed,
    ...pushBackOf(thrown),
  };
  if (isFinal(thrown) || attempt >= type.retry.attempts) return final;
  if (thrown instanceof RetryAfterError) {
    return { kind: "retry", error, delayMs: thrown.delayMs, ...pushBackOf(thrown) };
  }
  try {
    return {
      kind: "retry",
      error,
      delayMs: type.retry.delayMs({ attempt, error: thrown }, random),
    };
  } catch (backoffError) {
    return { ...final, error: inBackoff(error, backoffError) };
  }
}

/** Errors that another try can't mend: a fatal one, values that don't fit, addresses that may not be reached. */
function isFinal(thrown: unknown): boolean {
  return (
    thrown instanceof FatalError ||
    isMillraceError(thrown, "INVALID_INPUT") ||
    isMillraceError(thrown, "INVALID_OUTPUT") ||
    isMillraceError(thrown, "TOO_LARGE") ||
    isMillraceError(thrown, "FORBIDDEN")
  );
}

function inBackoff(error: ErrorRecord, backoffError: unknown): ErrorRecord {
  return {
    ...error,
    message: `${error.message} (not retried: the backoff function threw ${toErrorRecord(backoffError).message})`,
  };
}

/** The limit that an outcome would hold and that its type does not have, so that nothing is held. */
export function unknownLimitOf(
  { flow }: Pick<AnyJobType, "flow">,
  outcome: SettleOutcome | null,
): string | null {
  if (outcome === null || !("pushBack" in outcome) || outcome.pushBack === undefined) return null;
  const { limit } = outcome.pushBack;
  const isKnown = limit === QUEUE_LIMIT || flow.limits.some(({ name }) => name === limit);
  return isKnown ? null : limit;
}
