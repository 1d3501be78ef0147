// Runs a planned graph by the steps of a workflow: each as soon as what it needs has ended.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobStepOptions, Steps } from "../steps/steps.ts";
import type { GraphPlan, PlannedStep } from "./plan.ts";
import { fillIn } from "./template.ts";

/** What running a graph needs of its run. */
export interface GraphRun {
  readonly plan: GraphPlan;
  readonly input: unknown;
  readonly steps: Steps;
  readonly typeOf: (name: string) => AnyJobType;
}

/**
 * Runs the graph; gives what its `output` says.
 *
 * @throws the first failure of a step that may not fail; MillraceError `INVALID_GRAPH` where a reference leads nowhere
 */
export async function runGraph(run: GraphRun): Promise<unknown> {
  const values = new Map<string, unknown>([["input", run.input]]);
  const ended = new Map<string, Promise<void>>();
  for (const step of run.plan.steps) {
    const before = step.needs.flatMap((need) => ended.get(need) ?? []);
    ended.set(step.name, takeAfter(before, run, step, values));
  }
  await Promise.all(ended.values());
  return fillIn(run.plan.output, values);
}

async function takeAfter(
  before: readonly Promise<void>[],
  run: GraphRun,
  step: PlannedStep,
  values: Map<string, unknown>,
): Promise<void> {
  await Promise.all(before);
  const result = step.each === undefined ? takeOne(run, step, values) : takeEach(run, step, values);
  values.set(step.name, await result);
}

async function takeOne(
  run: GraphRun,
  step: PlannedStep,
  values: ReadonlyMap<string, unknown>,
): Promise<unknown> {
  const input = fillIn(step.input ?? {}, values);
  try {
    return await run.steps.job(run.typeOf(step.type), input, optionsOf(run, step, values));
  } catch (error) {
    if (step.mayFail === true && isStepFailure(error)) return null;
    throw error;
  }
}

async function takeEach(
  run: GraphRun,
  step: PlannedStep,
  values: ReadonlyMap<string, unknown>,
): Promise<unknown> {
  const items = fillIn(step.each, values);
  if (!Array.isArray(items)) {
    throw new MillraceError("INVALID_GRAPH", {
      message: `step ${step.name} is for each of a ${items === null ? "null" : typeof items}; expected a list`,
      details: { step: step.name },
    });
  }
  const template = step.input ?? { $from: "item" };
  const inputs = items.map((item: unknown, index) =>
    fillIn(template, new Map([...values, ["item", item], ["index", index]])),
  );
  const { concurrency } = step;
  const outcomes = await run.steps.map(run.typeOf(step.type), inputs, {
    ...optionsOf(run, step, values),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  return outcomes.map((outcome) => {
    if (outcome.ok) return outcome.output;
    if (step.mayFail === true && isStepFailure(outcome.error)) return null;
    throw outcome.error;
  });
}

function optionsOf(
  run: GraphRun,
  step: PlannedStep,
  values: ReadonlyMap<string, unknown>,
): JobStepOptions<unknown> {
  const { name, queue, tags, labels, priority, delay, retry, timeout, undo } = step;
  return {
    name,
    ...(queue === undefined ? {} : { queue }),
    ...(tags === undefined ? {} : { tags }),
    ...(labels === undefined ? {} : { labels }),
    ...(priority === undefined ? {} : { priority }),
    ...(delay === undefined ? {} : { delay }),
    ...(retry === undefined ? {} : { retry }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(undo === undefined
      ? {}
      : {
          undo: {
            job: run.typeOf(undo.type),
            input: (output: unknown) =>
              fillIn(undo.input ?? { $from: "output" }, new Map([...values, ["output", output]])),
          },
        }),
  };
}

/** A step that failed for good: not one that was cancelled with its run. */
function isStepFailure(error: unknown): boolean {
  return error instanceof MillraceError && error.code === "STEP_FAILED";
}
