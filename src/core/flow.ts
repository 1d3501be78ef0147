// Flow control as data: limits of a queue and of keys, the window that a rate is held by, and what makes two jobs one.
import type { TypeRecord } from "./store.ts";

/** Name of the limit that holds for a whole queue, whatever the keys of its jobs. */
export const QUEUE_LIMIT = "queue";

/** At most `limit` starts within any `perMs`. */
export interface Rate {
  readonly limit: number;
  readonly perMs: number;
}

/** What a limit allows; `null`: any number. */
export interface LimitBounds {
  /** Jobs that run at once, over all workers. */
  readonly concurrency: number | null;
  readonly rate: Rate | null;
}

/** Neither bound. */
export const UNLIMITED: LimitBounds = { concurrency: null, rate: null };

/** A limit as a job type declares it: of the whole queue (`QUEUE_LIMIT`), or of each key that its jobs name. */
export interface LimitDeclaration extends LimitBounds {
  readonly name: string;
}

/** What a job counts under: one key of one limit of its queue. */
export interface LimitKey {
  readonly limit: string;
  readonly key: string;
}

/**
 * What becomes of a new job where as many unfinished jobs stand under its key as the limit lets run: it waits for its
 * turn, is not kept, or is kept while the oldest are cancelled.
 */
export type OnLimit = "wait" | "drop-new" | "cancel-oldest";

/** A key of a new job. */
export interface NewLimitKey extends LimitKey {
  /** Default `"wait"`. */
  readonly onLimit?: OnLimit;
}

/** While which of its states a job stands for all of its key: new ones are not kept. */
export type UniqueWhile = "waiting" | "running" | "unfinished";

/** One job of its type, queue and key at a time. */
export interface Unique {
  readonly key: string;
  readonly while: UniqueWhile;
  /**
   * The newest input wins: a new one takes the place of that of a job that has not started, which then waits `waitMs`
   * from now, and no longer than `longestMs` from its own enqueue.
   */
  readonly debounce?: { readonly waitMs: number; readonly longestMs: number };
}

/** A handler says that others must wait too: nothing of the queue, or of the job's key, starts for so long. */
export interface PushBack {
  /** {@link QUEUE_LIMIT}, or the name of one of the job's keys. */
  readonly limit: string;
  readonly delayMs: number;
}

/** Changes limits of a queue in place of what its types declare; `bounds: null` takes a change back. */
export interface SetLimits {
  readonly queue: string;
  readonly limits: readonly { readonly name: string; readonly bounds: LimitBounds | null }[];
  readonly by: string;
}

/** Lifts what handlers that pushed back hold of a queue. */
export interface ReleaseHold {
  readonly queue: string;
  /** Of the whole queue, where there is none; else of this key alone. */
  readonly key?: LimitKey;
}

/** What was held. */
export interface ReleasedHold {
  /** Until when, in milliseconds since 1970; `null`: nothing was held. */
  readonly heldUntilMs: number | null;
}

/** Which limits are asked for: of all queues or of one, and of one those of certain keys too. */
export interface LimitQuery {
  readonly queue?: string;
  readonly keys?: readonly LimitKey[];
}

/** A limit in force, and how far it is used. */
export interface LimitRecord extends LimitBounds {
  readonly queue: string;
  readonly name: string;
  /** `null`: the limit itself, with the use of the whole queue where it is {@link QUEUE_LIMIT}, else without. */
  readonly key: string | null;
  /** What its types say; `null` where none does. */
  readonly declared: LimitBounds | null;
  /** Who changed it, and when; `null` where what is declared holds. */
  readonly set: { readonly by: string; readonly atMs: number } | null;
  /** Jobs that run under it. */
  readonly running: number;
  /** Time until its rate, or a handler that pushed back, lets the next one start; 0: at once. */
  readonly opensInMs: number;
  /** Until when a handler pushed back; `null`: none did, or it is over. */
  readonly pushedBackUntilMs: number | null;
}

/** A changed limit as a store keeps it. */
export interface LimitChange {
  readonly bounds: LimitBounds;
  readonly by: string;
  readonly atMs: number;
}

/** A limit of a queue as it holds: what was set, else what is declared. */
export interface EffectiveLimit {
  readonly bounds: LimitBounds;
  readonly declared: LimitBounds | null;
  readonly set: LimitChange | null;
}

/** The limits of each queue, by queue and by name. */
export type LimitTable = ReadonlyMap<string, ReadonlyMap<string, EffectiveLimit>>;

/** Puts together what types declare, the stricter of two where they differ, and what was set by hand. */
export function limitTable(
  types: Iterable<Pick<TypeRecord, "queue" | "limits">>,
  changes: Iterable<{
    readonly queue: string;
    readonly name: string;
    readonly change: LimitChange;
  }>,
): LimitTable {
  const table = new Map<string, Map<string, EffectiveLimit>>();
  const put = (queue: string, name: string, limit: EffectiveLimit): void => {
    const own = table.get(queue) ?? new Map<string, EffectiveLimit>();
    table.set(queue, own.set(name, limit));
  };
  for (const { queue, limits = [] } of types) {
    for (const { name, concurrency, rate } of limits) {
      const known = table.get(queue)?.get(name)?.declared ?? UNLIMITED;
      const declared = stricter(known, { concurrency, rate });
      put(queue, name, { bounds: declared, declared, set: null });
    }
  }
  for (const { queue, name, change } of changes) {
    const declared = table.get(queue)?.get(name)?.declared ?? null;
    put(queue, name, { bounds: change.bounds, declared, set: change });
  }
  return table;
}

function stricter(left: LimitBounds, right: LimitBounds): LimitBounds {
  const { concurrency } = left;
  const isLower =
    right.concurrency !== null && (concurrency === null || right.concurrency < concurrency);
  return {
    concurrency: isLower ? right.concurrency : concurrency,
    rate: stricterRate(left.rate, right.rate),
  };
}

function stricterRate(left: Rate | null, right: Rate | null): Rate | null {
  if (left === null || right === null) return left ?? right;
  return right.limit / right.perMs < left.limit / left.perMs ? right : left;
}

/**
 * Starts within a window, oldest first: time of the latest of a step, and how many. A sliding window log; of more than
 * 200 starts what comes within a 200th of the window is kept as one entry that counts from its latest start: so it is
 * bounded, and never lets more through than an exact log. A bucket that refills (GCRA) would be one number in place of it, but lets a
 * burst and a whole window's worth through within one window, or, without a burst, loses each late start for ever.
 */
export type Starts = readonly (readonly [atMs: number, count: number])[];

/** No starts yet. */
export const NO_STARTS: Starts = [];

/**
 * Entries that a window is kept in: a higher rate is kept in so many steps, and a start may wait for a step longer than by
 * an exact log. A rate of fewer needs no steps, which would cost one of 100 a second half a percent of its starts.
 */
const STEPS_PER_WINDOW = 200;

/** How many may start now, and, where none may, in how long the next one. */
export function roomInWindow(
  starts: Starts,
  rate: Rate,
  nowMs: number,
): { readonly room: number; readonly opensInMs: number } {
  const counted = withinWindow(starts, rate, nowMs);
  let used = 0;
  for (const [, count] of counted) used += count;
  if (used < rate.limit) return { room: rate.limit - used, opensInMs: 0 };
  // Where a lower limit was set, several entries must leave the window before there is room.
  for (const [atMs, count] of counted) {
    used -= count;
    if (used < rate.limit) return { room: 0, opensInMs: Math.max(1, atMs + rate.perMs - nowMs) };
  }
  return { room: 0, opensInMs: rate.perMs };
}

/** Notes starts of now. */
export function noteStarts(starts: Starts, rate: Rate, nowMs: number, count: number): Starts {
  const kept = withinWindow(starts, rate, nowMs);
  const last = kept[kept.length - 1];
  const isExact = rate.limit <= STEPS_PER_WINDOW;
  const stepMs = isExact ? 1 : Math.max(1, Math.floor(rate.perMs / STEPS_PER_WINDOW));
  if (last === undefined || Math.floor(last[0] / stepMs) !== Math.floor(nowMs / stepMs)) {
    return [...kept, [nowMs, count]];
  }
  return [...kept.slice(0, -1), [Math.max(last[0], nowMs), last[1] + count]];
}

/** What counts still. Starts far in the future are of a clock that was wrong. */
function withinWindow(starts: Starts, { perMs }: Rate, nowMs: number): Starts {
  return starts.filter(([atMs]) => atMs > nowMs - perMs && atMs <= nowMs + perMs);
}

/** Whether a job in a state stands for all others of its key. */
export function isStandingFor(state: string, { while: during }: Pick<Unique, "while">): boolean {
  const isWaiting = state === "scheduled" || state === "ready";
  const isRunning = state === "running" || state === "waiting";
  if (during === "unfinished") return isWaiting || isRunning;
  return during === "waiting" ? isWaiting : isRunning;
}

/** When a debounced job is due, that was enqueued at a time, and whose input was replaced now. */
export function debouncedDueAtMs(
  debounce: { readonly waitMs: number; readonly longestMs: number },
  enqueuedAtMs: number,
  nowMs: number,
): number {
  return Math.max(nowMs, Math.min(nowMs + debounce.waitMs, enqueuedAtMs + debounce.longestMs));
}
