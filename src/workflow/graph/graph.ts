// A graph: a workflow as data, that arrives as JSON or is written in a file.
import { z } from "zod";
import type { OwnTerms } from "../../core/terms.ts";

/** Most steps of a graph. A fan-out over many inputs is one step with `each`. */
export const MAX_GRAPH_STEPS = 1_000;

/**
 * Any JSON, in which an object `{ "$from": path }` stands for a value known only when the graph runs. A path names
 * `input` (what the run was given), a step (what it came to) or, below `each`, `item` and `index`, and goes on by keys
 * and indexes: `"network.subnets.0.id"`, or as a list where a name or key has a dot: `["network", "a.b"]`. An object
 * `{ "$literal": value }` stands for the value as it is.
 */
export type Template = unknown;

/** One step: a job. */
export interface GraphStep {
  /** The job type. */
  readonly type: string;
  /** Steps that must have succeeded before. Those that `input` refers to need not be named again. */
  readonly needs?: readonly string[] | undefined;
  readonly input?: Template;
  /** A list: the step is then one job for each item, and comes to the list of what they came to. */
  readonly each?: Template;
  /** Most jobs of an `each` under way at once. Default 1,000. */
  readonly concurrency?: number | undefined;
  /** Its failure does not fail the run: it then comes to `null`, as do the failed items of an `each`. */
  readonly mayFail?: boolean | undefined;
  /** What undoes it when the run fails or is cancelled. Its `input` may refer to `output`, what the step came to. */
  readonly undo?: { readonly type: string; readonly input?: Template } | undefined;
  readonly queue?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly priority?: number | undefined;
  readonly delay?: string | number | undefined;
  /** In place of its type's, field by field. */
  readonly retry?: OwnTerms["retry"] | undefined;
  /** Longest time of one try, in place of its type's. */
  readonly timeout?: OwnTerms["timeout"] | undefined;
}

/** Steps by name, and what the run comes to. */
export interface Graph {
  readonly steps: Readonly<Record<string, GraphStep>>;
  /** What the run comes to; by default an object of what the steps came to that no other step needs. */
  readonly output?: Template;
}

const nameOfStep = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/, "expected letters, digits or . _ : / -");

const graphStep: z.ZodType<GraphStep> = z.strictObject({
  type: z.string().min(1),
  needs: z.array(z.string()).max(MAX_GRAPH_STEPS).optional(),
  input: z.unknown().optional(),
  each: z.unknown().optional(),
  concurrency: z.int().min(1).optional(),
  mayFail: z.boolean().optional(),
  undo: z.strictObject({ type: z.string().min(1), input: z.unknown().optional() }).optional(),
  queue: z.string().optional(),
  tags: z.array(z.string()).optional(),
  labels: z.array(z.string()).optional(),
  priority: z.number().optional(),
  delay: z.union([z.string(), z.number()]).optional(),
  // What they may say is for the plan to check.
  retry: (z.unknown() as z.ZodType<OwnTerms["retry"]>).optional(),
  timeout: (z.unknown() as z.ZodType<OwnTerms["timeout"]>).optional(),
});

/** The shape of a graph. What its names and references say is {@link planGraph}'s to check. */
export const graphSchema: z.ZodType<Graph> = z.strictObject({
  steps: z.record(nameOfStep, graphStep).refine((steps) => {
    const count = Object.keys(steps).length;
    return count >= 1 && count <= MAX_GRAPH_STEPS;
  }, `expected 1 to ${MAX_GRAPH_STEPS} steps`),
  output: z.unknown().optional(),
});
