// The ids of a run's steps as jobs.
import { type JobId, createStepIds } from "../../core/ids.ts";

/** Makes them; a run whose steps are no jobs has none. A class: see RunEars. */
export class StepIds {
  /** How often the run was retried by hand: what it then takes again are other jobs. */
  life = 0;
  readonly #run: JobId;
  #make: ReturnType<typeof createStepIds> | null = null;

  constructor(run: JobId) {
    this.#run = run;
  }

  of(step: number, type: string, queue: string): JobId {
    this.#make ??= createStepIds(this.#run, this.life);
    return this.#make(step, type, queue);
  }
}
