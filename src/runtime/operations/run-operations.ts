// What can be done with workflow runs, by a developer and by an operator alike: plain data in, plain data out.
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobState } from "../../core/job.ts";

/** Runs of workflows. To enqueue, follow, cancel and retry one, do as with any job. */
export interface RunOperations {
  /**
   * A run with its steps; `null` where no such job is kept.
   *
   * @throws MillraceError `WRONG_STATE` where the job is no workflow run, and the store's
   */
  get(id: JobId): Promise<RunView | null>;
  /**
   * Sends a signal to a run. It is kept until the run waits for it, or ends.
   *
   * @throws MillraceError `JOB_NOT_FOUND`; `WRONG_STATE` where it has ended; `TOO_LARGE`, `INVALID_ARGUMENT` and the
   * store's
   */
  signal(id: JobId, name: string, payload?: unknown): Promise<void>;
}

/** How a step stands. `cancelled`: its run had no need of it any more, or was cancelled itself. */
export type StepState = "waiting" | "running" | "succeeded" | "failed" | "cancelled";

/** One step of a run, as it may be shown: secrets masked, times in ISO 8601. */
export interface StepView {
  /** Counts the steps of a run, from 1, in the order in which the function took them. */
  readonly step: number;
  readonly name: string;
  readonly kind: "job" | "local" | "sleep" | "signal";
  readonly state: StepState;
  /** Steps that had ended when it began, and that no other step followed: the edges of the graph. */
  readonly parents: readonly number[];
  /** Of a job: its type, its id, and the worker that ended it. */
  readonly type: string | null;
  readonly jobId: JobId | null;
  readonly worker: string | null;
  readonly attempts: number;
  readonly input: unknown;
  readonly output: unknown;
  readonly error: ErrorRecord | null;
  readonly beganAt: string;
  /** First start of work on it, where it is known; it waited before. */
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Of a sleep or a wait with a timeout: until when. */
  readonly until: string | null;
  /** The step that this one undoes. */
  readonly undoes: number | null;
}

/** A workflow run as it may be shown. */
export interface RunView {
  readonly id: JobId;
  readonly type: string;
  readonly version: number | null;
  readonly state: JobState;
  readonly input: unknown;
  readonly result: unknown;
  readonly error: ErrorRecord | null;
  readonly worker: string | null;
  readonly enqueuedAt: string;
  /** First claim. */
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly deadlineAt: string | null;
  readonly cancelRequested: { readonly at: string; readonly reason: string } | null;
  /** The run that it is a step of. */
  readonly parent: JobId | null;
  /** In the order in which they were taken. */
  readonly steps: readonly StepView[];
  /** Of a run that failed or was cancelled: what was undone. */
  readonly undone: readonly number[];
  /** What could not be undone: the first 100, the latest step first. The steps that tried have the errors whole. */
  readonly notUndone: readonly { readonly step: number; readonly error: ErrorRecord }[];
  /** How many could not be. */
  readonly notUndoneCount: number;
}
