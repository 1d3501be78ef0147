// Workflow runs that were told something before their worker heard that it has claimed them.
import type { JobId } from "../../core/ids.ts";

/**
 * Runs remembered at most, the latest. What is told of a run that is not here comes between a claim and its answer, or
 * just after the run has left; of each kind there are no more than a worker holds runs.
 */
const MAX_EARLY_RUNS = 10_000;

/**
 * A claim's answer can come after what its run was told since: other queues are asked with it, and messages come another
 * way. The answer says that the run was told nothing, so what came before it must not be forgotten.
 */
export class EarlyNews {
  readonly #runs = new Set<JobId>();

  /** A run that is not here was told something. */
  note(run: JobId): void {
    this.#runs.delete(run);
    this.#runs.add(run);
    if (this.#runs.size <= MAX_EARLY_RUNS) return;
    for (const oldest of this.#runs) {
      this.#runs.delete(oldest);
      return;
    }
  }

  /** Whether a run that is here now was told something before. */
  take(run: JobId): boolean {
    return this.#runs.delete(run);
  }
}
