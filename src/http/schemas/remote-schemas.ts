// The schemas of the routes for workers elsewhere.
import { z } from "zod";
import {
  LOG_LEVELS,
  MAX_IDS,
  MAX_LIMITS,
  MAX_LOG_LINES,
  MAX_NAME_LENGTH,
} from "../../core/index.ts";
import type {
  RemoteClaimRequest,
  RemoteOutcome,
  RemoteReport,
  TypeDeclaration,
} from "../../runtime/index.ts";
import { duration, jobId, jobState, name, named, tags, time } from "./schemas.ts";

/** Most jobs of one claim: they go out in one reply, and each may carry an input of the largest size. */
const MAX_CLAIMED = 100;
/** Most job types of one claim: each is looked at in the store. */
const MAX_TYPES = 100;
/** Longest token: stores bound it so. */
const MAX_TOKEN_LENGTH = 200;
/** Longest worker name: its prefix, its holder's name and its own part. */
const MAX_WORKER_LENGTH: number = 2 * MAX_NAME_LENGTH;

/** The body of a claim. */
export interface ClaimBody extends Omit<RemoteClaimRequest, "holder" | "waitMs" | "signal"> {
  readonly wait?: string | number;
}
/** The body of a report: the token may be in a header. */
export interface ReportBody extends Omit<RemoteReport, "token"> {
  readonly token?: string;
}
/** The body of a settlement. */
export type SettleBody = ReportBody & RemoteOutcome;

export const claimBody: z.ZodType<ClaimBody> = named(
  "Claim",
  "What a remote worker can take.",
  z.strictObject({
    types: z.array(name).min(1).max(MAX_TYPES).describe("The job types that it runs."),
    worker: z
      .string()
      .max(MAX_WORKER_LENGTH)
      .exactOptional()
      .describe("As the first claim named it; absent in the first claim."),
    labels: tags.exactOptional(),
    max: z.int().min(1).max(MAX_CLAIMED).exactOptional().describe("Most jobs. Default 1."),
    wait: duration
      .exactOptional()
      .describe("How long to wait for a job, at most 55 s; not at all by default."),
    holding: z
      .array(jobId)
      .max(MAX_IDS)
      .exactOptional()
      .describe("Jobs that it still works on. Others that it was given are given back."),
  }),
);

export const claimGiven: z.ZodType = named(
  "Claimed",
  "The jobs that the worker was given.",
  z.object({
    worker: z.string().describe("Its name, to be sent with its next claim."),
    leaseDurationMs: z
      .number()
      .describe("Silence after which the worker is held to be dead and its jobs go to others."),
    jobs: z.array(
      z.object({
        id: z.string(),
        type: z.string(),
        queue: z.string(),
        attempt: z.int(),
        attempts: z.int(),
        token: z.string().describe("Names this claim: to be sent with each report and the end."),
        tags: z.array(z.string()),
        enqueuedAt: time,
        timeoutMs: z.number().nullable(),
        input: z.unknown(),
      }),
    ),
  }),
);

const told = {
  token: z.string().min(1).max(MAX_TOKEN_LENGTH).exactOptional().describe("Of the claim."),
  progress: z.unknown().exactOptional().describe("Any small JSON value; the latest wins."),
  logs: z
    .array(
      z.strictObject({
        level: z.enum(LOG_LEVELS).exactOptional(),
        message: z.string(),
        fields: z.record(z.string(), z.unknown()).exactOptional(),
      }),
    )
    .max(MAX_LOG_LINES)
    .exactOptional(),
};

export const reportBody: z.ZodType<ReportBody> = named(
  "Report",
  "What a worker tells of a job that it works on.",
  z.strictObject(told),
);
export const reportKept: z.ZodType = named(
  "Reported",
  "What was told is kept. cancel says why the job should end now, if it should.",
  z.object({ cancel: z.object({ code: z.string(), message: z.string() }).nullable() }),
);

const delayMs = z.number().min(0);
const pushBack = name
  .exactOptional()
  .describe("The limit that is held for as long as the job: queue for the whole queue.");
export const settleBody: z.ZodType<SettleBody> = named(
  "Settlement",
  "How a job ended, with last words of progress and log lines.",
  z.discriminatedUnion("kind", [
    z.strictObject({ ...told, kind: z.literal("result"), value: z.unknown() }),
    z.strictObject({
      ...told,
      kind: z.literal("error"),
      message: z.string(),
      fatal: z.boolean().exactOptional().describe("No other try can succeed."),
      retryAfterMs: delayMs.exactOptional(),
      pushBack,
    }),
    z.strictObject({ ...told, kind: z.literal("snooze"), delayMs, pushBack }),
    z.strictObject({ ...told, kind: z.literal("release") }),
  ]),
);
export const settleKept: z.ZodType = named(
  "Settled",
  "The end of the try is kept; the state is the job's now.",
  z.object({ state: jobState }),
);

const bound = z.union([
  z.literal("remove"),
  duration,
  z.strictObject({ age: duration.exactOptional(), count: z.int().min(0).exactOptional() }),
]);
const rate = z.union([
  z.string(),
  z.strictObject({
    limit: z.int().min(1),
    per: duration,
    burst: z.int().min(1).exactOptional(),
  }),
]);
/** Fields by their paths: as data there are no functions. */
const by = z.union([z.literal("input"), z.array(z.string().min(1).max(MAX_NAME_LENGTH))]);
const flow = {
  limits: z
    .array(
      z.strictObject({
        name: name.exactOptional(),
        key: z.string().min(1).max(MAX_NAME_LENGTH).exactOptional(),
        concurrency: z.int().min(0).exactOptional(),
        rate: rate.exactOptional(),
        onLimit: z.enum(["wait", "drop-new", "cancel-oldest"]).exactOptional(),
      }),
    )
    .max(MAX_LIMITS)
    .exactOptional()
    .describe("Over all workers: of the queue, and of each key, which is the path of a field."),
  unique: z
    .union([
      z.literal(true),
      z.strictObject({
        by: by.exactOptional(),
        while: z.enum(["waiting", "running", "unfinished"]).exactOptional(),
        within: duration.exactOptional(),
      }),
    ])
    .exactOptional(),
  debounce: z
    .strictObject({
      by: by.exactOptional(),
      wait: duration,
      longest: duration.exactOptional(),
    })
    .exactOptional(),
  throttle: z.strictObject({ by: by.exactOptional(), per: duration }).exactOptional(),
};
/** A job type as data. */
export const typeDeclaration: z.ZodType<TypeDeclaration> = named(
  "TypeDeclaration",
  "A job type as data: how it is run, and what else defineJob takes that is no function.",
  z.strictObject({
    launcher: name.describe(
      "remote, http, process, container, thread, or one of the program's own.",
    ),
    options: z.unknown().exactOptional().describe("What that launcher needs."),
    queue: name.exactOptional(),
    concurrency: z.int().min(1).exactOptional(),
    retry: z
      .strictObject({ attempts: z.int().exactOptional(), backoff: z.unknown().exactOptional() })
      .exactOptional(),
    timeout: duration.exactOptional(),
    grace: duration.exactOptional(),
    redact: z.array(z.string().min(1).max(MAX_NAME_LENGTH)).exactOptional(),
    retention: z
      .strictObject({
        succeeded: bound.exactOptional(),
        failed: bound.exactOptional(),
        cancelled: bound.exactOptional(),
      })
      .exactOptional(),
    maxCrashes: z.int().min(1).exactOptional(),
    labels: tags.exactOptional(),
    priority: z.number().exactOptional(),
    ...flow,
  }),
) as z.ZodType<TypeDeclaration>;
export const typeDeclared: z.ZodType = named(
  "TypeDeclared",
  "The job type is registered.",
  z.object({ name: z.string(), launcher: z.string() }),
);
export const typeParams: z.ZodType<{ readonly name: string }> = z.strictObject({ name });
