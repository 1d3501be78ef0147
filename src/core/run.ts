// A workflow run at the seam: what its owner appends to its record, and what others tell it.
import type { ErrorRecord } from "./errors.ts";
import type { JobId } from "./ids.ts";
import type { CancelRequest, JobRecord, JsonText, TerminalState } from "./job.ts";
import type { NewJob, SettleOutcome } from "./store.ts";

/** Most texts appended to a record in one advance. */
export const MAX_ADVANCE_ENTRIES = 1_000;
/** Most jobs that one advance enqueues: with a thousand a transaction takes well under 100 ms. */
export const MAX_ADVANCE_CHILDREN = 1_000;
/** Longest text appended to a record, in bytes: a thousand steps begun at once fit, or one local result. */
export const MAX_ENTRY_BYTES: number = 1_024 * 1_024;
/** Most signals in one call. */
export const MAX_SIGNALS = 1_000;
/** Most entries and facts in one page of a record. */
export const MAX_RECORD_PAGE = 1_000;

/**
 * What the owner of a run (the worker that claimed it) says of it, in one atomic act: texts for its record, jobs that
 * it enqueues as its children, jobs that it cancels, and where it stands now. The texts are the runtime's; a store only
 * keeps and counts them.
 */
export interface Advance {
  readonly id: JobId;
  readonly token: string;
  /** Texts that the record had before: an advance that was kept already is not kept again. */
  readonly from: number;
  readonly entries: readonly JsonText[];
  /** Enqueued with this run as their parent. */
  readonly children?: readonly ChildJob[];
  /** Jobs to be cancelled; one that has ended is left as it is. */
  readonly cancels?: readonly JobId[];
  /** Jobs that the same exchange settles: where the word of one of them is refused, so is this. */
  readonly after?: readonly JobId[];
  readonly next: AdvanceOutcome;
}

/**
 * A job made by a run. With a `token` its owner would run it itself at once: it is claimed by the same act, unless its
 * queue is paused or others of its lane come first; then it is enqueued as any other. One that `isBegun` is not held up
 * by these.
 */
export interface ChildJob extends NewJob {
  readonly token?: string;
  /**
   * Its owner runs it already, always with a `token`: it is claimed by the act that enqueues it, whatever waits in its
   * lane and whatever holds its queue (a pause, a limit, suspects), as long as the owner holds its lease. An id that
   * was there before is a job known before, and what has a key, a time, an expiry or a uniqueness of its own is for a
   * claim to judge: such a child is kept as any other. Only what `claimed` names is its owner's: where the exchange
   * fails the owner says the same again, and the store may have given it back by then.
   */
  readonly isBegun?: true;
  /** An earlier owner of the run may have made it: it is not kept again where the run was told of its end. */
  readonly isAgain?: true;
}

/** Where a run stands after an advance. */
export type AdvanceOutcome =
  /** It goes on at its owner: `running`, or `waiting` for steps, time or a signal. */
  | { readonly kind: "running" }
  | { readonly kind: "waiting" }
  /**
   * Given back, and to be claimed again after `delayMs` (`null`: only when a fact comes). `facts` is how many its owner
   * has heard of: where there are more, it is ready at once.
   */
  | { readonly kind: "parked"; readonly delayMs: number | null; readonly facts: number }
  | Exclude<SettleOutcome, { readonly kind: "retry" | "snooze" }>;

export type AdvanceReply =
  /** `claimed`: the children that its owner shall run itself, since `nowMs`. */
  | { readonly accepted: true; readonly claimed: readonly JobId[]; readonly nowMs: number }
  /** `refused`: a settlement that it stands on was. */
  | { readonly accepted: false; readonly why: "stale" | "gone" | "refused" };

/**
 * What others tell a run: that a child ended (`key` is the child's id, `body` an {@link Ending} as JSON), or a signal
 * (`key` is the signal's own id, `body` a {@link SignalBody}). A key is told once.
 */
export interface RunFact {
  readonly key: JobId;
  readonly kind: "ended" | "signal";
  readonly body: JsonText;
}

/** A fact with the run that it is for. */
export interface RunNews {
  readonly run: JobId;
  readonly fact: RunFact;
}

/** A signal to a run. Its sender makes the id, so that a retry after a lost reply signals nothing twice. */
export interface Signal {
  readonly run: JobId;
  readonly id: JobId;
  readonly name: string;
  readonly payload: JsonText;
}

/** What a run is told of a signal. */
export interface SignalBody {
  readonly name: string;
  readonly atMs: number;
  readonly payload: unknown;
}

/** What a run is told of a child that ended. */
export interface Ending {
  readonly state: TerminalState;
  readonly attempts: number;
  readonly worker: string | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number;
  /** Of one that succeeded. */
  readonly result?: unknown;
  readonly error?: ErrorRecord;
}

/** Asks for the record of a run, page by page: entries first, then facts by key. */
export interface ReadRun {
  readonly id: JobId;
  /** Entries known already. */
  readonly afterEntries: number;
  /** Only facts after this key. */
  readonly afterFact: JobId | null;
  readonly limit: number;
}

export interface RunPage {
  readonly entries: readonly JsonText[];
  readonly facts: readonly RunFact[];
  readonly cancelRequest: CancelRequest | null;
  /** Whether there was more than the limit: ask again after the last of each. */
  readonly more: boolean;
}

/** Whether a job has begun to keep a record: it is then a run, whatever it does next. */
export function isRun(job: JobRecord): boolean {
  return (job.entries ?? 0) > 0;
}

/** Writes what a parent is told of the end of a job. The result is JSON already. */
export function writeEnding(ending: Omit<Ending, "result">, result: JsonText | null): JsonText {
  const text = JSON.stringify(ending);
  return result === null ? text : `${text.slice(0, -1)},"result":${result}}`;
}

/** Writes what a run is told of a signal. */
export function writeSignal(signal: Signal, nowMs: number): JsonText {
  return `{"name":${JSON.stringify(signal.name)},"atMs":${nowMs},"payload":${signal.payload}}`;
}

/** What a parent is told of a job that ended; of one that was removed before its end, that it was cancelled so. */
export function endingOf(job: JobRecord, nowMs: number): JsonText {
  const { attempts, worker, startedAtMs } = job;
  const finishedAtMs = job.finishedAtMs ?? nowMs;
  const base = { attempts, worker, startedAtMs, finishedAtMs };
  if (job.state === "succeeded") return writeEnding({ state: "succeeded", ...base }, job.result);
  const error: ErrorRecord = job.error ?? {
    name: "MillraceError",
    code: "JOB_REMOVED",
    message: "the job was removed before it ended",
  };
  return writeEnding(
    { state: job.state === "failed" ? "failed" : "cancelled", ...base, error },
    null,
  );
}
