// How a fleet behaves: what its owner may say of it, and the plain numbers that decisions are made with.
import { type OptionNames, tellValue } from "../../core/arguments.ts";
import { availableParallelism } from "node:os";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";

/** What the owner of a fleet may say of restarts, starts and stops. Everything has a default. */
export interface PolicyOptions {
  /** `"one-for-one"` restarts the member that ended, `"one-for-all"` every member with it. */
  readonly strategy?: "one-for-one" | "one-for-all";
  /** Pause before a restart without progress: doubled each time from `initial` to `max`. */
  readonly backoff?: { readonly initial?: Duration; readonly max?: Duration };
  /** Restarts in a row without progress between them; the next failure makes the member degraded. */
  readonly restartLimit?: number;
  /** To have been ready for so long counts as progress, for members that report none. */
  readonly stableAfter?: Duration;
  /** Members that start at the same time. */
  readonly startingAtOnce?: number;
  /** A start that is not ready after so long, asleep rather than busy, makes room for the next one. */
  readonly startSlot?: Duration;
  /** A member that is not ready after so long has failed. */
  readonly readyWithin?: Duration;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopGrace?: Duration;
  /** Health checks of ready members: a member that fails `failures` in a row is restarted. */
  readonly health?: { readonly every?: Duration; readonly failures?: number };
}

const BACKOFF_NAMES: OptionNames<NonNullable<PolicyOptions["backoff"]>> = {
  initial: true,
  max: true,
};
/** The names of what is said of health checks. */
export const HEALTH_NAMES: OptionNames<NonNullable<PolicyOptions["health"]>> = {
  every: true,
  failures: true,
};
/** The names of what is said of restarts, starts and stops. */
export const POLICY_NAMES: OptionNames<PolicyOptions> = {
  strategy: true,
  backoff: BACKOFF_NAMES,
  restartLimit: true,
  stableAfter: true,
  startingAtOnce: true,
  startSlot: true,
  readyWithin: true,
  stopGrace: true,
  health: HEALTH_NAMES,
};

/** The same as plain numbers. */
export interface FleetPolicy {
  readonly isOneForAll: boolean;
  readonly backoffInitialMs: number;
  readonly backoffMaxMs: number;
  readonly restartLimit: number;
  readonly stableAfterMs: number;
  readonly startingAtOnce: number;
  readonly startSlotMs: number;
  readonly readyWithinMs: number;
  readonly stopGraceMs: number;
  readonly healthEveryMs: number | undefined;
  readonly healthFailures: number;
}

/** More members than a machine runs well; a slip of the pen must not fork a thousand processes. */
export const MAX_MEMBERS = 1_000;

/**
 * Reads a policy.
 *
 * Why starts are bounded by the cores: 16 workers started at once on 2 idle cores needed 10.0 to
 * 10.2 s for 150 samples, two at a time 9.4 to 9.6 s. Why a slot is short: on the same cores under a load
 * of ten other programs a start takes hundreds of milliseconds, and with slots of 250 ms the whole
 * took 9.9 to 10.2 s, with 100 ms 9.3 to 9.9 s. On an idle machine a start is done in half of that.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`, naming the field
 */
export function readPolicy(options: PolicyOptions = {}): FleetPolicy {
  const { backoff, health } = options;
  return {
    isOneForAll: options.strategy === "one-for-all",
    backoffInitialMs: parseDuration(backoff?.initial ?? "100ms", "backoff.initial"),
    backoffMaxMs: parseDuration(backoff?.max ?? "10s", "backoff.max"),
    restartLimit: wholeNumber(options.restartLimit ?? 5, "restartLimit", 0),
    stableAfterMs: parseDuration(options.stableAfter ?? "30s", "stableAfter"),
    startingAtOnce: wholeNumber(options.startingAtOnce ?? availableParallelism(), "startingAtOnce"),
    startSlotMs: parseDuration(options.startSlot ?? "100ms", "startSlot"),
    readyWithinMs: parseDuration(options.readyWithin ?? "30s", "readyWithin"),
    stopGraceMs: parseDuration(options.stopGrace ?? "5s", "stopGrace"),
    healthEveryMs: health && parseDuration(health.every ?? "10s", "health.every"),
    healthFailures: wholeNumber(health?.failures ?? 3, "health.failures"),
  };
}

/**
 * Checks a count.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function wholeNumber(
  value: number,
  field: string,
  from = 1,
  to: number = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${field} is ${tellValue(value)}; expected a whole number from ${from} to ${to}`,
  });
}
