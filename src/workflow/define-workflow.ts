// `defineWorkflow`: a durable function, declared once, that is enqueued and awaited as any job type.
import { type OptionNames, checkNames, checkObject, tellValue } from "../core/arguments.ts";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { JOB_NAMES, type JobOptions, type JobType, makeJobType } from "../core/define-job.ts";
import { type Duration, parseTimeout } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { checkName } from "../core/limits.ts";
import type { WorkflowContext } from "./steps/steps.ts";

/** What a developer says of a workflow: as of a job type, but for what belongs to its steps. */
export interface WorkflowOptions<InputSchema extends StandardSchemaV1, Output> extends Omit<
  JobOptions<InputSchema, Output>,
  "retry" | "timeout" | "grace" | "maxCrashes"
> {
  /**
   * A whole number from 1, the default. A run goes on under the version that it began with: give a changed function the
   * next one, and keep the old one registered until its runs have ended. Version 2 of `order` is the job type `order:2`.
   */
  readonly version?: number;
  /** Longest time of a whole run, from its first claim. It then fails with `JOB_TIMEOUT` and undoes. None by default. */
  readonly deadline?: Duration;
  /** Keeps a run on the worker that started it: jobs as steps are called as functions there. Default `false`. */
  readonly stayOnHost?: boolean;
  /**
   * Whether steps that end within milliseconds on the run's worker may be recorded without ever being jobs. Default
   * `true`; with `false` every step that is a job is one before it begins, with events of its own.
   */
  readonly quickSteps?: boolean;
}

const {
  retry: _retry,
  timeout: _timeout,
  grace: _grace,
  maxCrashes: _maxCrashes,
  ...OF_A_JOB
} = JOB_NAMES;

/** The names of what is said of a workflow, but for its function. */
export const WORKFLOW_NAMES: OptionNames<WorkflowOptions<never, never>> = {
  ...OF_A_JOB,
  version: true,
  deadline: true,
  stayOnHost: true,
  quickSteps: true,
};
const DECLARATION_NAMES: OptionNames<WorkflowOptions<never, never> & { readonly run: never }> = {
  ...WORKFLOW_NAMES,
  run: true,
};

/** A workflow: pass it to `openMillrace({ jobs: [...] })`, to `mill.enqueue`, or to `step.job` of another. */
export interface WorkflowType<Input = unknown, Parsed = unknown, Output = unknown> extends JobType<
  Input,
  Parsed,
  Output
> {
  readonly workflow: WorkflowBody<Parsed, Output>;
}

/** What the engine needs of a workflow. */
export interface WorkflowBody<Parsed = unknown, Output = unknown> {
  readonly version: number;
  readonly deadlineMs: number | undefined;
  readonly isLocal: boolean;
  readonly hasQuickSteps: boolean;
  readonly run: (context: WorkflowContext<Parsed>) => Output | Promise<Output>;
}

/** Name of the launcher that workflows show. */
export const WORKFLOW_LAUNCHER = "workflow";

/**
 * Declares a workflow: an async function whose steps are recorded, so that it survives crashes. `await` is sequence,
 * `Promise.all` is parallel, a loop is a loop.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 * @example
 * const signUp = defineWorkflow({
 *   name: "sign-up",
 *   input: z.object({ email: z.string() }),
 *   async run({ input, step }) {
 *     const user = await step.job(createUser, input);
 *     await Promise.all([step.job(sendWelcome, user), step.job(addToCrm, user)]);
 *     await step.sleep("3d");
 *     await step.job(sendTips, user);
 *     return user;
 *   },
 * });
 */
export function defineWorkflow<
  InputSchema extends StandardSchemaV1 = StandardSchemaV1<unknown, unknown>,
  Output = unknown,
>(
  options: WorkflowOptions<InputSchema, Output> & {
    readonly run: (
      context: WorkflowContext<StandardSchemaV1.InferOutput<InputSchema>>,
    ) => Output | Promise<Output>;
  },
): WorkflowType<
  StandardSchemaV1.InferInput<InputSchema>,
  StandardSchemaV1.InferOutput<InputSchema>,
  Output
> {
  const {
    version = 1,
    deadline,
    stayOnHost = false,
    quickSteps = true,
    run,
    name,
    ...rest
  } = checkObject(options, "what defineWorkflow is given");
  checkNames(options, `workflow ${checkName(name, "name")}`, DECLARATION_NAMES);
  if (!Number.isInteger(version) || version < 1) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `workflow ${name} has version ${tellValue(version)}; expected a whole number from 1`,
    });
  }
  if (typeof run !== "function") {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `workflow ${name} has no run function`,
    });
  }
  const type = makeJobType<InputSchema, Output>({
    ...rest,
    name: version === 1 ? name : `${name}:${version}`,
    queue: rest.queue ?? name,
    // What fails is retried step by step; a run that failed is retried by hand, from there.
    retry: { attempts: 1 },
    launch: { launcher: WORKFLOW_LAUNCHER },
  });
  return {
    ...type,
    workflow: {
      version,
      deadlineMs:
        deadline === undefined ? undefined : parseTimeout(deadline, "deadline", "no bound"),
      isLocal: stayOnHost,
      hasQuickSteps: quickSteps,
      run,
    },
  };
}

/** Whether a job type is a workflow. */
export function isWorkflow(type: object): type is WorkflowType {
  return "workflow" in type && typeof type.workflow === "object";
}
