// The errors of workflows: a step that failed, and a function that can't be replayed.
import { type ErrorRecord, MillraceError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";

/** Thrown where a step failed for good. `cause` is the error of its job or function, as it was recorded. */
export class StepError extends MillraceError {
  override readonly name: string = "StepError";
  /** The step's number in its run. */
  readonly step: number;
  readonly stepName: string;
  readonly jobId: JobId | null;
  readonly error: ErrorRecord;

  constructor(step: {
    readonly step: number;
    readonly name: string;
    readonly jobId: JobId | null;
    readonly error: ErrorRecord;
  }) {
    const { error, name, jobId } = step;
    super("STEP_FAILED", {
      message: `step ${step.step} (${name}) failed: ${error.message}`,
      cause: Object.assign(new Error(error.message), error),
      details: { step: step.step, name, jobId, error },
    });
    this.step = step.step;
    this.stepName = name;
    this.jobId = jobId;
    this.error = error;
  }
}

/** The function waits, and nothing that it could be told is on its way. */
export function stalled(): MillraceError {
  return misused(
    "the function awaits something that is no step: take what it needs by step.run, and await only what steps give",
  );
}

/** A run took more steps than it may. */
export function tooManySteps(most: number): MillraceError {
  return new MillraceError("TOO_MANY", {
    message: `a run has at most ${most} steps; hand the rest to another run, as a child or by enqueuing it at the end`,
  });
}

/** A run's record is as large as it may be. */
export function tooLargeRecord(length: number, most: number): MillraceError {
  return new MillraceError("TOO_LARGE", {
    message: `the record of this run has ${length} characters; expected at most ${most}. Have steps come to references to large data (a blob store, a shared resource), or hand the rest to another run`,
    details: { length, most },
  });
}

/** The function did not do what the record says that it did. */
export function changed(step: number, recorded: string, found: string): MillraceError {
  return new MillraceError("WORKFLOW_CHANGED", {
    message: `step ${step} is ${recorded} in the record, and the function ${found}. Keep what a run may have begun with: give the changed workflow the next version, and register the old one until its runs have ended`,
    details: { step },
  });
}

/** The function did what a workflow function must not do. */
export function misused(message: string): MillraceError {
  return new MillraceError("WORKFLOW_MISUSED", { message });
}
