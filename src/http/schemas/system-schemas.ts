// The schemas of what is not one job's: queues, workers, types, figures, the store.
import { z } from "zod";
import { DURABILITIES, JOB_STATES, RESOLUTIONS } from "../../core/index.ts";
import type { FigureQuery } from "../../runtime/index.ts";
import { name, named } from "./schemas.ts";

const closedDoor = z.object({ by: z.string(), reason: z.string(), atMs: z.number() });
export const queueList: z.ZodType = named(
  "Queues",
  "Queues with their counts.",
  z.object({
    queues: z.array(
      z.object({
        name: z.string(),
        paused: closedDoor.nullable(),
        draining: closedDoor
          .nullable()
          .describe("Takes nothing new in. Absent where the store can't do that.")
          .exactOptional(),
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
        concurrency: z.int().optional().describe("Most of its jobs that one worker runs at once."),
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
    isFull: z.boolean().describe("Whether it refuses what is new for want of room, or may."),
    nowMs: z.number(),
    facts: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
);
export const health: z.ZodType = named(
  "Health",
  "The service answers.",
  z.object({ status: z.literal("ok") }),
);
export const figureQuery: z.ZodType<FigureQuery> = z.strictObject({
  resolution: z.enum(RESOLUTIONS).exactOptional(),
  since: z.string().max(50).exactOptional().describe('How far back: "90m", "24h".'),
  type: name.exactOptional(),
});
export const queueParams: z.ZodType<{ readonly queue: string }> = z.strictObject({ queue: name });
