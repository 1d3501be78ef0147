// What a workflow function holds: the steps that it can take.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { OptionNames } from "../../core/arguments.ts";
import type { AnyJobType, JobLog, JobType } from "../../core/define-job.ts";
import type { Duration } from "../../core/duration.ts";
import type { JobId } from "../../core/ids.ts";
import { RETRY_NAMES, type RetryOptions } from "../../core/retry.ts";
import { ENQUEUE_NAMES, type EnqueueOptions } from "../../runtime/index.ts";

/** How many inputs of one `step.map` are under way at once, unless it says otherwise. */
export const DEFAULT_MAP_CONCURRENCY = 1_000;

/**
 * The steps of a run. Every call is recorded, and its promise settles by what the record says: after a crash the
 * function runs again from its beginning and gets the same answers, until it comes to where it was.
 */
export interface Steps {
  /**
   * A function as a step. It runs in this process, when all before it is recorded; its result is recorded once, as
   * JSON. If the process dies before that, it runs again: make it harmless to repeat, or pass on `idempotencyKey`.
   *
   * @throws MillraceError `STEP_FAILED` when no attempt is left
   * @example
   * const address = await step.run("allocate", () => allocateAddress(input.tenant));
   */
  run<Output>(
    name: string,
    body: (local: LocalStep) => Output | Promise<Output>,
    options?: LocalStepOptions<Output>,
  ): Promise<Output>;

  /**
   * A job as a step, with its type's own retries, timeout, launcher and labels. A workflow is a job type too: so runs
   * have children. The job's record is removed when it succeeded, for the run's record keeps what it came to.
   *
   * @throws MillraceError `STEP_FAILED` (its `cause` has the job's error), `INVALID_INPUT`, `TOO_LARGE`
   * @example
   * const network = await step.job(createNetwork, { tenant }, { undo: { job: removeNetwork, input: (made) => made } });
   */
  job<Input, Parsed, Output>(
    type: JobType<Input, Parsed, Output>,
    input: Input,
    options?: JobStepOptions<Output>,
  ): Promise<Output>;

  /**
   * One job for each input, so many at once, and what became of each, in the order of the inputs. Does not throw for
   * jobs that failed.
   *
   * @example
   * const pages = await step.map(fetchPage, urls, { concurrency: 20 });
   * const bodies = pages.flatMap((page) => (page.ok ? [page.output] : []));
   */
  map<Input, Parsed, Output>(
    type: JobType<Input, Parsed, Output>,
    inputs: readonly Input[],
    options?: MapOptions<Output>,
  ): Promise<readonly StepOutcome<Output>[]>;

  /**
   * Runs branches side by side and gives what the first one to end came to, its error included. What the others had
   * under way is cancelled. Each branch takes its steps by the `step` that it is given.
   *
   * @example
   * const answer = await step.race([
   *   (step) => step.waitForSignal("approved"),
   *   async (step) => { await step.sleep("3d"); return null; },
   * ]);
   */
  race<Output>(branches: readonly ((step: Steps) => Promise<Output>)[]): Promise<Output>;

  /** Waits so long, months included. A run that sleeps longer than a minute is put out of memory. */
  sleep(duration: Duration): Promise<void>;
  /** Waits until a time: a Date, milliseconds since 1970, or an ISO 8601 text. */
  sleepUntil(time: Date | number | string): Promise<void>;

  /**
   * Waits for a signal of this name, and gives its payload. A signal that came earlier, and that nobody took, counts.
   *
   * @throws MillraceError `WAIT_TIMEOUT` after `timeout`; `INVALID_INPUT` where the payload does not fit the schema
   */
  waitForSignal<Payload = unknown>(
    name: string,
    options?: SignalOptions<Payload>,
  ): Promise<Payload>;

  /** The time of the latest thing that the run was told: the same in every replay, in milliseconds since 1970. */
  now(): number;
  /** A number in [0, 1): the same in every replay. */
  random(): number;
  /** A UUID: the same in every replay. */
  uuid(): string;
}

/** What a local step's function is told. */
export interface LocalStep {
  /** 1 for the first try in this process. */
  readonly attempt: number;
  /** The same for every try of this step, in whatever process. */
  readonly idempotencyKey: string;
  /** Aborted when the run is cancelled, or belongs to another worker. */
  readonly signal: AbortSignal;
}

/** What a job as a step can say beyond its input. */
export interface JobStepOptions<Output> extends Omit<
  EnqueueOptions,
  "idempotencyKey" | "idempotencyTtl"
> {
  /** How it is called in the run; its type's name by default. */
  readonly name?: string;
  readonly undo?: Undo<Output>;
}

/** What a local step can say. */
export interface LocalStepOptions<Output> {
  /** Attempts in this process. One by default. */
  readonly retry?: RetryOptions;
  readonly undo?: Undo<Output>;
}

/** What a fan-out can say. */
export interface MapOptions<Output> extends JobStepOptions<Output> {
  /** Most jobs of it under way at once. Default 1,000. */
  readonly concurrency?: number;
}

/** What a wait for a signal can say. */
export interface SignalOptions<Payload> {
  readonly timeout?: Duration;
  readonly schema?: StandardSchemaV1<unknown, Payload>;
}

/**
 * How a finished step is undone, when the run fails or is cancelled: a job with its retries, given what the step came
 * to, or a function in this process. Undos run one after the other, the latest step first.
 */
export type Undo<Output> =
  | {
      readonly job: AnyJobType;
      /** The job's input; what the step came to, by default. */
      readonly input?: (output: Output) => unknown;
    }
  | ((output: Output, local: LocalStep) => unknown);

const UNDO_NAMES: OptionNames<Extract<Undo<never>, { readonly job: AnyJobType }>> = {
  job: true,
  input: true,
};
const { idempotencyKey: _key, idempotencyTtl: _ttl, ...OF_AN_ENQUEUE } = ENQUEUE_NAMES;

/** The names of what a job as a step can say. */
export const JOB_STEP_NAMES: OptionNames<JobStepOptions<never>> = {
  ...OF_AN_ENQUEUE,
  name: true,
  undo: UNDO_NAMES,
};
/** The names of what a local step can say. */
export const LOCAL_STEP_NAMES: OptionNames<LocalStepOptions<never>> = {
  retry: RETRY_NAMES,
  undo: UNDO_NAMES,
};
/** The names of what a fan-out can say. */
export const MAP_NAMES: OptionNames<MapOptions<never>> = { ...JOB_STEP_NAMES, concurrency: true };
/** The names of what a wait for a signal can say. */
export const SIGNAL_NAMES: OptionNames<SignalOptions<never>> = { timeout: true, schema: true };

/** What became of one input of a fan-out. */
export type StepOutcome<Output> =
  | { readonly ok: true; readonly output: Output }
  | { readonly ok: false; readonly error: Error };

/** What a workflow function gets. */
export interface WorkflowContext<Input> {
  readonly input: Input;
  readonly step: Steps;
  readonly run: {
    readonly id: JobId;
    /** The version that it began under. */
    readonly version: number;
    readonly startedAt: Date;
    readonly tags: readonly string[];
  };
  /** Log lines, kept with the run. Silent while the record is replayed. */
  readonly log: JobLog;
}
