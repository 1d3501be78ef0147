// The schemas of which jobs are meant: the parts of a list and of an order.
import { z } from "zod";
import { type InputValue, JOB_STATES, MAX_TAG_LENGTH } from "../../core/index.ts";
import type { JobSelection } from "../../runtime/index.ts";
import { name, named } from "./schemas.ts";

export const moment: z.ZodType<string | number> = z
  .union([z.string().min(1).max(50), z.number()])
  .describe("ISO 8601, or milliseconds since 1970.");
export const inputValue: z.ZodType<InputValue> = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.null(),
]);

export const selectionFields: {
  readonly [Field in Exclude<keyof JobSelection, "states" | "input">]-?: z.ZodExactOptional<
    z.ZodType<NonNullable<JobSelection[Field]>>
  >;
} = {
  type: name.exactOptional(),
  queue: name.exactOptional(),
  tag: z.string().min(1).max(MAX_TAG_LENGTH).exactOptional(),
  key: z.string().min(1).max(MAX_TAG_LENGTH).describe("Their idempotency key.").exactOptional(),
  createdFrom: moment.exactOptional(),
  createdBefore: moment.exactOptional(),
  finishedFrom: moment.exactOptional(),
  finishedBefore: moment.exactOptional(),
  error: z
    .string()
    .max(16)
    .describe("The fingerprint of their latest error, as /v1/errors lists it.")
    .exactOptional(),
};

export const selection: z.ZodType<JobSelection> = named(
  "JobSelection",
  "Which jobs: those that fit every part given.",
  z.strictObject({
    states: z.array(z.enum(JOB_STATES)).exactOptional(),
    ...selectionFields,
    input: z
      .record(z.string(), inputValue)
      .describe("Fields of their input by path, each equal to a value.")
      .exactOptional(),
  }),
);
