// What the subjects of the suite `workflows` do. Each file beside this one exports one as `subject`.
import type { Run } from "../../harness/index.ts";

/** Where a subject keeps what it does: a SQLite file of the run, or the Redis of the suite. */
export type Keeper = "sqlite" | "redis";

/** One measurement: gives its figure. A subject leaves out what it can't do. */
export type Measured = (run: Run, keeper: Keeper) => Promise<number>;

export interface WorkflowSubject {
  /** Jobs a second at concurrency 100, none of a workflow: what the others are compared with. */
  readonly plain?: Measured;
  /** Runs a second, of two steps each, one after the other. */
  readonly twoStep?: Measured;
  /** The same, of steps that are functions of the process. */
  readonly twoStepFunctions?: Measured;
  /** Steps a second, of runs that are a chain of 100. */
  readonly chain?: Measured;
  /** Steps a second, of one run that waits for so many at once. */
  readonly fanOut?: (run: Run, keeper: Keeper, count: number) => Promise<number>;
  /** Runs a second: one step, two side by side, one. */
  readonly diamond?: Measured;
  /** Runs a second that end, of 10,000 whose sleep is over at once. */
  readonly wake?: Measured;
  /** Milliseconds from a new worker's start until 1,000 runs have ended whose worker was killed. */
  readonly recover?: Measured;
  /** Jobs a second that 10,000 schedules due at once enqueue. */
  readonly ticks?: Measured;
}
