// What a handler throws on purpose to say how its try ended: `fatal`, `retryAfter`, `snooze`.
import { type Duration, formatDuration, parseDuration } from "./duration.ts";

/** Thrown by a handler: the job fails at once, whatever attempts are left. */
export class FatalError extends Error {
  override readonly name: string = "FatalError";
}

/** Thrown by a handler: this try failed and counts, and the next one comes after exactly `delayMs`. */
export class RetryAfterError extends Error {
  override readonly name: string = "RetryAfterError";
  readonly delayMs: number;

  constructor(delayMs: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.delayMs = delayMs;
  }
}

/** Thrown by a handler: not now; look again after `delayMs`. The try does not count. */
export class SnoozeError extends Error {
  override readonly name: string = "SnoozeError";
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`snoozed for ${formatDuration(delayMs)}`);
    this.delayMs = delayMs;
  }
}

/**
 * The job can't succeed, ever: `throw fatal("no such order")`.
 */
export function fatal(message: string, options?: ErrorOptions): FatalError {
  return new FatalError(message, options);
}

/**
 * Try again after exactly this long: `throw retryAfter("2m", "the API said so")`. Counts as an attempt.
 *
 * @throws MillraceError `INVALID_DURATION`
 */
export function retryAfter(
  delay: Duration,
  message = "asked to try again later",
  options?: ErrorOptions,
): RetryAfterError {
  return new RetryAfterError(parseDuration(delay, "retryAfter"), message, options);
}

/**
 * Not now, and nothing went wrong: `throw snooze("1h")`. Does not count as an attempt.
 *
 * @throws MillraceError `INVALID_DURATION`
 */
export function snooze(delay: Duration): SnoozeError {
  return new SnoozeError(parseDuration(delay, "snooze"));
}
