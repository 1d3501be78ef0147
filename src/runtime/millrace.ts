// The interface that a developer holds: one object to enqueue, follow, process and look after jobs.
import type { OptionNames } from "../core/arguments.ts";
import { type AnyJobType, type JobType, RETENTION_NAMES } from "../core/define-job.ts";
import type { Duration } from "../core/duration.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { Resolution } from "../core/figures.ts";
import type { JobId } from "../core/ids.ts";
import type { AttemptOutcome, JobLogLine, JobState } from "../core/job.ts";
import type { Durability, StoreDescription } from "../core/store-description.ts";
import type { RetentionOptions } from "../core/define-job.ts";
import { PRIORITY_NAMES } from "../core/limits.ts";
import type { ChangeReply, QueueRecord, Store, TypeRecord, WorkerRecord } from "../core/store.ts";
import { type OwnRetryOptions, type OwnTerms, TERMS_NAMES } from "../core/terms.ts";
import type { BlobOptions } from "./blobs/index.ts";
import type { LimitOperations } from "./operations/limit-operations.ts";
import type { Launcher } from "./launchers/launcher.ts";
import type { Logger } from "./logging/logger.ts";
import type { DeclaredTypes } from "./declared-types.ts";
import {
  type JobSelection,
  type OrderOperations,
  type PauseOptions,
  SELECTION_NAMES,
} from "./operations/order-operations.ts";
import type { RemoteOperations } from "./remote/index.ts";
import type { RunOperations } from "./operations/run-operations.ts";
import type { ScheduleOperations } from "./operations/schedule-operations.ts";

/** What `openMillrace` takes. Everything has a default. */
export interface MillraceOptions {
  /**
   * `"sqlite:PATH"` (default `"sqlite:millrace.db"`), `"memory:"`, or an open {@link Store}, which the caller closes.
   */
  readonly store?: string | Store;
  /** Keeps environments or applications apart within one store. Default `"default"`. */
  readonly namespace?: string;
  /** When an enqueue is acknowledged. Default: the safest that the store has on one machine (`fsync` on SQLite). */
  readonly durability?: Durability;
  /** The job types that this process enqueues or runs. */
  readonly jobs?: readonly AnyJobType[];
  /** Launchers beside the built-in ones. */
  readonly launchers?: readonly Launcher[];
  /** Where inputs and results are kept that are too large for a job. None by default: they are refused. */
  readonly blobs?: BlobOptions;
  /** Any pino-shaped logger; `false` for none. Default: pino on standard output, level `info`. */
  readonly logger?: Logger | false;
  readonly worker?: WorkerOptions;
}

/** How this process works, once started. */
export interface WorkerOptions {
  /** Most jobs at once in this process. Default 10. */
  readonly concurrency?: number;
  /** Only these queues. Default: those of all job types given. */
  readonly queues?: readonly string[];
  /** What this worker offers to jobs that require labels: `["gpu", "region=eu"]`. */
  readonly labels?: readonly string[];
  /** Time after which a silent worker is held to be dead. Default `"30s"`. */
  readonly leaseDuration?: Duration;
  /** Time between two looks after dead workers, expiry and retention. Default `"5s"`. */
  readonly sweepInterval?: Duration;
  /** How long `stop()` lets jobs finish before it signals them and gives them back. Default `"25s"`. */
  readonly shutdownGrace?: Duration;
  /** Longest time without a look at the store, should a wake-up be lost. Default `"5s"`. */
  readonly pollInterval?: Duration;
}

/** The names of what `openMillrace` takes. A store, launchers and a logger may have any; who reads the others checks theirs. */
export const MILLRACE_NAMES: OptionNames<MillraceOptions> = {
  store: true,
  namespace: true,
  durability: true,
  jobs: true,
  launchers: true,
  blobs: true,
  logger: true,
  worker: true,
};

/** What an enqueue can say beyond the input. */
export interface EnqueueOptions extends OwnTerms {
  /** Not before this much time has passed. */
  readonly delay?: Duration;
  /** Not before this time: a Date, milliseconds since 1970, or an ISO 8601 text. */
  readonly runAt?: Date | number | string;
  /** A number: each step is a minute of head start. Or the head start itself. In place of the type's. */
  readonly priority?: number | { readonly headStart: Duration };
  /** Not worth starting this long after it was due: it then fails with `JOB_EXPIRED`. */
  readonly expiresIn?: Duration;
  readonly tags?: readonly string[];
  /** Labels that a worker must offer, beside the type's. */
  readonly labels?: readonly string[];
  /** A second enqueue of this type with the same key gives the first one's job. */
  readonly idempotencyKey?: string;
  /** How long the key is remembered. Default `"24h"`. */
  readonly idempotencyTtl?: Duration;
  /** A queue other than the type's. */
  readonly queue?: string;
  /** In place of the type's. */
  readonly retention?: RetentionOptions;
}

/** The names of what an enqueue can say. */
export const ENQUEUE_NAMES: OptionNames<EnqueueOptions> = {
  ...TERMS_NAMES,
  delay: true,
  runAt: true,
  priority: PRIORITY_NAMES,
  expiresIn: true,
  tags: true,
  labels: true,
  idempotencyKey: true,
  idempotencyTtl: true,
  queue: true,
  retention: RETENTION_NAMES,
};

/** One entry of a mixed bulk enqueue. */
export interface EnqueueEntry {
  /** A job type, or the name of one that this process knows. */
  readonly type: AnyJobType | string;
  readonly input: unknown;
  readonly options?: EnqueueOptions;
}

/** The names of an entry. Those of its options are checked with them. */
export const ENTRY_NAMES: OptionNames<EnqueueEntry> = { type: true, input: true, options: true };

/** What an enqueue gives: the job is kept by the store when the caller holds this. */
export interface Receipt<Output = unknown> {
  readonly id: JobId;
  readonly type: string;
  /** `null` where an idempotency key named a job that has ended and is no longer kept. */
  readonly state: JobState | null;
  /** `false` where the job stood already, by its idempotency key or as its type says, or was dropped. */
  readonly isNew: boolean;
  /** Why it is not new, but for idempotency keys. Of a job that was dropped nothing is kept, and `id` is of none. */
  readonly because?: "unique" | "debounced" | "dropped";
  /**
   * The job's output. Never hangs: without a `timeout` it still ends when the job does, is removed, or the
   * connection is closed. Of a job whose type removes it at once (`retention: { succeeded: "remove" }`) the store keeps
   * nothing: who waits before it ends is told by its event, who comes later, or whose connection was lost just then, gets
   * `JOB_REMOVED` a second later. A type whose results are waited for should keep them for a minute.
   *
   * @throws MillraceError `JOB_FAILED` (its `cause` has the job's error), `JOB_CANCELLED`, `JOB_REMOVED`, `JOB_DROPPED`,
   * `WAIT_TIMEOUT`, `STOPPED`
   */
  result(options?: WaitOptions): Promise<Output>;
}

export interface WaitOptions {
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

export const WAIT_NAMES: OptionNames<WaitOptions> = { timeout: true, signal: true };

/** A job as it may be shown: plain data, secrets masked, times in ISO 8601. */
export interface JobView {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly state: JobState;
  readonly input: unknown;
  readonly result: unknown;
  readonly error: ErrorRecord | null;
  /** What the error is grouped by, whatever ids and numbers it holds. */
  readonly errorFingerprint: string | null;
  readonly progress: unknown;
  /** The try that runs or comes next, or the last one of a job that ended; 1 for the first. */
  readonly attempt: number;
  readonly attempts: readonly AttemptView[];
  readonly crashes: number;
  readonly worker: string | null;
  readonly priorityHeadStartMs: number;
  readonly tags: readonly string[];
  readonly labels: readonly string[];
  readonly idempotencyKey: string | null;
  /** What it was enqueued with in place of its type's, as it was said; `null`: as the type has it. */
  readonly retry: OwnRetryOptions | null;
  readonly timeout: Duration | null;
  readonly cancelRequested: { readonly at: string; readonly reason: string } | null;
  readonly enqueuedAt: string;
  readonly dueAt: string;
  readonly expiresAt: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly removedAfter: string | null;
}

/** A try that ended other than by success. */
export interface AttemptView {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly outcome: AttemptOutcome;
  readonly error: ErrorRecord | null;
}

/** A change of a job as it may be shown. `id`, `type` and `queue` say which job; the rest depends on `kind`. */
export interface EventView {
  readonly kind: string;
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly at: string;
  readonly state?: JobState;
  readonly worker?: string;
  readonly attempt?: number;
  readonly progress?: unknown;
  readonly result?: unknown;
  readonly error?: ErrorRecord;
  readonly delayMs?: number;
  readonly why?: string;
  readonly level?: string;
  readonly message?: string;
}

export interface JobQuery extends JobSelection {
  /** At most 1,000; default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export const QUERY_NAMES: OptionNames<JobQuery> = { ...SELECTION_NAMES, limit: true, cursor: true };

export interface JobPageView {
  readonly jobs: readonly JobView[];
  readonly cursor?: string;
}

/** Which of a job's log lines are shown. */
export interface LogOptions {
  readonly afterSeq?: number;
  readonly limit?: number;
}

export const LOG_NAMES: OptionNames<LogOptions> = { afterSeq: true, limit: true };

export interface CancelOptions {
  readonly reason?: string;
}

export const CANCEL_NAMES: OptionNames<CancelOptions> = { reason: true };

/** Who goes on with a queue. */
export interface ResumeOptions {
  readonly by?: string;
}

export const RESUME_NAMES: OptionNames<ResumeOptions> = { by: true };

export interface EventFilter {
  readonly id?: JobId;
  readonly type?: string;
}

export const EVENT_FILTER_NAMES: OptionNames<EventFilter> = { id: true, type: true };

/** Which figures are shown. */
export interface FigureQuery {
  /** By the minute, kept for a day, or by the hour, kept for a month. Default `"minute"`. */
  readonly resolution?: Resolution;
  /** How far back. Default the last hour by the minute, the last day by the hour. */
  readonly since?: Duration;
  readonly type?: string;
}

export const FIGURE_NAMES: OptionNames<FigureQuery> = { resolution: true, since: true, type: true };

/** What jobs of one type came to in one window: tries by how they ended, and quantiles of their times. */
export interface FigureView {
  readonly resolution: Resolution;
  readonly start: string;
  readonly type: string;
  /** `succeeded`, `failed`, `cancelled`, `retried`, `snoozed` and `released`. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** From when a job was due to its start, within 5%. */
  readonly waitMs: TimeQuantiles;
  readonly runMs: TimeQuantiles;
}
export interface TimeQuantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Reads the figures, oldest window first. A minute shows up when it is over. */
export type FigureOperations = (query?: FigureQuery) => Promise<readonly FigureView[]>;

/** What can be done by an operator, and over HTTP alike: plain data in, plain data out, everything masked. */
export interface Operations extends OrderOperations, LimitOperations {
  readonly schedules: ScheduleOperations;
  /** Workflow runs: looked at, and signalled. */
  readonly runs: RunOperations;
  /** Enqueues jobs of types known by name. Nothing is kept unless all of them are valid. */
  enqueueEntries(entries: readonly EnqueueEntry[]): Promise<readonly Receipt[]>;
  job(id: JobId): Promise<JobView | null>;
  jobs(query?: JobQuery): Promise<JobPageView>;
  logs(id: JobId, options?: LogOptions): Promise<readonly JobLogLine[]>;
  /** Waits for a job's end and gives its view; `null` when it is not kept. Rejects with `WAIT_TIMEOUT`. */
  wait(id: JobId, options?: WaitOptions): Promise<JobView | null>;
  cancel(ids: readonly JobId[], options?: CancelOptions): Promise<readonly ChangeReply[]>;
  retry(ids: readonly JobId[]): Promise<readonly ChangeReply[]>;
  remove(ids: readonly JobId[]): Promise<readonly ChangeReply[]>;
  /** The queues that have jobs, a job type, a worker, a closed door or a limit set, with their counts. */
  queues(): Promise<readonly QueueRecord[]>;
  pause(queue: string, options?: PauseOptions): Promise<void>;
  /** Ends a pause, and a drain. */
  resume(queue: string, options?: ResumeOptions): Promise<void>;
  workers(): Promise<readonly WorkerRecord[]>;
  types(): Promise<readonly TypeRecord[]>;
  describe(): Promise<StoreDescription>;
  /** What jobs came to, by type and by the minute or the hour. */
  readonly figures: FigureOperations;
  /** Follows events from now on. `gap` comes when some were lost: look again at what you follow. */
  subscribe(
    filter: EventFilter,
    listener: (event: EventView) => void,
    onGap?: (reason: string) => void,
  ): Promise<AsyncDisposable>;
}

/** Registering job types by data. They are kept in the store, and known to every process that opens it later. */
export type TypeRegistration = Pick<DeclaredTypes, "declare" | "startsPrograms">;

/** Millrace, open on a store. Made by `openMillrace`. */
export interface Millrace extends Operations, AsyncDisposable {
  /** What a service does for workers elsewhere. */
  readonly remote: RemoteOperations;
  /** Registers job types by data, as the service's `PUT /v1/types/{name}` does. */
  readonly typeRegistration: TypeRegistration;
  /** Makes more job types known, for enqueuing and, when started, for running. */
  register(...types: readonly AnyJobType[]): Promise<void>;
  /**
   * Enqueues one job. Calls made at the same moment share a write.
   *
   * @throws MillraceError `INVALID_INPUT`, `TOO_LARGE`, `INVALID_ARGUMENT`, `UNKNOWN_TYPE` and the store's
   */
  enqueue<Input, Parsed, Output>(
    type: JobType<Input, Parsed, Output>,
    input: Input,
    options?: EnqueueOptions,
  ): Promise<Receipt<Output>>;
  /** Enqueues many of one type; nothing is kept unless all are valid. Written in steps of 1,000. */
  enqueueMany<Input, Parsed, Output>(
    type: JobType<Input, Parsed, Output>,
    inputs: readonly Input[],
    options?: EnqueueOptions | ((input: Input, index: number) => EnqueueOptions),
  ): Promise<readonly Receipt<Output>[]>;
  /** Begins to process all job types given that have a handler, or one of them, and to fire schedules. */
  start(type?: AnyJobType): Promise<void>;
  /** Takes nothing new and lets what runs finish, for all job types or for one; then gives back what is left. */
  stop(type?: AnyJobType, options?: StopOptions): Promise<void>;
  /** Stops, and lets go of the store. Calling again is harmless. */
  close(): Promise<void>;
}

export interface StopOptions {
  /** In place of the worker's `shutdownGrace`. 0 gives jobs back at once. */
  readonly grace?: Duration;
}

export const STOP_NAMES: OptionNames<StopOptions> = { grace: true };
