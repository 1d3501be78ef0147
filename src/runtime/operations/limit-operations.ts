// Limits as an operator handles them: looked at, changed while work goes on, and taken back to what the types declare.
import { type OptionNames, checkList, checkObject, checkOptions } from "../../core/arguments.ts";
import { MillraceError } from "../../core/errors.ts";
import {
  type LimitBounds,
  type LimitKey,
  type LimitRecord,
  QUEUE_LIMIT,
  type ReleasedHold,
} from "../../core/flow.ts";
import { RATE_NAMES, type RateOptions, checkBounds, readRate } from "../../core/flow-options.ts";
import { checkName } from "../../core/limits.ts";
import type { Store } from "../../core/store.ts";

/** A change of a limit. What is not said stays as it is; `null` takes that bound away. */
export interface LimitChangeOptions {
  /** The limit's name. Default `"queue"`, that of the whole queue. */
  readonly name?: string;
  readonly concurrency?: number | null;
  readonly rate?: RateOptions | null;
  readonly by?: string;
}

export const LIMIT_CHANGE_NAMES: OptionNames<LimitChangeOptions> = {
  name: true,
  concurrency: true,
  rate: RATE_NAMES,
  by: true,
};

/** Which change of a limit is taken back. */
export interface LimitResetOptions {
  /** The limit's name. Default `"queue"`, that of the whole queue. */
  readonly name?: string;
  readonly by?: string;
}

export const LIMIT_RESET_NAMES: OptionNames<LimitResetOptions> = { name: true, by: true };

/** Which limits are shown. */
export interface LimitsQuery {
  readonly queue?: string;
  /** Of a queue, keys whose use is asked for beside the limits themselves. */
  readonly keys?: readonly LimitKey[];
}

const KEY_NAMES: OptionNames<LimitKey> = { limit: true, key: true };
export const LIMITS_NAMES: OptionNames<LimitsQuery> = { queue: true, keys: KEY_NAMES };

/** What of a queue is held no longer: all of it by default, else one key. */
export interface ReleaseLimitOptions {
  /** The limit that a handler named when it pushed back. Default `"queue"`, that of the whole queue. */
  readonly name?: string;
  /** The key of that limit; of a limit with keys a handler holds one at a time. */
  readonly key?: string;
}

export const RELEASE_NAMES: OptionNames<ReleaseLimitOptions> = { name: true, key: true };

/** What can be done about limits. */
export interface LimitOperations {
  /** The limits that hold, and how far they are used. */
  limits(query?: LimitsQuery): Promise<readonly LimitRecord[]>;
  /** Changes a limit for all workers, without a restart. It stands until it is taken back, whatever types declare. */
  setLimit(queue: string, change: LimitChangeOptions): Promise<void>;
  /** Takes a change back: what the types declare holds again. */
  resetLimit(queue: string, options?: LimitResetOptions): Promise<void>;
  /**
   * Lifts a push-back before its time: what a handler held by `retryAfter(..., { pushBack })` or `snooze` may start again
   * on every worker. Bounds and rates stay as they are. Gives until when it was held.
   */
  releaseLimit(queue: string, options?: ReleaseLimitOptions): Promise<ReleasedHold>;
}

/** Makes the operations about limits. */
export function createLimitOperations(store: Store): LimitOperations {
  const set = async (
    queue: string,
    bounds: LimitBounds | null,
    { name = QUEUE_LIMIT, by = "unknown" }: LimitResetOptions,
  ): Promise<void> => {
    const limits = [{ name: checkName(name, "limit"), bounds }];
    await store.setLimits({ queue: checkName(queue, "queue"), limits, by });
  };
  return {
    limits: async (query = {}) => {
      const { keys } = checkOptions(query, "query", LIMITS_NAMES);
      for (const key of checkList(keys ?? [], "keys", "keys")) checkObject(key, "keys");
      return store.limits(query);
    },
    setLimit: async (queue, change) => {
      checkOptions(change, "change", LIMIT_CHANGE_NAMES);
      if (change.concurrency === undefined && change.rate === undefined) {
        throw new MillraceError("INVALID_ARGUMENT", {
          message: "neither concurrency nor rate is given; expected one of them, or both",
        });
      }
      const known = await store.limits({ queue: checkName(queue, "queue") });
      const { name = QUEUE_LIMIT } = change;
      const now = known.find((limit) => limit.name === name && limit.key === null);
      await set(queue, boundsAfter(now, change), change);
    },
    resetLimit: async (queue, options = {}) =>
      set(queue, null, checkOptions(options, "options", LIMIT_RESET_NAMES)),
    releaseLimit: async (queue, options = {}) => {
      const { name = QUEUE_LIMIT, key } = checkOptions(options, "options", RELEASE_NAMES);
      checkName(queue, "queue");
      const isQueue = checkName(name, "name") === QUEUE_LIMIT;
      if (isQueue !== (key === undefined)) {
        throw new MillraceError("INVALID_ARGUMENT", {
          message: isQueue
            ? `key is ${JSON.stringify(key)} and the limit is that of the whole queue; say the name of the key's limit, or no key`
            : `the limit ${name} is one of keys, and a handler holds one key at a time; say which key is to be released`,
        });
      }
      return store.releaseHold({
        queue,
        ...(key === undefined ? {} : { key: { limit: name, key } }),
      });
    },
  };
}

function boundsAfter(now: LimitBounds | undefined, change: LimitChangeOptions): LimitBounds {
  const { concurrency, rate } = change;
  return checkBounds({
    concurrency: concurrency === undefined ? (now?.concurrency ?? null) : concurrency,
    rate: rate === undefined ? (now?.rate ?? null) : rate === null ? null : readRate(rate),
  });
}
