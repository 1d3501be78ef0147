// What a handler throws on purpose to say how its try ended: `fatal`, `retryAfter`, `snooze`.
import { type OptionNames, checkOptions } from "./arguments.ts";
import { type Duration, formatDuration, parseDuration } from "./duration.ts";
import type { PushBack } from "./flow.ts";

/** Thrown by a handler: the job fails at once, whatever attempts are left. */
export class FatalError extends Error {
  override readonly name: string = "FatalError";
}

/** Thrown by a handler: this try failed and counts, and the next one comes after exactly `delayMs`. */
export class RetryAfterError extends Error {
  override readonly name: string = "RetryAfterError";
  readonly delayMs: number;
  /** The limit that is held for as long: see {@link RetryAfterOptions}. */
  readonly pushBack: string | undefined;

  constructor(delayMs: number, message: string, options?: RetryAfterOptions) {
    super(message, options);
    this.delayMs = delayMs;
    this.pushBack = options?.pushBack;
  }
}

/** Who else waits. */
export interface PushBackOptions {
  /**
   * `"queue"`: nothing of the whole queue starts before the delay is over; the name of one of the job's limits: nothing
   * of the job's key of it. Needs a store with limits.
   */
  readonly pushBack?: string;
}

export interface RetryAfterOptions extends ErrorOptions, PushBackOptions {}

const PUSH_BACK_NAMES: OptionNames<PushBackOptions> = { pushBack: true };
const RETRY_AFTER_NAMES: OptionNames<RetryAfterOptions> = { ...PUSH_BACK_NAMES, cause: true };

/** The options of an outcome that names the limit to be held, or none. */
export function pushingBack(limit: string | undefined): PushBackOptions {
  return limit === undefined ? {} : { pushBack: limit };
}

/** What an error asks of others. */
export function pushBackOf(thrown: unknown): { readonly pushBack?: PushBack } {
  if (!(thrown instanceof RetryAfterError) && !(thrown instanceof SnoozeError)) return {};
  if (thrown.pushBack === undefined) return {};
  return { pushBack: { limit: thrown.pushBack, delayMs: thrown.delayMs } };
}

/** Thrown by a handler: not now; look again after `delayMs`. The try does not count. */
export class SnoozeError extends Error {
  override readonly name: string = "SnoozeError";
  readonly delayMs: number;
  /** The limit that is held for as long. */
  readonly pushBack: string | undefined;

  constructor(delayMs: number, options?: PushBackOptions) {
    super(`snoozed for ${formatDuration(delayMs)}`);
    this.delayMs = delayMs;
    this.pushBack = options?.pushBack;
  }
}

/**
 * The job can't succeed, ever: `throw fatal("no such order")`.
 */
export function fatal(message: string, options?: ErrorOptions): FatalError {
  return new FatalError(message, options);
}

/**
 * Try again after exactly this long: `throw retryAfter("2m", "the API said so")`. Counts as an attempt. Where others
 * would be told the same, `{ pushBack: "queue" }` lets the whole queue wait.
 *
 * @throws MillraceError `INVALID_DURATION`, `INVALID_ARGUMENT`
 */
export function retryAfter(
  delay: Duration,
  message = "asked to try again later",
  options?: RetryAfterOptions,
): RetryAfterError {
  if (options !== undefined) checkOptions(options, "options", RETRY_AFTER_NAMES);
  return new RetryAfterError(parseDuration(delay, "retryAfter"), message, options);
}

/**
 * Not now, and nothing went wrong: `throw snooze("1h")`. Does not count as an attempt.
 *
 * @throws MillraceError `INVALID_DURATION`, `INVALID_ARGUMENT`
 */
export function snooze(delay: Duration, options?: PushBackOptions): SnoozeError {
  if (options !== undefined) checkOptions(options, "options", PUSH_BACK_NAMES);
  return new SnoozeError(parseDuration(delay, "snooze"), options);
}
