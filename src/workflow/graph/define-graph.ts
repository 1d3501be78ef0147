// Graphs as workflows: one that is declared with its graph, and the one that runs whatever graph it is given.
import {
  type OptionNames,
  checkList,
  checkNames,
  checkObject,
  checkOptions,
} from "../../core/arguments.ts";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type AnyJobType, RETENTION_NAMES, defineJob } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { checkName } from "../../core/limits.ts";
import {
  WORKFLOW_NAMES,
  type WorkflowOptions,
  type WorkflowType,
  defineWorkflow,
} from "../define-workflow.ts";
import type { Graph } from "./graph.ts";
import { type GraphPlan, planGraph } from "./plan.ts";
import { runGraph } from "./run-graph.ts";

/** Name of the workflow that runs graphs which come as data. */
export const GRAPH_WORKFLOW = "graph";

/** The input of a run of that workflow. Make one by {@link prepareGraph}, which checks it. */
export interface PostedGraph {
  readonly graph: Graph;
  readonly input: unknown;
  /** Queues of the types that the graph names, as they were when it was posted. */
  readonly queues: Readonly<Record<string, string>>;
}

/** What a developer says of a workflow whose body is a graph. */
export interface GraphOptions<InputSchema extends StandardSchemaV1> extends WorkflowOptions<
  InputSchema,
  unknown
> {
  readonly graph: Graph;
  /** The job types that it names. */
  readonly jobs: readonly AnyJobType[];
}

/** What a graph is made of is checked when it is planned. */
const GRAPH_NAMES: OptionNames<GraphOptions<never>> = {
  ...WORKFLOW_NAMES,
  graph: true,
  jobs: true,
};

/**
 * Declares a workflow by a graph.
 *
 * @throws MillraceError `INVALID_GRAPH`, and what `defineWorkflow` throws
 * @example
 * const provision = defineGraph({
 *   name: "provision",
 *   jobs: [createNetwork, createDatabase, createBucket, register],
 *   graph: diamond(
 *     { type: "create-network" },
 *     [{ type: "create-database" }, { type: "create-bucket" }],
 *     { type: "register" },
 *   ),
 * });
 */
export function defineGraph<InputSchema extends StandardSchemaV1 = StandardSchemaV1>(
  options: GraphOptions<InputSchema>,
): WorkflowType<
  StandardSchemaV1.InferInput<InputSchema>,
  StandardSchemaV1.InferOutput<InputSchema>
> {
  const { graph, jobs, ...rest } = checkObject(options, "what defineGraph is given");
  checkNames(options, `workflow ${checkName(rest.name, "name")}`, GRAPH_NAMES);
  const types = byName(jobs);
  const plan = planGraph(graph, (name) => types.has(name));
  return defineWorkflow<InputSchema>({
    ...(rest as WorkflowOptions<InputSchema, unknown>),
    run: async ({ input, step }) =>
      runGraph({ plan, input, steps: step, typeOf: (name) => types.get(name) as AnyJobType }),
  });
}

/** What can be said of the workflow that runs graphs which come as data. */
export type GraphsOptions = Pick<
  WorkflowOptions<StandardSchemaV1<PostedGraph, PostedGraph>, unknown>,
  "redact" | "deadline" | "retention"
>;

const GRAPHS_NAMES: OptionNames<GraphsOptions> = {
  redact: true,
  deadline: true,
  retention: RETENTION_NAMES,
};

/**
 * The workflow that runs graphs which come as data. Types that `jobs` does not have run wherever they are known.
 *
 * @param options - `redact` masks what every graph is given, by paths of `{ graph, input }` and of what it comes to:
 * the types of the steps mask no more than their steps
 * @example
 * await openMillrace({ jobs: [...jobs, graphs(jobs, { redact: ["*.card"] })] });
 */
export function graphs(
  jobs: readonly AnyJobType[],
  options: GraphsOptions = {},
): WorkflowType<PostedGraph, PostedGraph> {
  const types = byName(jobs);
  checkOptions(options, "options", GRAPHS_NAMES);
  // A graph was planned when it was posted; a run that is replayed plans it again.
  const planOf = ({ graph, queues }: PostedGraph): GraphPlan =>
    planGraph(graph, (name) => types.has(name) || Object.hasOwn(queues, name));
  return defineWorkflow<StandardSchemaV1<PostedGraph, PostedGraph>>({
    ...options,
    name: GRAPH_WORKFLOW,
    run: async ({ input: posted, step }) =>
      runGraph({
        plan: planOf(posted),
        input: posted.input,
        steps: step,
        typeOf: (name) => types.get(name) ?? elsewhere(name, posted.queues[name] ?? name),
      }),
  });
}

/**
 * Checks a graph and makes the input of a run of {@link GRAPH_WORKFLOW} of it.
 *
 * @param types - the job types that are known, here or elsewhere
 * @throws MillraceError `INVALID_GRAPH`; `UNKNOWN_TYPE` where no process has {@link graphs} among its job types
 */
export function prepareGraph(
  graph: unknown,
  input: unknown,
  types: readonly Pick<AnyJobType, "name" | "queue">[],
): PostedGraph {
  const queues = new Map(types.map(({ name, queue }) => [name, queue]));
  const plan = planGraph(graph, (name) => queues.has(name));
  if (!queues.has(GRAPH_WORKFLOW)) {
    throw new MillraceError("UNKNOWN_TYPE", {
      message:
        "no process here runs graphs; have the workflow that does among the job types: jobs: [...jobs, graphs(jobs)]",
      details: { type: GRAPH_WORKFLOW },
    });
  }
  const named = plan.steps.flatMap(({ type, undo }) => [
    type,
    ...(undo === undefined ? [] : [undo.type]),
  ]);
  return {
    graph: graph as Graph,
    input,
    queues: Object.fromEntries(named.map((name) => [name, queues.get(name) ?? name])),
  };
}

/** A type that another process has: its input is checked where it runs. */
function elsewhere(name: string, queue: string): AnyJobType {
  return defineJob({ name, queue, launch: { launcher: "elsewhere" } });
}

function byName(jobs: readonly AnyJobType[]): ReadonlyMap<string, AnyJobType> {
  return new Map(
    checkList(jobs, "jobs", "job types").map((type) => [checkObject(type, "job type").name, type]),
  );
}
