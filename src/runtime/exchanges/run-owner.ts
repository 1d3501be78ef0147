// What a workflow run in memory has of its worker.
import type { JobId } from "../../core/ids.ts";
import type { JsonText, LogLevel } from "../../core/job.ts";
import type { ClaimedJob, NewJob } from "../../core/store.ts";
import type { QuickSteps, TriesOfRun, Try } from "../quick-steps/quick-steps.ts";
import type { Reporter } from "../worker/reporter.ts";
import type { QuickListener, RunOwner, StopStep } from "./runs.ts";

/** What it needs of the worker. */
export interface OwnerParts {
  readonly reporter: Pick<Reporter, "log" | "progress">;
  readonly quick: QuickSteps;
  readonly workerId: () => string;
}

/** What a run has of its worker: words to the store, tries of its steps, lines. */
export class Owner implements RunOwner, TriesOfRun {
  readonly id: JobId;
  tries: Set<Try> | null = null;
  /** Children that ended here, until the store has confirmed it. */
  readonly ended: Set<JobId> = new Set();
  readonly say: RunOwner["say"];
  readonly #claimed: ClaimedJob;
  readonly #parts: OwnerParts;

  constructor(claimed: ClaimedJob, parts: OwnerParts, say: RunOwner["say"]) {
    this.id = claimed.id;
    this.#claimed = claimed;
    this.#parts = parts;
    this.say = say;
  }

  get unconfirmed(): number {
    return this.ended.size;
  }

  get worker(): string {
    return this.#parts.workerId();
  }

  /** After a crash every step is a job before it begins, so that the one which kills its workers is found. */
  accepts(step: NewJob): boolean {
    return this.#claimed.crashes === 0 && this.#parts.quick.accepts(step);
  }

  try(step: NewJob, listener: QuickListener): StopStep {
    return this.#parts.quick.try(this, step, listener);
  }

  log(level: LogLevel, message: string): void {
    this.#parts.reporter.log(this.#claimed.id, this.#claimed.token, level, message);
  }

  progress(progress: JsonText): void {
    this.#parts.reporter.progress(this.#claimed.id, this.#claimed.token, progress);
  }
}
