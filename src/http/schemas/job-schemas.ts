// The schemas of jobs as the service takes and shows them.
import { z } from "zod";
import {
  type ErrorRecord,
  JOB_STATES,
  type JobState,
  LOG_LEVELS,
  MAX_ATTEMPTS,
  MAX_ENQUEUE_BATCH,
  MAX_OWN_BACKOFF_LENGTH,
  MAX_PAGE,
  MAX_TAG_LENGTH,
  type OwnRetryOptions,
} from "../../core/index.ts";
import type { EnqueueOptions, JobSelection } from "../../runtime/index.ts";
import { inputValue, selectionFields } from "./selection-schemas.ts";
import {
  cursor,
  duration,
  jobId,
  jobState,
  name,
  named,
  tags,
  time,
  wholeNumber,
} from "./schemas.ts";

/** The body of `POST /job`. */
export interface CompatJob {
  readonly Type: string;
  readonly Data?: string | undefined;
}
/** One job to enqueue, as it comes over the wire. */
export interface NewJobBody extends EnqueueOptions {
  readonly type: string;
  readonly input?: unknown;
}
export interface NewJobsBody {
  readonly jobs: readonly NewJobBody[];
}
export interface JobListQuery extends Omit<JobSelection, "states"> {
  readonly state?: readonly JobState[];
  readonly limit?: number;
  readonly cursor?: string;
}
export interface WaitQuery {
  readonly wait?: string;
}
export interface LogQuery {
  readonly after?: number;
  readonly limit?: number;
}
export interface EventQuery {
  readonly type?: string;
}

/** Longest time that a request waits for a result: below the minute after which proxies commonly give up. */
export const MAX_WAIT_MS = 55_000;

/** Longest JSON of fields in a query: most servers bound a URL at 8 KiB. */
const MAX_INPUT_QUERY_LENGTH = 4_096;

function readInputQuery(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "expected JSON" });
    return z.NEVER;
  }
}

/** `POST /job`: the compatibility contract, its field names included. */
export const compatJob: z.ZodType<CompatJob> = named(
  "CompatJob",
  "A job in the form that earlier clients send.",
  z.object({
    Type: name.describe("The job type's name."),
    Data: z.string().optional().describe("The input: a JSON document inside a text."),
  }),
);

const retentionRule = z.union([
  z.literal("remove"),
  duration,
  z.strictObject({ age: duration.optional(), count: z.int().min(0).optional() }),
]);

const backoff = z.union([
  z.enum(["exponential", "fixed"]),
  z.array(duration).max(MAX_OWN_BACKOFF_LENGTH),
  z.strictObject({
    kind: z.literal("exponential"),
    base: duration.optional(),
    max: duration.optional(),
    jitter: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal("fixed"), delay: duration.optional() }),
]);

/** How a job is retried, in place of its type's policy. */
export const ownRetry: z.ZodType<OwnRetryOptions> = z
  .strictObject({
    attempts: z.int().min(1).max(MAX_ATTEMPTS).optional(),
    backoff: backoff.optional(),
  })
  .describe("In place of the type's, field by field.") as z.ZodType<OwnRetryOptions>;

/** Longest time of one try, in place of its type's. */
export const ownTimeout: typeof duration = duration.describe(
  "Longest time of one try, at least 1 ms, in place of the type's.",
);

/** One job to enqueue. */
// Not exactOptional, which costs 4.8 µs a job where optional costs 0.4: JSON has no undefined to tell them apart.
export const newJob: z.ZodType<NewJobBody> = named(
  "NewJob",
  "A job to enqueue.",
  z.strictObject({
    type: name.describe("The job type's name."),
    input: z.unknown().optional().describe("What the job type's schema asks for."),
    delay: duration.optional().describe("Not before this much time has passed."),
    runAt: z
      .union([z.string().max(50), z.number()])
      .optional()
      .describe("Not before this time: ISO 8601, or milliseconds since 1970."),
    priority: z
      .union([z.number(), z.strictObject({ headStart: duration })])
      .optional()
      .describe("Each step is a minute of head start; or the head start itself."),
    expiresIn: duration.optional().describe("Not worth starting this long after it was due."),
    tags: tags.optional(),
    labels: tags.optional().describe("Labels that a worker must offer."),
    idempotencyKey: z.string().min(1).max(MAX_TAG_LENGTH).optional(),
    idempotencyTtl: duration.optional(),
    queue: name.optional().describe("A queue other than the type's."),
    retention: z
      .strictObject({
        succeeded: retentionRule.optional(),
        failed: retentionRule.optional(),
        cancelled: retentionRule.optional(),
      })
      .optional(),
    retry: ownRetry.optional(),
    timeout: ownTimeout.optional(),
  }),
) as z.ZodType<NewJobBody>;

export const newJobs: z.ZodType<NewJobsBody> = named(
  "NewJobs",
  "Jobs to enqueue together: all of them are kept, or none.",
  z.strictObject({ jobs: z.array(newJob).min(1).max(MAX_ENQUEUE_BATCH) }),
);

const acceptedState = jobState
  .nullable()
  .describe("null where an idempotency key named a job that ended and is no longer kept.");

export const jobAccepted: z.ZodType = named(
  "JobAccepted",
  "The store keeps the job.",
  z.object({
    id: z.string(),
    state: acceptedState,
    type: z.string(),
    isNew: z
      .boolean()
      .describe("false where a job stood already, by an idempotency key or as its type says."),
    because: z
      .enum(["unique", "debounced", "dropped"])
      .exactOptional()
      .describe("Why it is not new, but for idempotency keys. Of a dropped job nothing is kept."),
  }),
);
export const jobsAccepted: z.ZodType = named(
  "JobsAccepted",
  "The store keeps the jobs, told in the order of the request.",
  z.object({ jobs: z.array(jobAccepted) }),
);
export const compatAccepted: z.ZodType = named(
  "CompatAccepted",
  "The store keeps the job.",
  z.object({ id: z.string(), state: acceptedState }),
);

export const errorRecord: z.ZodType<ErrorRecord> = named(
  "ErrorRecord",
  "What was thrown, as plain data, with what led to it.",
  z.object({
    name: z.string(),
    message: z.string(),
    code: z.string().exactOptional(),
    stack: z.string().exactOptional(),
    get cause(): z.ZodExactOptional<z.ZodType<ErrorRecord>> {
      return errorRecord.exactOptional();
    },
  }),
);
export const jobView: z.ZodType = named(
  "Job",
  "A job, with its secrets masked.",
  z.object({
    id: z.string(),
    type: z.string(),
    queue: z.string(),
    state: jobState,
    input: z.unknown(),
    result: z.unknown(),
    error: errorRecord.nullable(),
    errorFingerprint: z
      .string()
      .nullable()
      .describe("What the error is grouped by, whatever ids and numbers it holds."),
    progress: z.unknown(),
    attempt: z.int().describe("The try that runs or comes next, or the last one; 1 for the first."),
    attempts: z.array(
      z.object({
        attempt: z.int(),
        worker: z.string(),
        startedAt: time,
        endedAt: time,
        outcome: z.enum(["succeeded", "failed", "cancelled", "snoozed", "released", "lost"]),
        error: errorRecord.nullable(),
      }),
    ),
    crashes: z.int(),
    worker: z.string().nullable(),
    priorityHeadStartMs: z.number(),
    tags: z.array(z.string()),
    labels: z.array(z.string()),
    idempotencyKey: z.string().nullable(),
    retry: ownRetry.nullable(),
    timeout: ownTimeout.nullable(),
    cancelRequested: z.object({ at: time, reason: z.string() }).nullable(),
    enqueuedAt: time,
    dueAt: time,
    expiresAt: time.nullable(),
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    removedAfter: time.nullable(),
  }),
);
export const jobPage: z.ZodType = named(
  "JobPage",
  "Jobs, newest first. The cursor is absent on the last page.",
  z.object({ jobs: z.array(jobView), cursor: z.string().exactOptional() }),
);
export const jobResult: z.ZodType = named(
  "JobResult",
  "How a job ended, or where it stands if it has not.",
  z.object({
    id: z.string(),
    state: jobState,
    result: z.unknown(),
    error: errorRecord.nullable(),
  }),
);
export const jobChanged: z.ZodType = named(
  "JobChanged",
  "The change was made, or for a running job asked for.",
  z.object({ id: z.string(), changed: z.literal(true), state: jobState }),
);
export const logPage: z.ZodType = named(
  "JobLogs",
  "Lines that the job logged, oldest first.",
  z.object({
    lines: z.array(
      z.object({
        seq: z.int(),
        atMs: z.number().describe("Milliseconds since 1970."),
        level: z.enum(LOG_LEVELS),
        message: z.string(),
      }),
    ),
  }),
);

export const jobQuery: z.ZodType<JobListQuery> = z.strictObject({
  state: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(JOB_STATES)))
    .exactOptional()
    .describe("One or more states, with commas between."),
  ...selectionFields,
  input: z
    .string()
    .max(MAX_INPUT_QUERY_LENGTH)
    .transform(readInputQuery)
    .pipe(z.record(z.string(), inputValue))
    .exactOptional()
    .describe('Fields of their input, as JSON: {"order.customer":"acme"}.'),
  limit: wholeNumber(1, MAX_PAGE).exactOptional(),
  cursor: cursor.exactOptional(),
});
export const waitQuery: z.ZodType<WaitQuery> = z.strictObject({
  wait: z
    .string()
    .max(50)
    .exactOptional()
    .describe('How long to wait for the end, as a duration, at most "55s"; not at all by default.'),
});
export const logQuery: z.ZodType<LogQuery> = z.strictObject({
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .exactOptional()
    .describe("Only lines after this seq."),
  limit: wholeNumber(1, MAX_PAGE).exactOptional(),
});
export const eventQuery: z.ZodType<EventQuery> = z.strictObject({ type: name.exactOptional() });
export const jobParams: z.ZodType<{ readonly id: string }> = z.strictObject({ id: jobId });
