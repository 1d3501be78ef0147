// What the schemas of the service are made of: they validate requests, and the OpenAPI document is written from them.
import { z } from "zod";
import {
  JOB_STATES,
  type JobState,
  MAX_DURATION_MS,
  MAX_NAME_LENGTH,
  MAX_TAGS,
  MAX_TAG_LENGTH,
} from "../../core/index.ts";

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

export interface ReasonBody {
  readonly reason?: string;
}

/** Longest cursor: stores make them of a time and an id. */
const MAX_CURSOR_LENGTH = 512;
/** Longest reason of a cancellation or a pause: a sentence or two. */
const MAX_REASON_LENGTH = 1_000;

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

export const time: z.ZodISODateTime = z.iso.datetime();

export const reason: z.ZodType<ReasonBody> = named(
  "Reason",
  "Why, for whoever looks later.",
  z.strictObject({ reason: z.string().max(MAX_REASON_LENGTH).exactOptional() }),
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
