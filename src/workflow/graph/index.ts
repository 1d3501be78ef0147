// The door of graphs: workflows as data.
export {
  type GraphOptions,
  type GraphsOptions,
  type PostedGraph,
  GRAPH_WORKFLOW,
  defineGraph,
  graphs,
  prepareGraph,
} from "./define-graph.ts";
export {
  type Graph,
  type GraphStep,
  type Template,
  MAX_GRAPH_STEPS,
  graphSchema,
} from "./graph.ts";
export { type GraphPlan, type GraphProblem, type PlannedStep, planGraph } from "./plan.ts";
export { type ShapeStep, chain, diamond, fanOut } from "./shapes.ts";
