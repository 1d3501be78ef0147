// The door of workflows: durable functions whose steps are jobs, sleeps, signals and local functions.
export { WORKFLOW_LAUNCHER, defineWorkflow, isWorkflow } from "./define-workflow.ts";
export type { WorkflowBody, WorkflowOptions, WorkflowType } from "./define-workflow.ts";
export { StepError } from "./errors.ts";
export * from "./graph/index.ts";
export { MAX_RUN_STEPS } from "./run/run-parts.ts";
export { DEFAULT_MAP_CONCURRENCY } from "./steps/steps.ts";
export type * from "./steps/steps.ts";
export { type Workflows, createWorkflows } from "./workflows.ts";
