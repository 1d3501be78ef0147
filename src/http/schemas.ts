// The schemas of the service: they validate requests, and the OpenAPI document is written from them.
import { z } from "zod";
import {
  DURABILITIES,
  JOB_STATES,
  RESOLUTIONS,
  type JobState,
  LOG_LEVELS,
  MAX_DURATION_MS,
  MAX_ENQUEUE_BATCH,
  MAX_NAME_LENGTH,
  MAX_PAGE,
  MAX_TAGS,
  MAX_TAG_LENGTH,
} from "../core/index.ts";
import type { EnqueueOptions, FigureQuery } from "../runtime/index.ts";

/** Schemas that the OpenAPI document names. */
export const namedSchemas: z.core.$ZodRegistry<{ id: string }> = z.registry<{ id: string }>();

/** Gives a schema its name in the OpenAPI document. */
export function named<Schema extends z.ZodType>(
  id: string,
  description: string,
  schema: Schema,
): Schema {
  const described = schema.describe(description);
  namedSchemas.add(described, { id });
  return described;
}

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
export interface ReasonBody {
  readonly reason?: string;
}
export interface JobListQuery {
  readonly state?: readonly JobState[];
  readonly type?: string;
  readonly queue?: string;
  readonly tag?: string;
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

/** Longest cursor: stores make them of a time and an id. */
const MAX_CURSOR_LENGTH = 512;
/** Longest reason of a cancellation or a pause: a sentence or two. */
const MAX_REASON_LENGTH = 1_000;
/** Longest time that a request waits for a result: below the minute after which proxies commonly give up. */
export const MAX_WAIT_MS = 55_000;

export const jobState: z.ZodType<JobState> = named(
  "JobState",
  "Where a job stands.",
  z.enum(JOB_STATES),
);
export const name: z.ZodString = z.string().min(1).max(MAX_NAME_LENGTH);
export const duration: z.ZodType<number | string> = named(
  "Duration",
  'Milliseconds, or a text such as "250ms", "30s" or "1h30m".',
  z.union([z.number().min(0).max(MAX_DURATION_MS), z.string().min(1).max(50)]),
);
export const tags: z.ZodType<string[]> = z
  .array(z.string().min(1).max(MAX_TAG_LENGTH))
  .max(MAX_TAGS);

/** A UUID as every path names a job. */
export const jobId: z.ZodString = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, "expected a job id");

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
    isNew: z.boolean().describe("false where an idempotency key named a job that stood already."),
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

const errorRecord = named(
  "ErrorRecord",
  "What was thrown, as plain data.",
  z.object({
    name: z.string(),
    message: z.string(),
    code: z.string().exactOptional(),
    stack: z.string().exactOptional(),
  }),
);
export const time: z.ZodISODateTime = z.iso.datetime();

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

export const queueList: z.ZodType = named(
  "Queues",
  "Every queue with its counts.",
  z.object({
    queues: z.array(
      z.object({
        name: z.string(),
        paused: z.object({ by: z.string(), reason: z.string(), atMs: z.number() }).nullable(),
        counts: z.record(z.enum(JOB_STATES), z.number()),
      }),
    ),
  }),
);
export const queueState: z.ZodType = named(
  "QueueState",
  "Whether anything of the queue is claimed.",
  z.object({ name: z.string(), paused: z.boolean() }),
);
export const reason: z.ZodType<ReasonBody> = named(
  "Reason",
  "Why, for whoever looks later.",
  z.strictObject({ reason: z.string().max(MAX_REASON_LENGTH).exactOptional() }),
);
export const workerList: z.ZodType = named(
  "Workers",
  "The workers that hold a lease.",
  z.object({
    workers: z.array(
      z.object({
        id: z.string(),
        host: z.string(),
        pid: z.int(),
        concurrency: z.int(),
        labels: z.array(z.string()),
        queues: z.array(z.string()),
        types: z.array(z.string()),
        version: z.string(),
        attachedAtMs: z.number(),
        leaseUntilMs: z.number(),
        running: z.int(),
      }),
    ),
  }),
);
const quantiles = z.object({ p50: z.number(), p95: z.number(), p99: z.number() });
export const figureList: z.ZodType = named(
  "Figures",
  "What jobs came to, by type, oldest window first.",
  z.object({
    figures: z.array(
      z.object({
        resolution: z.enum(RESOLUTIONS),
        start: z.string(),
        type: z.string(),
        outcomes: z.record(z.string(), z.int()),
        waitMs: quantiles,
        runMs: quantiles,
      }),
    ),
  }),
);
const jsonSchema = z
  .union([z.record(z.string(), z.unknown()), z.boolean()])
  .nullable()
  .describe("JSON Schema, where the type's schema library can tell it.");
const retention = z.object({ ageMs: z.number(), count: z.number() });
export const typeList: z.ZodType = named(
  "JobTypes",
  "The job types that were made known.",
  z.object({
    types: z.array(
      z.object({
        name: z.string(),
        queue: z.string(),
        launcher: z.string(),
        inputSchema: jsonSchema,
        outputSchema: jsonSchema,
        redactedPaths: z.union([z.array(z.string()), z.literal("function")]),
        retention: z.object({ succeeded: retention, failed: retention, cancelled: retention }),
        maxCrashes: z.int(),
        cancelGraceMs: z.number(),
      }),
    ),
  }),
);
export const storeDescription: z.ZodType = named(
  "StoreDescription",
  "What the store is and what can be lost under it.",
  z.object({
    kind: z.string(),
    version: z.string(),
    location: z.string(),
    namespace: z.string(),
    durability: z.enum(DURABILITIES),
    canLose: z.string(),
    findings: z.array(
      z.object({ level: z.enum(["ok", "warning", "problem"]), message: z.string() }),
    ),
    nowMs: z.number(),
    facts: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
);
export const health: z.ZodType = named(
  "Health",
  "The service answers.",
  z.object({ status: z.literal("ok") }),
);
export const problem: z.ZodType = named(
  "Problem",
  "A problem document (RFC 9457).",
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  }),
);

/** A whole number in a query. */
export function wholeNumber(from: number, to: number): z.ZodType<number> {
  return z
    .string()
    .regex(/^\d{1,15}$/, "expected a whole number")
    .transform(Number)
    .pipe(z.int().min(from).max(to));
}

export const cursor: z.ZodString = z
  .string()
  .min(1)
  .max(MAX_CURSOR_LENGTH)
  .describe("From the page before.");

export const jobQuery: z.ZodType<JobListQuery> = z.strictObject({
  state: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(JOB_STATES)))
    .exactOptional()
    .describe("One or more states, with commas between."),
  type: name.exactOptional(),
  queue: name.exactOptional(),
  tag: z.string().min(1).max(MAX_TAG_LENGTH).exactOptional(),
  limit: wholeNumber(1, MAX_PAGE).exactOptional(),
  cursor: cursor.exactOptional(),
});
export const figureQuery: z.ZodType<FigureQuery> = z.strictObject({
  resolution: z.enum(RESOLUTIONS).exactOptional(),
  since: z.string().max(50).exactOptional().describe('How far back: "90m", "24h".'),
  type: name.exactOptional(),
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
export const queueParams: z.ZodType<{ readonly queue: string }> = z.strictObject({ queue: name });
