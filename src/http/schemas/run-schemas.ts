// The schemas of the routes about workflow runs.
import { z } from "zod";
import { MAX_NAME_LENGTH } from "../../core/index.ts";
import { type Graph, graphSchema } from "../../workflow/index.ts";
import { errorRecord } from "./job-schemas.ts";
import { jobId, jobState, name, named, tags, time } from "./schemas.ts";

/** A graph to run, as it comes over the wire. */
export interface GraphBody {
  readonly graph: Graph;
  readonly input?: unknown;
  readonly tags?: readonly string[];
}
/** A signal, as it comes over the wire. */
export interface SignalRequest {
  readonly payload?: unknown;
}
/** The path of a signal. */
export interface SignalParams {
  readonly id: string;
  readonly name: string;
}

export const graphBody: z.ZodType<GraphBody> = named(
  "GraphRun",
  "A graph to run, and what it is given.",
  z.strictObject({
    graph: named(
      "Graph",
      "A workflow as data: steps by name, and what the run comes to.",
      graphSchema,
    ),
    input: z.unknown().exactOptional().describe('What references to "input" stand for.'),
    tags: tags.exactOptional(),
  }),
);

export const signalBody: z.ZodType<SignalRequest> = named(
  "Signal",
  "What a run is told.",
  z.strictObject({ payload: z.unknown().exactOptional().describe("null by default.") }),
);

export const signalParams: z.ZodType<SignalParams> = z.object({
  id: jobId,
  name: name.max(MAX_NAME_LENGTH),
});

const stepView = named(
  "Step",
  "One step of a run, with its secrets masked.",
  z.object({
    step: z.int().describe("From 1, in the order in which the function took them."),
    name: z.string(),
    kind: z.enum(["job", "local", "sleep", "signal"]),
    state: z.enum(["waiting", "running", "succeeded", "failed", "cancelled"]),
    parents: z.array(z.int()).describe("Steps that had ended when it began: the edges of a graph."),
    type: z.string().nullable(),
    jobId: z.string().nullable(),
    worker: z.string().nullable(),
    attempts: z.int(),
    input: z.unknown(),
    output: z.unknown(),
    error: errorRecord.nullable(),
    beganAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    until: time.nullable().describe("Of a sleep, or of a wait with a timeout."),
    undoes: z.int().nullable().describe("The step that this one undoes."),
  }),
);

export const runView: z.ZodType = named(
  "Run",
  "A workflow run with its steps, its secrets masked.",
  z.object({
    id: z.string(),
    type: z.string(),
    version: z.int().nullable(),
    state: jobState,
    input: z.unknown(),
    result: z.unknown(),
    error: errorRecord.nullable(),
    worker: z.string().nullable(),
    enqueuedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    deadlineAt: time.nullable(),
    cancelRequested: z.object({ at: time, reason: z.string() }).nullable(),
    parent: z.string().nullable().describe("The run that it is a step of."),
    steps: z.array(stepView),
    undone: z.array(z.int()).describe("Steps that were undone."),
    notUndone: z
      .array(z.object({ step: z.int(), error: errorRecord }))
      .describe("Steps that could not be undone, the first 100 of them."),
    notUndoneCount: z.int().describe("How many could not be undone."),
  }),
);

export const signalSent: z.ZodType = named(
  "SignalSent",
  "The signal is kept until the run waits for it, or ends.",
  z.object({ id: z.string(), name: z.string(), sent: z.literal(true) }),
);
