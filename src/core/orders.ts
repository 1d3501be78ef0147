// What operators order done to jobs, and what each order makes of one: pure, like every transition.
import { checkTexts, wrongArgument } from "./arguments.ts";
import type { LimitKey } from "./flow.ts";
import type { JobRecord, JsonText } from "./job.ts";
import { MAX_HEAD_START_MS, MAX_VALUE_BYTES, checkBytes, checkName } from "./limits.ts";
import { isRun } from "./run.ts";
import { type StorePolicy, type Transition, cancel, remove, retryByHand } from "./transitions.ts";

/** An order about one job or many. */
export type JobOrder =
  | { readonly kind: "cancel"; readonly reason: string }
  /**
   * Ready again with a fresh set of attempts, if it failed or was cancelled; after `delayMs`, and each job of a call
   * `everyMs` later than the one before it, so that many come back at a rate. `input` replaces what it was given. Where
   * several calls carry out one order, `fromMs` is the time of the store from which all of them count `everyMs`.
   * `keys` are what jobs count under with `input`, by their type; those of a type that it does not name keep theirs.
   */
  | {
      readonly kind: "retry";
      readonly delayMs?: number;
      readonly everyMs?: number;
      readonly fromMs?: number;
      readonly input?: JsonText;
      readonly keys?: Readonly<Record<string, readonly LimitKey[]>>;
    }
  | { readonly kind: "remove" }
  /** To another queue, if it waits for its time or a worker. It gets the id that belongs to that queue. */
  | { readonly kind: "move"; readonly queue: string }
  /** Another time to start, if it waits for its time or a worker: a time (milliseconds since 1970) or from now. */
  | { readonly kind: "reschedule"; readonly runAtMs: number }
  | { readonly kind: "reschedule"; readonly delayMs: number }
  /** Another head start, if it waits for its time or a worker. */
  | { readonly kind: "prioritize"; readonly headStartMs: number };

/** The names of orders. */
export const ORDER_KINDS: readonly JobOrder["kind"][] = [
  "cancel",
  "retry",
  "remove",
  "move",
  "reschedule",
  "prioritize",
];

/** Orders that a store carries out in one place; a move is between two. */
export type PlainOrder = Exclude<JobOrder, { readonly kind: "move" }>;

const WRONG_STATE: Transition = { kind: "rejected", why: "wrong-state" };

/** What an order makes of a job. `place` is how many jobs the same order changed before it. */
export function obey(
  job: JobRecord,
  order: PlainOrder,
  policy: StorePolicy,
  { place, nowMs }: { readonly place: number; readonly nowMs: number },
): Transition {
  switch (order.kind) {
    case "cancel":
      return cancel(job, order.reason, policy, nowMs);
    case "remove":
      return remove(job);
    case "retry":
      return retryLater(job, order, place, nowMs);
    case "reschedule":
      return reschedule(job, "runAtMs" in order ? order.runAtMs : nowMs + order.delayMs, nowMs);
    case "prioritize":
      return isWaiting(job)
        ? { kind: "changed", job: { ...job, headStartMs: order.headStartMs } }
        : WRONG_STATE;
  }
}

/** Whether a job waits for its time or for a worker: only then may its time or head start change. */
function isWaiting(job: Pick<JobRecord, "state">): boolean {
  return job.state === "scheduled" || job.state === "ready";
}

/**
 * Whether a job may go to another queue. A part of a workflow is known to the others by its id, and a job with keys counts
 * under the limits of its queue: they stay. So does one that is unique in its queue, of which only the store knows.
 */
export function mayMove(job: JobRecord): boolean {
  return isWaiting(job) && !isRun(job) && job.parent === undefined && job.keys.length === 0;
}

function retryLater(
  job: JobRecord,
  order: Extract<JobOrder, { kind: "retry" }>,
  place: number,
  nowMs: number,
): Transition {
  // A workflow run that has begun is replayed from its record, which another input would contradict.
  if (order.input !== undefined && isRun(job)) return WRONG_STATE;
  const transition = retryByHand(job, nowMs);
  if (transition.kind !== "changed") return transition;
  const { delayMs = 0, everyMs = 0 } = order;
  const fromMs = everyMs > 0 ? (order.fromMs ?? nowMs) : nowMs;
  const dueAtMs = fromMs + Math.round(delayMs + place * everyMs);
  const edited =
    order.input === undefined ? {} : { input: order.input, keys: keysWithInput(job, order.keys) };
  if (dueAtMs <= nowMs) return { kind: "changed", job: { ...transition.job, ...edited } };
  return {
    kind: "changed",
    job: { ...transition.job, ...edited, state: "scheduled", dueAtMs },
  };
}

function keysWithInput(
  { type, keys }: JobRecord,
  byType: Extract<JobOrder, { kind: "retry" }>["keys"] = {},
): JobRecord["keys"] {
  return (Object.hasOwn(byType, type) ? byType[type] : undefined) ?? keys;
}

function reschedule(job: JobRecord, runAtMs: number, nowMs: number): Transition {
  if (!isWaiting(job)) return WRONG_STATE;
  const dueAtMs = Math.max(runAtMs, nowMs);
  // It stays worth starting for as long after it is due as it was.
  const expiresAtMs = job.expiresAtMs === null ? null : job.expiresAtMs + (dueAtMs - job.dueAtMs);
  return {
    kind: "changed",
    job: { ...job, state: runAtMs > nowMs ? "scheduled" : "ready", dueAtMs, expiresAtMs },
  };
}

/**
 * Checks an order.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `TOO_LARGE`
 */
export function checkOrder(order: JobOrder): void {
  switch (order.kind) {
    case "retry":
      checkMs(order.delayMs ?? 0, "delayMs", 0);
      if (!((order.everyMs ?? 0) >= 0)) throw wrongArgument("everyMs", order.everyMs, "0 or more");
      checkMs(order.fromMs ?? 0, "fromMs", 0);
      if (order.input !== undefined) checkBytes(order.input, "input", MAX_VALUE_BYTES);
      return;
    case "move":
      checkName(order.queue, "queue");
      return;
    case "reschedule":
      if ("runAtMs" in order) checkMs(order.runAtMs, "runAtMs", 0);
      else checkMs(order.delayMs, "delayMs", 0);
      return;
    case "prioritize":
      checkMs(order.headStartMs, "headStartMs", -MAX_HEAD_START_MS);
      if (order.headStartMs > MAX_HEAD_START_MS) {
        throw wrongArgument("headStartMs", order.headStartMs, `at most ${MAX_HEAD_START_MS}`);
      }
      return;
    case "cancel":
      checkTexts({ reason: order.reason });
      return;
    case "remove":
  }
}

function checkMs(value: number, field: string, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw wrongArgument(field, value, `a whole number of milliseconds from ${least}`);
  }
}
