// The runs that workers hold, remembered as their rows were when last written: going on then needs no look at the row.
import type { JobId } from "../../../core/ids.ts";
import { SlidingMap } from "../../../core/sliding-map.ts";
import type { Lane } from "../lanes.ts";

/** Runs remembered; one that is forgotten goes on by a look at its row. */
const MAX_REMEMBERED_RUNS = 20_000;

/** A run at its owner, as its row was. */
export interface HeldRow {
  readonly token: string;
  readonly lane: Lane;
  /** The number of the worker that holds it. */
  readonly owner: number;
  state: number;
  entries: number;
}

/** Held runs by id. Only a hint: statements that build on it say what they expect, and change nothing where it is not so. */
export class HeldRows {
  readonly #byRun = new SlidingMap<JobId, HeldRow>();

  remember(run: JobId, row: HeldRow): void {
    if (this.#byRun.size >= MAX_REMEMBERED_RUNS) this.#byRun.clear();
    this.#byRun.set(run, row);
  }

  find(run: JobId): HeldRow | undefined {
    return this.#byRun.get(run);
  }

  forget(run: JobId): void {
    this.#byRun.delete(run);
  }

  clear(): void {
    this.#byRun.clear();
  }
}
