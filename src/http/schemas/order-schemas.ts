// The schemas of orders on many jobs, of why a job waits, and of errors by fingerprint.
import { z } from "zod";
import { MAX_IDS, MAX_PAGE } from "../../core/index.ts";
import type { ErrorQuery, Order, OrderStep } from "../../runtime/index.ts";
import { jobView } from "./job-schemas.ts";
import { moment, selection } from "./selection-schemas.ts";
import { cursor, duration, jobId, jobState, name, named } from "./schemas.ts";

/** Most jobs in one step over HTTP: it answers within a second or two. */
const MAX_STEP = 100_000;
/** Longest reason of a cancellation. */
const MAX_REASON_LENGTH = 1_000;

export interface OrderBody {
  readonly ids: readonly string[];
  readonly order: Order;
}

const order: z.ZodType<Order> = named(
  "Order",
  "What is done to jobs.",
  z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("cancel"),
      reason: z.string().max(MAX_REASON_LENGTH).exactOptional(),
    }),
    z.strictObject({
      kind: z.literal("retry"),
      delay: duration.exactOptional(),
      rate: z.number().positive().describe("Jobs per second.").exactOptional(),
      input: z.unknown().describe("In place of what they were given.").exactOptional(),
    }),
    z.strictObject({ kind: z.literal("remove") }),
    z.strictObject({ kind: z.literal("move"), queue: name }),
    z.strictObject({
      kind: z.literal("reschedule"),
      runAt: moment.exactOptional(),
      delay: duration.exactOptional(),
    }),
    z.strictObject({
      kind: z.literal("prioritize"),
      priority: z.union([z.number(), z.strictObject({ headStart: duration })]),
    }),
  ]) as z.ZodType<Order>,
);

export const orderBody: z.ZodType<OrderBody> = named(
  "OrderOnJobs",
  "An order on jobs by their ids.",
  z.strictObject({ ids: z.array(jobId).min(1).max(MAX_IDS), order }),
);

export const orderStep: z.ZodType<OrderStep> = named(
  "OrderStep",
  "One bounded step of an order on whatever a selection fits. To stop, send no other.",
  z.strictObject({
    select: selection,
    order,
    dryRun: z
      .boolean()
      .describe("Counts and shows some of the jobs, and changes nothing.")
      .exactOptional(),
    limit: z.int().min(1).max(MAX_STEP).describe("Most jobs in this step.").exactOptional(),
    after: z
      .strictObject({
        cursor: cursor.exactOptional(),
        changed: z.int().min(0),
        pacedFromMs: z.int().min(0).exactOptional(),
      })
      .describe("What the step before gave.")
      .exactOptional(),
  }),
);

const changeReply = z.object({
  changed: z.boolean(),
  state: jobState.nullable(),
  id: z.string().describe("The one that a move gave it.").exactOptional(),
});
export const orderReplies: z.ZodType = named(
  "OrderReplies",
  "What became of each job, in the order of the ids.",
  z.object({ replies: z.array(changeReply) }),
);

export const orderProgress: z.ZodType = named(
  "OrderProgress",
  "How far an order has come. The cursor is absent when it is carried out.",
  z.object({
    matched: z.int().describe("Jobs that fit, in this step."),
    changed: z.int().describe("Jobs that were changed, in this step and those before it."),
    examined: z.int().describe("Jobs that were looked at to find them, in this step."),
    sample: z.array(jobView).max(MAX_PAGE).exactOptional(),
    unindexed: z
      .array(z.string())
      .describe(
        "Parts of the selection that no index answers: all that the others leave is looked at.",
      ),
    cursor: z.string().exactOptional(),
    pacedFromMs: z
      .int()
      .describe("Of an order with a rate that goes on: the time from which its jobs are counted.")
      .exactOptional(),
  }),
);

const waitReason = z
  .looseObject({
    kind: z.enum([
      "running",
      "waiting-for-steps",
      "paused",
      "not-before",
      "no-worker",
      "no-labels",
      "held-apart",
      "limit",
      "behind",
      "workers-full",
      "next",
    ]),
  })
  .describe("The other fields depend on the kind.");
export const whyView: z.ZodType = named(
  "Why",
  "Why a job is not running, as data and as a sentence.",
  z.object({
    id: z.string(),
    state: jobState,
    reasons: z.array(waitReason),
    sentence: z.string(),
  }),
);

export const errorList: z.ZodType = named(
  "Errors",
  "Errors by fingerprint, the most frequent first.",
  z.object({
    errors: z.array(
      z.object({
        fingerprint: z.string(),
        type: z.string(),
        title: z.string(),
        count: z.int(),
        firstSeen: z.string(),
        lastSeen: z.string(),
      }),
    ),
  }),
);
export const errorQuery: z.ZodType<ErrorQuery> = z.strictObject({
  since: z.string().max(50).describe('How far back: "24h" by default.').exactOptional(),
  type: name.exactOptional(),
});

export const queueDraining: z.ZodType = named(
  "QueueDraining",
  "The queue takes nothing new in.",
  z.object({ name: z.string(), draining: z.literal(true) }),
);
