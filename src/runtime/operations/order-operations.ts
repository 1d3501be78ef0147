// What operators do to many jobs at once, and ask of jobs that wait: plain data in, plain data out.
import { type OptionNames, checkOptions, wrongArgument } from "../../core/arguments.ts";
import type { Duration } from "../../core/duration.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobState } from "../../core/job.ts";
import { PRIORITY_NAMES } from "../../core/limits.ts";
import type { ChangeReply, InputValue } from "../../core/store.ts";
import type { WaitReason } from "../../core/why.ts";
import type { JobView } from "../millrace.ts";

/** A time: a Date, milliseconds since 1970, or an ISO 8601 text. */
export type Time = Date | number | string;

/** Which jobs: those that fit every part given. */
export interface JobSelection {
  readonly states?: readonly JobState[];
  readonly type?: string;
  readonly queue?: string;
  readonly tag?: string;
  /** Their idempotency key. */
  readonly key?: string;
  /** When their id was made: from this time on, and before that one. */
  readonly createdFrom?: Time;
  readonly createdBefore?: Time;
  /** When they ended. */
  readonly finishedFrom?: Time;
  readonly finishedBefore?: Time;
  /** The fingerprint of their latest error, as `errors` lists it. */
  readonly error?: string;
  /** Fields of their input by path, each equal to a value: `{ "order.customer": "acme" }`. */
  readonly input?: Readonly<Record<string, InputValue>>;
}

/** The names of the parts of a selection. */
export const SELECTION_NAMES: OptionNames<JobSelection> = {
  states: true,
  type: true,
  queue: true,
  tag: true,
  key: true,
  createdFrom: true,
  createdBefore: true,
  finishedFrom: true,
  finishedBefore: true,
  error: true,
  input: true,
};

/** An order, as an operator gives it. */
export type Order =
  | { readonly kind: "cancel"; readonly reason?: string }
  /**
   * Failed and cancelled jobs are ready again, with a fresh set of attempts, in the queue that they came from. `delay`
   * holds them back; `rate` lets at most so many come back per second; `input` replaces what they were given.
   */
  | {
      readonly kind: "retry";
      readonly delay?: Duration;
      readonly rate?: number;
      readonly input?: unknown;
    }
  | { readonly kind: "remove" }
  /** Jobs that wait go to another queue, under another id. */
  | { readonly kind: "move"; readonly queue: string }
  /** Jobs that wait start at another time. */
  | { readonly kind: "reschedule"; readonly runAt?: Time; readonly delay?: Duration }
  /** Jobs that wait get another priority: a number, each step a minute of head start, or the head start itself. */
  | {
      readonly kind: "prioritize";
      readonly priority: number | { readonly headStart: Duration };
    };

/** The names that each kind of order has. */
export const ORDER_NAMES: {
  readonly [Kind in Order["kind"]]: OptionNames<Extract<Order, { readonly kind: Kind }>>;
} = {
  cancel: { kind: true, reason: true },
  retry: { kind: true, delay: true, rate: true, input: true },
  remove: { kind: true },
  move: { kind: true, queue: true },
  reschedule: { kind: true, runAt: true, delay: true },
  prioritize: { kind: true, priority: PRIORITY_NAMES },
};

/** One bounded step of an order on all that a selection fits. */
export interface OrderStep {
  readonly select: JobSelection;
  readonly order: Order;
  /** Counts and shows some of the jobs, and changes nothing. */
  readonly dryRun?: boolean;
  /** Most jobs in this step; 1,000 by default. */
  readonly limit?: number;
  /** What the step before gave: this one goes on from there. */
  readonly after?: Pick<OrderProgress, "cursor" | "changed" | "pacedFromMs">;
}

/** The names of a step. Its selection and its order have their own; `after` may be all that the step before gave. */
export const STEP_NAMES: OptionNames<OrderStep> = {
  select: true,
  order: true,
  dryRun: true,
  limit: true,
  after: true,
};

/** How far an order has come. */
export interface OrderProgress {
  /** Jobs that fit, in this step. */
  readonly matched: number;
  /** Jobs that were changed, in this step and those before it. In a dry run: 0. */
  readonly changed: number;
  /** Jobs that were looked at to find them, in this step. */
  readonly examined: number;
  /** Some of the jobs of a dry run's first step. */
  readonly sample?: readonly JobView[];
  /** Parts of the selection that no index answers: all jobs that the other parts leave are looked at. */
  readonly unindexed: readonly string[];
  /** Absent when the order is carried out. */
  readonly cursor?: string;
  /** Of an order with a rate that goes on: the time (milliseconds since 1970) from which its jobs are counted. */
  readonly pacedFromMs?: number;
}

/** Why a job does not run, or what it does instead. */
export interface WhyView {
  readonly id: JobId;
  readonly state: JobState;
  /** Reasons in the order in which they hold the job back, none for a job that ended. */
  readonly reasons: readonly WaitReason[];
  /** The same as a sentence. */
  readonly sentence: string;
}

/** Errors that are one by their fingerprint, of one job type. */
export interface ErrorGroupView {
  readonly fingerprint: string;
  readonly type: string;
  /** Name and message, with placeholders for what differs. */
  readonly title: string;
  /** Tries that ended so. */
  readonly count: number;
  /** Starts of the first and the last window in which it was seen: minutes within the last day, hours before. */
  readonly firstSeen: string;
  readonly lastSeen: string;
}

export interface ErrorQuery {
  /** How far back. Default `"24h"`; at most a month is kept. */
  readonly since?: Duration;
  readonly type?: string;
}

export const ERROR_QUERY_NAMES: OptionNames<ErrorQuery> = { since: true, type: true };

/** Who holds something, and why. */
export interface PauseOptions {
  readonly by?: string;
  readonly reason?: string;
}

export const PAUSE_NAMES: OptionNames<PauseOptions> = { by: true, reason: true };

/** The calls. Refused with `UNSUPPORTED` where the store lacks the capability. */
export interface OrderOperations {
  /** Carries an order out on jobs by their ids. A move tells the new ids. */
  order(ids: readonly JobId[], order: Order): Promise<readonly ChangeReply[]>;
  /** Carries an order out on whatever a selection fits, one bounded step a call: see {@link orderAll}. */
  orderMatching(step: OrderStep): Promise<OrderProgress>;
  /** Why a job is not running; `null` when it is not kept. */
  why(id: JobId): Promise<WhyView | null>;
  /** Errors by their fingerprints, the most frequent first. A minute shows up when it is over. */
  errors(query?: ErrorQuery): Promise<readonly ErrorGroupView[]>;
  /** Lets a queue take nothing new in, while what is there runs out. `resume` ends it. */
  drain(queue: string, options?: PauseOptions): Promise<void>;
}

/** How an order on many jobs is carried out. */
export interface OrderAllOptions {
  /** Ends it between two steps. */
  readonly signal?: AbortSignal;
}

const ORDER_ALL_NAMES: OptionNames<OrderAllOptions> = { signal: true };

/** What an order on many jobs came to so far. */
export interface OrderTotals {
  readonly matched: number;
  readonly changed: number;
  readonly examined: number;
  readonly isDone: boolean;
}

/**
 * Carries an order out on all that a selection fits, step by step, and tells how far it is after each. Leaving the loop,
 * or aborting the signal, ends it between two steps.
 *
 * @example
 * for await (const { changed } of orderAll(mill, { select: { states: ["failed"] }, order: { kind: "retry" } })) {
 *   console.log(changed);
 * }
 */
export async function* orderAll(
  operations: Pick<OrderOperations, "orderMatching">,
  step: Omit<OrderStep, "after">,
  options: OrderAllOptions = {},
): AsyncGenerator<OrderTotals, void, undefined> {
  if (typeof (operations as typeof operations | undefined)?.orderMatching !== "function") {
    throw wrongArgument("operations", operations, "an open Millrace, or createHttpOperations");
  }
  checkOptions(step, "step", STEP_NAMES);
  const { signal } = checkOptions(options, "options", ORDER_ALL_NAMES);
  let matched = 0;
  let examined = 0;
  let after: OrderStep["after"];
  do {
    if (signal?.aborted === true) return;
    const progress: OrderProgress = await operations.orderMatching({
      ...step,
      ...(after === undefined ? {} : { after }),
    });
    matched += progress.matched;
    examined += progress.examined;
    after = progress;
    yield {
      matched,
      changed: progress.changed,
      examined,
      isDone: progress.cursor === undefined,
    };
  } while (after.cursor !== undefined);
}
