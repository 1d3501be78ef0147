// Retry policies: how many attempts a job gets and how long it waits between them.
import { type Duration, MAX_DURATION_MS, parseDuration } from "./duration.ts";
import { type AnyOptionNames, type OptionNames, checkObject, tellValue } from "./arguments.ts";
import { MillraceError } from "./errors.ts";

/** What decides the wait before the next attempt. */
export type Backoff =
  | "exponential"
  | "fixed"
  | {
      readonly kind: "exponential";
      readonly base?: Duration;
      readonly max?: Duration;
      /** `false` waits the full time; by default it is drawn evenly from 0 to it ("full jitter"). */
      readonly jitter?: boolean;
    }
  | { readonly kind: "fixed"; readonly delay?: Duration }
  | readonly Duration[]
  | ((failure: { readonly attempt: number; readonly error: unknown }) => Duration);

/** A job type's retry policy as a developer writes it. */
export interface RetryOptions {
  /** Attempts in all, the first included; 1 means no retry. */
  readonly attempts?: number;
  readonly backoff?: Backoff;
}

type BackoffOf<Kind extends "exponential" | "fixed"> = Extract<Backoff, { readonly kind: Kind }>;

const EXPONENTIAL_NAMES: OptionNames<BackoffOf<"exponential">> = {
  kind: true,
  base: true,
  max: true,
  jitter: true,
};
const FIXED_NAMES: OptionNames<BackoffOf<"fixed">> = { kind: true, delay: true };

/** The names that a retry policy has. */
export const RETRY_NAMES: OptionNames<RetryOptions> = {
  attempts: true,
  backoff: ({ kind }): AnyOptionNames | true => {
    if (kind === "fixed") return FIXED_NAMES;
    return kind === "exponential" ? EXPONENTIAL_NAMES : true;
  },
};

/** A retry policy, read and checked. */
export interface RetryPolicy {
  readonly attempts: number;
  /** Wait before the attempt that follows `attempt` (1 for the first), in milliseconds. `random` is in [0, 1). */
  delayMs(failure: { readonly attempt: number; readonly error: unknown }, random: number): number;
}

/** Five attempts: with the default backoff they span about half a minute, which outlives a restart of most services. */
export const DEFAULT_ATTEMPTS = 5;
/** Most attempts a policy may ask for; more is a loop, not a retry. */
export const MAX_ATTEMPTS = 1_000;
const DEFAULT_EXPONENTIAL_BASE_MS = 1_000;
const DEFAULT_EXPONENTIAL_MAX_MS = 3_600_000;
const DEFAULT_FIXED_MS = 1_000;

/**
 * Reads a retry policy.
 *
 * Exponential backoff waits `base * 2^(attempt - 1)`, at most `max`, with full jitter (Brooker, "Exponential Backoff
 * And Jitter"): of the common forms it spreads a crowd of retries best.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function readRetryPolicy(options: RetryOptions | undefined): RetryPolicy {
  if (options !== undefined) checkObject(options, "retry");
  const attempts =
    options?.attempts ??
    (Array.isArray(options?.backoff) ? options.backoff.length + 1 : DEFAULT_ATTEMPTS);
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MAX_ATTEMPTS) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `retry.attempts is ${tellValue(attempts)}; expected a whole number from 1 to ${MAX_ATTEMPTS}`,
    });
  }
  return { attempts, delayMs: readBackoff(options?.backoff ?? "exponential") };
}

function readBackoff(backoff: Backoff): RetryPolicy["delayMs"] {
  if (typeof backoff === "function") {
    return (failure) => parseDuration(backoff(failure), "retry.backoff()");
  }
  if (isList(backoff)) {
    const delaysMs = backoff.map((delay) => parseDuration(delay, "retry.backoff"));
    return ({ attempt }) => delaysMs[Math.min(attempt, delaysMs.length) - 1] ?? 0;
  }
  const form: Exclude<Backoff, string | ((failure: never) => Duration) | readonly Duration[]> =
    typeof backoff === "string" ? { kind: backoff } : backoff;
  if (form?.kind === "fixed") {
    const delayMs = parseDuration(form.delay ?? DEFAULT_FIXED_MS, "retry.backoff.delay");
    return () => delayMs;
  }
  if (form?.kind !== "exponential") {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `retry.backoff is ${tellValue(backoff)}; expected "exponential", "fixed", a list of durations or a function`,
    });
  }
  const baseMs = parseDuration(form.base ?? DEFAULT_EXPONENTIAL_BASE_MS, "retry.backoff.base");
  const maxMs = parseDuration(form.max ?? DEFAULT_EXPONENTIAL_MAX_MS, "retry.backoff.max");
  const jitter = form.jitter ?? true;
  return ({ attempt }, random) => {
    const fullMs = Math.min(baseMs * 2 ** (attempt - 1), maxMs, MAX_DURATION_MS);
    return Math.round(jitter ? fullMs * random : fullMs);
  };
}

function isList(backoff: Backoff): backoff is readonly Duration[] {
  return Array.isArray(backoff);
}
