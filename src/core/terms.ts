// What one job is tried by in place of its type's: attempts, backoff and timeout that came with its enqueue.
import type { AnyJobType } from "./define-job.ts";
import { type OptionNames, tellValue } from "./arguments.ts";
import { type Duration, parseDuration, parseTimeout } from "./duration.ts";
import { MillraceError } from "./errors.ts";
import type { JsonText } from "./job.ts";
import {
  type Backoff,
  RETRY_NAMES,
  type RetryOptions,
  type RetryPolicy,
  readRetryPolicy,
} from "./retry.ts";

/** A retry policy that can be kept with a job: plain data. What it leaves out is as the type has it. */
export interface OwnRetryOptions {
  /** Attempts in all, the first included; 1 means no retry. */
  readonly attempts?: number;
  readonly backoff?: OwnBackoff;
}

/** A backoff that can be kept with a job: all but functions. */
export type OwnBackoff = Exclude<Backoff, (failure: never) => Duration>;

/** What an enqueue can say of how its job is tried. */
export interface OwnTerms {
  /** In place of the type's, field by field. */
  readonly retry?: OwnRetryOptions;
  /** Longest time of one try, at least 1 ms, in place of the type's. */
  readonly timeout?: Duration;
}

/** The names of what an enqueue says of how its job is tried. */
export const TERMS_NAMES: OptionNames<OwnTerms> = {
  retry: RETRY_NAMES,
  timeout: true,
};

/** Longest list of waits that is kept with a job. */
export const MAX_OWN_BACKOFF_LENGTH = 100;

/**
 * Checks what an enqueue says of how its job is tried, and writes it as it is kept. `undefined` where it says nothing.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function writeTerms({ retry, timeout }: OwnTerms): JsonText | undefined {
  if (retry === undefined && timeout === undefined) return undefined;
  if (retry !== undefined) checkRetry(retry);
  if (timeout !== undefined) parseTimeout(timeout, "timeout", "its type's");
  const { attempts, backoff } = retry ?? {};
  return JSON.stringify({ retry: retry && { attempts, backoff }, timeout });
}

/** Reads terms as they are kept. */
export function readTerms(terms: JsonText): OwnTerms {
  return JSON.parse(terms) as OwnTerms;
}

function checkRetry(retry: OwnRetryOptions): void {
  if (typeof retry !== "object" || retry === null || Array.isArray(retry)) {
    throw invalid(`retry is ${tellValue(retry)}; expected { attempts, backoff }`);
  }
  const backoff: unknown = retry.backoff;
  if (typeof backoff === "function") {
    throw invalid(
      'retry.backoff is a function, which can\'t be kept with a job; expected "exponential", "fixed", an object of theirs or a list of durations. A function belongs to the job type',
    );
  }
  if (Array.isArray(backoff) && backoff.length > MAX_OWN_BACKOFF_LENGTH) {
    throw invalid(
      `retry.backoff has ${backoff.length} durations; expected at most ${MAX_OWN_BACKOFF_LENGTH}`,
    );
  }
  readRetryPolicy(retry);
}

function invalid(message: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", { message });
}

/** A job type as it applies to a job with terms of its own. */
export function underTerms<Type extends AnyJobType>(type: Type, terms: JsonText | undefined): Type {
  if (terms === undefined) return type;
  const { retry, timeout } = readTerms(terms);
  return {
    ...type,
    ...(retry === undefined ? {} : { retry: ownRetry(type.retry, retry) }),
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, "timeout") }),
  };
}

function ownRetry(policy: RetryPolicy, retry: RetryOptions): RetryPolicy {
  const own = readRetryPolicy(retry);
  const saysAttempts = retry.attempts !== undefined || Array.isArray(retry.backoff);
  return {
    attempts: saysAttempts ? own.attempts : policy.attempts,
    delayMs: retry.backoff === undefined ? policy.delayMs.bind(policy) : own.delayMs.bind(own),
  };
}
