// `defineJob`: one object that declares a job type and types every call on it.
import {
  type OptionNames,
  checkNames,
  checkObject,
  tellValue,
  wrongArgument,
} from "./arguments.ts";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Duration, formatDuration, parseDuration, parseTimeout } from "./duration.ts";
import { MillraceError } from "./errors.ts";
import {
  BATCH_NAMES,
  type BatchOptions,
  type BatchRule,
  FLOW_NAMES,
  type FlowOptions,
  type FlowRules,
  readBatch,
  readFlow,
} from "./flow-options.ts";
import type { JobId } from "./ids.ts";
import type { LogLevel } from "./job.ts";
import {
  DEFAULT_MAX_CRASHES,
  DEFAULT_RETENTION,
  HEAD_START_PER_PRIORITY_MS,
  MAX_HEAD_START_MS,
  checkName,
  checkTags,
} from "./limits.ts";
import { type Redaction, type Redactor, createRedactor } from "./redaction.ts";
import { RETRY_NAMES, type RetryOptions, type RetryPolicy, readRetryPolicy } from "./retry.ts";
import { SCHEDULE_NAMES, type ScheduleOptions } from "./schedule.ts";
import { checkDeclaredSchedules } from "./schedule-spec.ts";
import type { Retention, RetentionPolicy } from "./store.ts";

/** A pino-shaped logger for one job: its lines carry the job's id, type and attempt, and are kept with the job. */
export type JobLog = Readonly<
  Record<LogLevel, (message: string, fields?: Readonly<Record<string, unknown>>) => void>
>;

/** What a handler is told of its job. */
export interface RunningJob {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Attempts in all that its policy allows. */
  readonly attempts: number;
  /** Names this claim and no other that ever was: pass it on as an idempotency key. */
  readonly token: string;
  readonly tags: readonly string[];
  readonly enqueuedAt: Date;
}

/** What a handler gets. */
export interface JobContext<Input> {
  readonly input: Input;
  readonly job: RunningJob;
  /** Aborted by cancellation, timeout, shutdown and a lost lease; `signal.reason` is a MillraceError. */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  /** Tells how far the job is: any small JSON value, or a number from 0 to 1. The latest wins; it never throws. */
  readonly progress: (value: unknown) => void;
}

/** How a handler is run, other than as a function in process. */
export interface LauncherUse {
  /** Name of a launcher: `thread`, `process`, `http`, `remote` (workers elsewhere), or one that was registered. */
  readonly launcher: string;
  /** What that launcher needs: a module's URL, a command, ... */
  readonly options?: unknown;
}

/** How long finished jobs are kept. */
export interface RetentionOptions {
  readonly succeeded?: RetentionRule;
  readonly failed?: RetentionRule;
  readonly cancelled?: RetentionRule;
}
/** `"remove"` (or 0) removes at once; a duration keeps that long; or both bounds. */
export type RetentionRule = Duration | { readonly age?: Duration; readonly count?: number };

const RULE_NAMES: OptionNames<Exclude<RetentionRule, Duration>> = { age: true, count: true };

/** The names that rules of retention have. */
export const RETENTION_NAMES: OptionNames<RetentionOptions> = {
  succeeded: RULE_NAMES,
  failed: RULE_NAMES,
  cancelled: RULE_NAMES,
};

/** What a developer says of a job type. */
export interface JobOptions<InputSchema extends StandardSchemaV1, Output> extends FlowOptions<
  StandardSchemaV1.InferInput<InputSchema>
> {
  /** Unique in a namespace. Letters, digits and `. _ : / -`. */
  readonly name: string;
  /** Any Standard Schema (zod, valibot, arktype, ...). Checked at enqueue and again before running. */
  readonly input?: InputSchema;
  /** Checked before the job succeeds. */
  readonly output?: StandardSchemaV1<unknown, Output>;
  /** The queue it waits in; its own name by default. */
  readonly queue?: string;
  /**
   * Most jobs of this type that one worker runs at once; unbounded within the worker's own concurrency by default. Over
   * all workers: `limits`.
   */
  readonly concurrency?: number;
  readonly retry?: RetryOptions;
  /** Longest time of one try, at least 1 ms. None by default. */
  readonly timeout?: Duration;
  /** Time that a handler gets to end after its signal, before its claim is withdrawn. Default `"5s"`. */
  readonly grace?: Duration;
  /** Fields masked in every log line, error, event and listing. */
  readonly redact?: Redaction;
  readonly retention?: RetentionOptions;
  /** Worker deaths after which the job is held to be their cause, and fails. Default 5. */
  readonly maxCrashes?: number;
  /** Labels that a worker must offer. */
  readonly labels?: readonly string[];
  /** Priority of its jobs unless an enqueue says another: each step is a minute of head start. */
  readonly priority?: number;
  /**
   * Enqueues jobs of this type on a rhythm, from the first process on that starts to work on it. Several have names of
   * their own. A schedule taken out of the code goes on until it is removed.
   */
  readonly schedule?:
    | ScheduleOptions<StandardSchemaV1.InferInput<InputSchema>>
    | readonly ScheduleOptions<StandardSchemaV1.InferInput<InputSchema>>[];
}

/** What a handler of batches gets. */
export interface JobBatch<Input> {
  /** What it would get of each job by itself. */
  readonly jobs: readonly JobContext<Input>[];
  /** Aborted when all of them should end. */
  readonly signal: AbortSignal;
}

/**
 * What a handler of batches gives: the outcome of each job in their order, where an Error (`fatal(...)`,
 * `retryAfter(...)` and `snooze(...)` too) is a try that failed; nothing where all succeeded. A batch that throws is a
 * failed try of each of its jobs.
 */
export type BatchOutcome<Output> = readonly (Output | Error)[] | void;

/** A handler of batches. */
export interface BatchHandler<Input, Output> extends BatchOptions<Input> {
  readonly run: (batch: JobBatch<Input>) => BatchOutcome<Output> | Promise<BatchOutcome<Output>>;
}

/** A handler in process, or the launcher that runs it elsewhere; none where a process only enqueues. */
export interface JobHandler<Input, Output> {
  readonly run?: (context: JobContext<Input>) => Output | Promise<Output>;
  readonly batch?: BatchHandler<Input, Output>;
  readonly launch?: LauncherUse;
}

/** The names of what is said of a job type, but for how it is run. */
export const JOB_NAMES: OptionNames<JobOptions<never, never>> = {
  ...FLOW_NAMES,
  name: true,
  input: true,
  output: true,
  queue: true,
  concurrency: true,
  retry: RETRY_NAMES,
  timeout: true,
  grace: true,
  redact: true,
  retention: RETENTION_NAMES,
  maxCrashes: true,
  labels: true,
  priority: true,
  schedule: SCHEDULE_NAMES,
};
const BATCH_HANDLER_NAMES: OptionNames<BatchHandler<never, never>> = { ...BATCH_NAMES, run: true };
/** What a launcher needs is its own affair. */
const LAUNCH_NAMES: OptionNames<LauncherUse> = { launcher: true, options: true };
const DECLARATION_NAMES: OptionNames<JobOptions<never, never> & JobHandler<never, never>> = {
  ...JOB_NAMES,
  run: true,
  batch: BATCH_HANDLER_NAMES,
  launch: LAUNCH_NAMES,
};

/** A job type: pass it to `openMillrace({ jobs: [...] })` and to `mill.enqueue(type, input)`. */
export interface JobType<Input = unknown, Parsed = unknown, Output = unknown> {
  readonly name: string;
  readonly queue: string;
  readonly inputSchema: StandardSchemaV1<Input, Parsed> | undefined;
  readonly outputSchema: StandardSchemaV1<unknown, Output> | undefined;
  readonly concurrency: number;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number | undefined;
  readonly graceMs: number;
  readonly redact: Redactor;
  /** The marked paths; `"function"` where only this process can tell what to mask; empty where nothing is marked. */
  readonly redactedPaths: readonly string[] | "function";
  readonly retention: RetentionPolicy;
  readonly maxCrashes: number;
  readonly labels: readonly string[];
  readonly priority: number;
  readonly schedules: readonly ScheduleOptions<Input>[];
  readonly flow: FlowRules<Input>;
  readonly run: ((context: JobContext<Parsed>) => Output | Promise<Output>) | undefined;
  readonly batch:
    | (BatchRule<Parsed> & { readonly run: BatchHandler<Parsed, Output>["run"] })
    | undefined;
  readonly launch: LauncherUse | undefined;
  /** Where its jobs are workflow runs: what drives them knows what it is. */
  readonly workflow?: object;
}

/** A job type whatever it takes and gives: for lists of them. */
// oxlint-disable-next-line typescript/no-explicit-any -- variance: a list holds types of every input and output
export type AnyJobType = JobType<any, any, any>;

/** Highest priority: the largest head start, in steps. */
const MAX_PRIORITY = MAX_HEAD_START_MS / HEAD_START_PER_PRIORITY_MS;

/** Default time to end after a signal: long enough for a request in flight, short enough for a deploy. */
const DEFAULT_GRACE = "5s";

/**
 * Declares a job type.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`, `INVALID_SCHEDULE` or `TOO_MANY`, naming the field
 * @example
 * const sendReceipt = defineJob({
 *   name: "send-receipt",
 *   input: z.object({ orderId: z.string(), card: z.string() }),
 *   redact: ["card"],
 *   async run({ input, signal }) { ... },
 * });
 */
export function defineJob<
  InputSchema extends StandardSchemaV1 = StandardSchemaV1<unknown, unknown>,
  Output = unknown,
>(
  options: JobOptions<InputSchema, Output> &
    JobHandler<StandardSchemaV1.InferOutput<InputSchema>, Output>,
): JobType<
  StandardSchemaV1.InferInput<InputSchema>,
  StandardSchemaV1.InferOutput<InputSchema>,
  Output
> {
  const name = checkName(checkObject(options, "what defineJob is given").name, "name");
  checkNames(options, `job type ${name}`, DECLARATION_NAMES);
  return makeJobType(options);
}

/**
 * The same of what was checked when it was declared: one that is kept may have names that only other versions know.
 *
 * @throws MillraceError as `defineJob` does
 */
export function makeJobType<InputSchema extends StandardSchemaV1, Output>(
  options: JobOptions<InputSchema, Output> &
    JobHandler<StandardSchemaV1.InferOutput<InputSchema>, Output>,
): JobType<
  StandardSchemaV1.InferInput<InputSchema>,
  StandardSchemaV1.InferOutput<InputSchema>,
  Output
> {
  const name = checkHandlers(options);
  const { concurrency, maxCrashes = DEFAULT_MAX_CRASHES, priority = 0 } = options;
  if (concurrency !== undefined && (!Number.isInteger(concurrency) || concurrency < 1)) {
    throw invalid(
      name,
      `has concurrency ${tellValue(concurrency)}; expected a whole number from 1`,
    );
  }
  if (!Number.isInteger(maxCrashes) || maxCrashes < 1) {
    throw invalid(name, `has maxCrashes ${tellValue(maxCrashes)}; expected a whole number from 1`);
  }
  if (typeof priority !== "number" || !(Math.abs(priority) <= MAX_PRIORITY)) {
    throw invalid(
      name,
      `has priority ${tellValue(priority)}; expected a number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`,
    );
  }
  for (const field of ["input", "output"] as const) {
    const schema: unknown = options[field];
    if (schema !== undefined && !isStandardSchema(schema)) {
      throw invalid(name, `has an ${field} that is no Standard Schema (it has no "~standard")`);
    }
  }
  const timeoutMs =
    options.timeout === undefined
      ? undefined
      : parseTimeout(options.timeout, "timeout", "no bound");
  const batch = options.batch && { ...readBatch(name, options.batch), run: options.batch.run };
  checkWait(name, batch?.withinMs, timeoutMs);
  return {
    name,
    queue: options.queue === undefined ? name : checkName(options.queue, "queue"),
    inputSchema: options.input,
    outputSchema: options.output,
    concurrency: concurrency ?? Number.POSITIVE_INFINITY,
    retry: readRetryPolicy(options.retry),
    timeoutMs,
    graceMs: parseDuration(options.grace ?? DEFAULT_GRACE, "grace"),
    redact: createRedactor(options.redact),
    redactedPaths: typeof options.redact === "function" ? "function" : (options.redact ?? []),
    retention: readRetention(options.retention),
    maxCrashes,
    labels: checkTags(options.labels, "labels"),
    priority,
    schedules: checkDeclaredSchedules(name, options.schedule),
    flow: readFlow(name, options),
    run: options.run,
    batch,
    launch: options.launch,
  };
}

/** A try begins before its batch: one that may wait for all of its timeout would end before its handler began. */
function checkWait(name: string, withinMs = 0, timeoutMs = Number.POSITIVE_INFINITY): void {
  if (withinMs < timeoutMs) return;
  const [within, timeout] = [formatDuration(withinMs), formatDuration(timeoutMs)];
  throw invalid(
    name,
    `has a timeout of ${timeout}, and batch.within is ${within}; expected a longer timeout, since a job's time runs while it waits for its batch`,
  );
}

/** Checks a type's name and how it is run, and gives its name. */
function checkHandlers(
  options: Partial<Record<"name" | "run" | "batch" | "launch", unknown>>,
): string {
  const name = checkName(options.name, "name");
  const ways = (["run", "batch", "launch"] as const).filter((way) => options[way] !== undefined);
  const { run, batch, launch } = options;
  if (batch !== undefined) checkObject(batch as object, "batch");
  if (run !== undefined && typeof run !== "function") {
    throw invalid(name, `has run ${tellValue(run)}; expected a function`);
  }
  const launcher: unknown = (launch as { readonly launcher?: unknown } | null | undefined)
    ?.launcher;
  if (launch !== undefined && typeof launcher !== "string") {
    throw invalid(name, `has launch ${tellValue(launch)}; expected { launcher: name, options }`);
  }
  if (ways.length < 2) return name;
  throw invalid(name, `has both ${ways[0]} and ${ways[1]}; expected one of them`);
}

function isStandardSchema(schema: unknown): boolean {
  // Some libraries' schemas are functions.
  if ((typeof schema !== "object" && typeof schema !== "function") || schema === null) return false;
  return typeof (schema as Partial<StandardSchemaV1>)["~standard"]?.validate === "function";
}

/** Reads retention rules; what is not said is as by default. */
export function readRetention(options: RetentionOptions | undefined): RetentionPolicy {
  if (options !== undefined) checkObject(options, "retention");
  return {
    succeeded: readRule(options?.succeeded, DEFAULT_RETENTION.succeeded),
    failed: readRule(options?.failed, DEFAULT_RETENTION.failed),
    cancelled: readRule(options?.cancelled, DEFAULT_RETENTION.cancelled),
  };
}

function readRule(rule: RetentionRule | undefined, usual: Retention): Retention {
  if (rule === undefined) return usual;
  // The count stays: it is the type's, and a job that is enqueued with a longer retention of its own must be kept.
  if (rule === "remove") return { ageMs: 0, count: usual.count };
  if (rule === null || Array.isArray(rule)) {
    throw wrongArgument("retention", rule, '"remove", a duration or { age, count }');
  }
  if (typeof rule !== "object") {
    return { ageMs: parseDuration(rule, "retention"), count: usual.count };
  }
  const count = rule.count ?? usual.count;
  if (!Number.isInteger(count) || count < 0) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `retention count is ${tellValue(rule.count)}; expected a whole number from 0`,
    });
  }
  return {
    ageMs: rule.age === undefined ? usual.ageMs : parseDuration(rule.age, "retention.age"),
    count,
  };
}

function invalid(name: string, what: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", { message: `job type ${name} ${what}` });
}
