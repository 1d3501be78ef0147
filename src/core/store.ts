// The seam: what the runtime asks of a store, and all that it may know of one. In one file, long as it is, so that whoever
// writes a store reads it whole.
import type { ErrorRecord } from "./errors.ts";
import type { Figures, FiguresRequest, NewFigures } from "./figures.ts";
import type {
  LimitDeclaration,
  LimitQuery,
  LimitRecord,
  NewLimitKey,
  PushBack,
  ReleaseHold,
  ReleasedHold,
  SetLimits,
  Unique,
} from "./flow.ts";
import type { JobId } from "./ids.ts";
import type { JobEvent } from "./events.ts";
import type { JobOrder } from "./orders.ts";
import type { JobLogLine, JobRecord, JobState, JsonText, LogLevel, TerminalState } from "./job.ts";
import type { Advance, AdvanceReply, ReadRun, RunNews, RunPage, Signal } from "./run.ts";
import type {
  ScheduleChange,
  ScheduleChangeReply,
  SchedulePage,
  ScheduleQuery,
  TickCommand,
  TickReply,
} from "./schedule-record.ts";
import type { Durability, StoreDescription, Capability } from "./store-description.ts";

/**
 * A store keeps jobs. Every method takes one readonly object, works on batches where batches make sense, is atomic
 * for each job, and takes its time from the store's own clock. All may be called at any time and at once.
 *
 * Every method may reject with a MillraceError `STORE_BUSY` (no answer within the deadline), `STORE_FULL`,
 * `STORE_FAILED` or `STORE_CLOSED`; nothing else crosses the seam.
 */
export interface Store {
  /** What this store can do beyond the least. The runtime refuses at start what a store can't do. */
  readonly capabilities: ReadonlySet<Capability>;
  readonly durability: Durability;

  /** Keeps new jobs. Calling again with the same ids makes nothing twice. Replies are in the order of the jobs. */
  enqueue(request: { readonly jobs: readonly NewJob[] }): Promise<readonly EnqueueReply[]>;
  /** The hot path: settles finished jobs and claims new ones in one round trip. */
  exchange(request: ExchangeRequest): Promise<ExchangeReply>;
  /** Keeps what running jobs report. A reply of `false` says that the claim was superseded. */
  report(request: { readonly reports: readonly JobReport[] }): Promise<readonly boolean[]>;

  /** Joins a worker: its lease is kept, off the caller's event loop, until the attachment is closed. */
  attachWorker(request: AttachWorker): Promise<WorkerAttachment>;
  /** The workers that hold a lease. */
  workers(): Promise<readonly WorkerRecord[]>;

  /** The records of jobs, in the order of the ids; `null` for one that is not kept. */
  get(request: { readonly ids: readonly JobId[] }): Promise<readonly (JobRecord | null)[]>;
  /** One page of jobs, newest first: by id, descending. */
  list(request: ListRequest): Promise<JobPage>;
  /** The lines that a job logged, oldest first. */
  logs(request: LogsRequest): Promise<readonly JobLogLine[]>;

  /** Cancels jobs: those that wait at once, those that run by a request to their worker. */
  cancel(request: CancelJobs): Promise<readonly ChangeReply[]>;
  /** Makes jobs that failed or were cancelled ready again, with a fresh set of attempts. */
  retry(request: { readonly ids: readonly JobId[] }): Promise<readonly ChangeReply[]>;
  /** Removes jobs that do not run, with all that is kept of them. */
  remove(request: { readonly ids: readonly JobId[] }): Promise<readonly ChangeReply[]>;
  /** Carries out one order on jobs named by their ids, each as one act. Replies are in the order of the ids. */
  change(request: ChangeJobs): Promise<readonly ChangeReply[]>;
  /** One bounded step through the jobs that a filter fits, newest first: carries an order out on each, or counts them. */
  changeMatching(request: ChangeMatching): Promise<ChangeStep>;
  /** What a store alone knows of why jobs wait, in the order of the ids; `null` for one that is not ready. */
  places(request: PlacesRequest): Promise<readonly (JobPlace | null)[]>;

  /**
   * The queues with their counts, by name: those with jobs, those of a job type or of a worker that holds a lease, and
   * those that are paused, take nothing new in, or have a limit that was set. `namedQueues` and `isListedQueue`
   * tell which.
   */
  queues(): Promise<readonly QueueRecord[]>;
  /** Opens or closes a queue's two doors: paused, nothing of it is claimed; draining, nothing new is taken in. */
  setPaused(request: SetPaused): Promise<void>;
  /** Changes limits of a queue, for all who work on it, in place of what its types declare. */
  setLimits(request: SetLimits): Promise<void>;
  /** Lifts what a handler that pushed back holds: who waits may start again. A rate and other bounds stay as they are. */
  releaseHold(request: ReleaseHold): Promise<ReleasedHold>;
  /** The limits that hold, and how far they are used. */
  limits(request: LimitQuery): Promise<readonly LimitRecord[]>;

  /** Makes job types known to everyone who uses the store, with the policy by which it settles what no worker can. */
  putTypes(request: { readonly types: readonly TypeRecord[] }): Promise<void>;
  /** The job types that were made known. */
  types(): Promise<readonly TypeRecord[]>;

  /** Keeps, pauses, resumes or removes schedules. Replies are in the order of the changes. */
  changeSchedules(request: {
    readonly changes: readonly ScheduleChange[];
  }): Promise<readonly ScheduleChangeReply[]>;
  /** Schedules by name, page by page, or those that are due. */
  schedules(request: ScheduleQuery): Promise<SchedulePage>;
  /** Fires ticks: each enqueues its jobs and moves its schedule on in one act, or is refused. */
  tick(request: { readonly ticks: readonly TickCommand[] }): Promise<readonly TickReply[]>;

  /** Tells workflow runs something. A run that is out of memory is ready at once. */
  signal(request: { readonly signals: readonly Signal[] }): Promise<readonly ChangeReply[]>;
  /** The record of a run, page by page; `null` where the job is not kept. */
  readRun(request: ReadRun): Promise<RunPage | null>;

  /** Adds counts to the minutes, and the hours, that they belong to. */
  addFigures(request: { readonly figures: readonly NewFigures[] }): Promise<void>;
  /** The windows asked for, oldest first; at most `MAX_FIGURES`. */
  figures(request: FiguresRequest): Promise<readonly Figures[]>;

  /** One bounded step of upkeep: dead workers' jobs, overdue cancellations, expiry, retention. */
  sweep(request: SweepRequest): Promise<SweepReply>;

  /** Follows events, those of other processes included, from now on. */
  subscribe(request: Subscribe): Promise<Subscription>;

  /** What the store is, and what can be lost under it, for `doctor` and for the start line of the log. */
  describe(): Promise<StoreDescription>;
  /** Ends everything that this object started. Calling again is harmless. */
  close(): Promise<void>;
}

/** A job to be kept. The client makes the id, so that a retry after a lost reply creates nothing twice. */
export interface NewJob {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly input: JsonText;
  /** Wait this long before it is ready, by the store's clock. */
  readonly delayMs?: number;
  /** Not before this time (milliseconds since 1970). Not together with `delayMs`. */
  readonly runAtMs?: number;
  readonly headStartMs?: number;
  /** Not worth starting this long after it was due. */
  readonly expireAfterMs?: number;
  /** Labels that a worker must offer, sorted. */
  readonly labels?: readonly string[];
  readonly tags?: readonly string[];
  /** One job per type and key, for as long as the key is remembered. */
  readonly idempotency?: { readonly key: string; readonly rememberMs: number };
  /** Not together with `idempotency`. */
  readonly unique?: Unique;
  /** What it counts under, one key a limit, sorted by limit. */
  readonly keys?: readonly NewLimitKey[];
  /** In place of its type's. */
  readonly retention?: RetentionPolicy;
  /** What it is tried by in place of its type's (`writeTerms`): its worker reads it, the store only keeps it. */
  readonly terms?: JsonText;
  /** The workflow run that is told when it ends. */
  readonly parent?: JobId;
}

/**
 * `isNew` is false where the id or the idempotency key was known: `id` is then that of the job that stands, and the job
 * given is not kept. `state` is `null` where the key is remembered but its job has ended and is no longer kept.
 */
export interface EnqueueReply {
  readonly id: JobId;
  readonly state: JobState | null;
  readonly isNew: boolean;
  /**
   * Why the job is not new, other than by its id or idempotency key. `unique`: the job told stands for its key;
   * `debounced`: that took over the input; `dropped`: as many stand as its limit lets run, and `id` is of no job;
   * `draining`: its queue takes nothing new in at present, and `id` is of no job.
   */
  readonly because?: "unique" | "debounced" | "dropped" | "draining";
}

/**
 * How long finished jobs are kept, per outcome. `ageMs` 0, as `count` 0, removes at once. `count` is per type and
 * outcome: the sweep removes the ones that finished first, by the count of the type's own record.
 */
export type RetentionPolicy = Readonly<Record<TerminalState, Retention>>;
export interface Retention {
  readonly ageMs: number;
  readonly count: number;
}

/**
 * A job type as a store knows it: for listings, and for what is decided where no worker is. A type that nobody made
 * known is settled by `DEFAULT_STORE_POLICY`.
 */
export interface TypeRecord {
  readonly name: string;
  readonly queue: string;
  readonly retention: RetentionPolicy;
  /** Worker deaths after which the job is failed. */
  readonly maxCrashes: number;
  /** From a cancel request until the store withdraws the claim itself, should the worker not answer. */
  readonly cancelGraceMs: number;
  /** JSON Schema of the input and output, where the schema library can tell. */
  readonly inputSchema?: JsonText;
  readonly outputSchema?: JsonText;
  /** Paths masked wherever its jobs are shown; `"function"`: all is masked where the function is not at hand. */
  readonly redactedPaths: readonly string[] | "function";
  /** Name of the launcher that runs it. */
  readonly launcher: string;
  /** Most of its jobs that one worker runs at once; absent: any number. */
  readonly concurrency?: number;
  /** Limits of its queue, and of the keys that its jobs name. */
  readonly limits?: readonly LimitDeclaration[];
  /** What it was registered with, where it was registered as data and not by a program's code. */
  readonly declaration?: JsonText;
}

export interface ExchangeRequest {
  /** One that holds no lease is given nothing to claim; its settlements count as long as their tokens stand. */
  readonly worker: string;
  /** Jobs that ended. Settled first, so that their dependents can be claimed by the same call. */
  readonly settlements: readonly Settlement[];
  /** Workflow runs of this worker that went on. After the settlements, before the claim. */
  readonly advances?: readonly Advance[];
  readonly claim?: ClaimRequest;
}

/** What a worker can take. */
export interface ClaimRequest {
  /**
   * Most jobs in all. A job that is due, not expired and fits is never left behind while there is room, unless a limit
   * holds it, or workers died under it: it may then be run apart from others, so that a job that kills its workers is
   * found. Jobs with keys take turns by their keys.
   */
  readonly capacity: number;
  /** What it serves, each with a capacity of its own within the whole. */
  readonly offers: readonly Offer[];
  /** Labels that the worker offers: it may take jobs that require any of them, or none. */
  readonly labels: readonly string[];
  /**
   * Jobs claimed get the tokens `${tokenNonce}.${number}`, each with a number of its own from `firstToken` to
   * `firstToken + capacity - 1`. A store that claims in several places at once leaves numbers out, so the next request
   * begins at `firstToken + capacity`.
   */
  readonly tokenNonce: string;
  readonly firstToken: number;
  /**
   * The worker has only begun, and its death would say little: it is given no job under which workers died twice in a
   * row. Absent: it may be given them.
   */
  readonly isYoung?: true;
}

export interface Offer {
  readonly queue: string;
  readonly type: string;
  readonly capacity: number;
}

export interface ExchangeReply {
  /** In the order of the settlements. */
  readonly settled: readonly SettleReply[];
  /** In the order of the advances; absent where none were made. */
  readonly advanced?: readonly AdvanceReply[];
  /** In the order in which they should start: within a lane by rank (`rankOf`), and by id where that is equal. */
  readonly claimed: readonly ClaimedJob[];
  /**
   * Time until a job that waits for its time, or for a rate, becomes claimable by this request; `null` when none is
   * known to. It may be too early, never too late. Not asked (no `claim`): `null`. A request that got as many jobs as
   * it asked for may not be told of those that a limit holds: its worker asks again when it has room.
   */
  readonly lookAgainInMs: number | null;
}

export type SettleReply =
  | { readonly accepted: true; readonly state: JobState }
  /**
   * `stale`: another claim, a cancellation or a withdrawal came first. `gone`: the job is not kept. `unanswered`: the
   * part of the store that keeps it is silent while others answer; settle again, with the same token, until it answers.
   */
  | { readonly accepted: false; readonly why: "stale" | "gone" | "unanswered" };

/** A job handed to a worker. */
export interface ClaimedJob {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly input: JsonText;
  readonly token: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly crashes: number;
  readonly enqueuedAtMs: number;
  readonly dueAtMs: number;
  readonly startedAtMs: number;
  readonly tags: readonly string[];
  readonly retention?: RetentionPolicy;
  /** What it is tried by in place of its type's. */
  readonly terms?: JsonText;
  /** The workflow run that made it. */
  readonly parent?: JobId;
  /** A workflow run that has a record, or was told something: read it first. */
  readonly resumes?: true;
}

/** The end of one try. The token says which claim speaks. */
export interface Settlement {
  readonly id: JobId;
  readonly token: string;
  readonly outcome: SettleOutcome;
  /** Last words: they are kept with the settlement in one act. */
  readonly progress?: JsonText;
  readonly logs?: readonly NewLogLine[];
}

/** Retention is decided by the worker, which has the type's policy at hand; `retention` of age 0 removes at once. */
export type SettleOutcome =
  | { readonly kind: "succeeded"; readonly result: JsonText; readonly retention: Retention }
  | {
      readonly kind: "failed";
      readonly error: ErrorRecord;
      readonly retention: Retention;
      readonly pushBack?: PushBack;
    }
  | { readonly kind: "cancelled"; readonly error: ErrorRecord; readonly retention: Retention }
  /** A try that failed and counts; the next one after `delayMs`. */
  | {
      readonly kind: "retry";
      readonly error: ErrorRecord;
      readonly delayMs: number;
      readonly pushBack?: PushBack;
    }
  /** Not now, says the handler: the try does not count. */
  | { readonly kind: "snooze"; readonly delayMs: number; readonly pushBack?: PushBack }
  /** Given back unfinished, ready at once; the try does not count. */
  | { readonly kind: "release" };

export interface NewLogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly atMs: number;
}

/** What a running job tells: its progress, its log lines or both. */
export interface JobReport {
  readonly id: JobId;
  readonly token: string;
  readonly progress?: JsonText;
  readonly logs?: readonly NewLogLine[];
}

export interface AttachWorker {
  readonly worker: WorkerDescription;
  readonly leaseDurationMs: number;
  /** Called on the caller's event loop. */
  readonly listener: WorkerListener;
  /**
   * A job that is enqueued while the worker waits may be claimed for it at once: it is woken, and its next exchange gives
   * it the job, under a token that the store made. Default `false`. A store need not make use of it.
   */
  readonly takesHanded?: boolean;
}

export interface WorkerDescription {
  /** Unique among all that ever attach: a restarted worker is another one. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly concurrency: number;
  readonly labels: readonly string[];
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly version: string;
  /** When a worker elsewhere was last heard by a service, by that service's clock. */
  readonly heardAtMs?: number;
}

export interface WorkerListener {
  /** There may be something to claim. May be called more often than there is. */
  wake(): void;
  /** Someone asked that these jobs, which this worker runs, be cancelled. May be told more than once. */
  cancel(requests: readonly { readonly id: JobId; readonly reason: string }[]): void;
  /**
   * What workflow runs that this worker owns were told. May be told more than once, and before the answer with the claim
   * of the run, which then need not say that the run `resumes`.
   */
  news?(news: readonly RunNews[]): void;
  /** The lease ended: every claim of this worker is void, and a new attachment is needed. */
  lost(reason: string): void;
}

export interface WorkerAttachment {
  /**
   * Says that the caller's loop is alive, and when at the latest one of its jobs must have ended: if the loop is
   * silent beyond that time, the lease is let go on purpose. `null`: nothing with a deadline runs.
   */
  heartbeat(request: { readonly deadlineInMs: number | null }): void;
  /** The worker serves other queues or types from now on. */
  update(request: { readonly worker: WorkerDescription }): Promise<void>;
  /** Ends the lease. Jobs still claimed are ready again at once, their tries not counted. */
  close(): Promise<void>;
}

export interface WorkerRecord extends WorkerDescription {
  readonly attachedAtMs: number;
  readonly leaseUntilMs: number;
  /** Jobs that it has claimed: those claimed ahead, and those that ended and are not settled yet, included. */
  readonly running: number;
}

/** Which jobs: those that fit every part given. Parts beyond `tag` need the capability `bulk`. */
export interface JobFilter {
  readonly states?: readonly JobState[];
  readonly type?: string;
  readonly queue?: string;
  readonly tag?: string;
  /** Its idempotency key. */
  readonly key?: string;
  /** When its id was made: from this time on, and before that one. */
  readonly createdFromMs?: number;
  readonly createdBeforeMs?: number;
  /** When it ended. */
  readonly finishedFromMs?: number;
  readonly finishedBeforeMs?: number;
  /** Of its latest error, as `fingerprintOf` makes it. */
  readonly fingerprint?: string;
  /** Fields of its input by path (`order.customer`), each equal to a value. */
  readonly input?: Readonly<Record<string, InputValue>>;
}
export type InputValue = string | number | boolean | null;

export interface ListRequest {
  readonly filter: JobFilter;
  readonly limit: number;
  /** Where the page before ended. */
  readonly cursor?: string;
}

export interface JobPage {
  readonly jobs: readonly JobRecord[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

export interface LogsRequest {
  readonly id: JobId;
  /** Only lines after this one. */
  readonly afterSeq?: number;
  readonly limit: number;
}

export interface CancelJobs {
  readonly ids: readonly JobId[];
  readonly reason: string;
}

export interface ChangeJobs {
  readonly ids: readonly JobId[];
  readonly order: JobOrder;
}

export interface ChangeMatching {
  readonly filter: JobFilter;
  /** `null` counts only. */
  readonly order: JobOrder | null;
  /** Most jobs changed, or counted, in this step. A filter that few jobs fit ends a step earlier. */
  readonly limit: number;
  /** Where the step before ended. */
  readonly cursor?: string;
  /** Jobs that the steps before changed: a retry at a rate goes on from there. */
  readonly changedBefore?: number;
}

export interface ChangeStep {
  /** Jobs that the filter fits. */
  readonly matched: number;
  /** Those that the order changed: the state of the others does not allow it. */
  readonly changed: number;
  /** Jobs that were looked at to find them. */
  readonly examined: number;
  /** Parts of the filter that no index of the store answers: each job which the other parts leave is looked at. */
  readonly unindexed: readonly (keyof JobFilter)[];
  /** Absent on the last step. */
  readonly cursor?: string;
}

/** Which places are asked for. */
export interface PlacesRequest {
  readonly ids: readonly JobId[];
  /** Those that could take the jobs: what none of them would claim is before nobody. Absent: whatever is ready counts. */
  readonly takers?: readonly Taker[];
}

/** What a worker claims: jobs of these types, whose required labels are all among these. */
export interface Taker {
  /** Absent: of any type. */
  readonly types?: readonly string[];
  readonly labels: readonly string[];
}

/** Where a job that waits for a worker stands. */
export interface JobPlace {
  /** Jobs of its queue that would be claimed before it, by any of those that were asked for. */
  readonly ahead: number;
  /** Most jobs that may run beside it, itself included, since workers died under it; `null`: any number. */
  readonly company: number | null;
}

/** What became of one job in a call that changes several. */
export type ChangeReply =
  /** `state` is the one that it has now; that it had, where it was removed. `id` is the one that a move gave it. */
  | { readonly changed: true; readonly state: JobState; readonly id?: JobId }
  /** `state` is the one that did not allow it; `null` where the job is not kept. */
  | { readonly changed: false; readonly state: JobState | null };

export interface QueueRecord {
  readonly name: string;
  readonly paused: ClosedDoor | null;
  /** Takes nothing new in; what is there runs out. Absent where the store can't do that. */
  readonly draining?: ClosedDoor | null;
  readonly counts: Readonly<Record<JobState, number>>;
}

/** By whom, why and when a queue was paused, or told to drain. */
export interface ClosedDoor {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

/** What is left out stays as it is. */
export interface SetPaused {
  readonly queue: string;
  readonly paused?: boolean;
  /** Needs the capability `drain`. */
  readonly draining?: boolean;
  readonly by: string;
  readonly reason: string;
}

export interface SweepRequest {
  /** Most jobs handled in one step, so that a sweep never holds up work for long. */
  readonly limit: number;
}

export interface SweepReply {
  readonly deadWorkers: readonly string[];
  /** Jobs that were taken back from dead workers, whatever became of them. */
  readonly takenBack: number;
  /** Of those, jobs failed because they outlived `maxCrashes` workers. */
  readonly crashed: number;
  /** Jobs ended by a cancel request: of those that were taken back, and those whose grace was over. */
  readonly cancelled: number;
  readonly expired: number;
  readonly removed: number;
  /** Whether a bound cut the step short: call again at once. */
  readonly more: boolean;
}

export interface Subscribe {
  readonly filter: { readonly id?: JobId; readonly type?: string };
  /** Called on the caller's event loop, in the order in which the store made the changes of one job. */
  readonly listener: (event: JobEvent) => void;
  /** Events were lost (a connection or a buffer gave out): look at what you follow again. */
  readonly onGap: (reason: string) => void;
}

export interface Subscription {
  close(): Promise<void>;
}
