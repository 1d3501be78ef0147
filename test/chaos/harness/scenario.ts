// What a scenario is: a fault, brought about on purpose, and the figures that must hold under it.
import type { Random } from "./random.ts";

/** One row of the table of faults. A file of `test/chaos/<room>/` that bears its id: `export const scenario`. */
export interface Scenario {
  /** `E1`, `W3`, ... */
  readonly id: string;
  /** The fault, in a sentence. */
  readonly fault: string;
  /** Why it can't run on this machine, and what would mend that; `null` when it can. Absent: it always can. */
  readonly missing?: () => string | null;
  readonly run: (chaos: Chaos) => Promise<void>;
}

/** What a scenario is given, and whom it tells its figures. */
export interface Chaos {
  /** The short form takes seconds and runs among the tests; the long one is what `npm run chaos` runs. */
  readonly isShort: boolean;
  readonly random: Random;
  /** An empty directory, removed afterwards. */
  readonly directory: string;
  /** The store that was asked for, for scenarios that any store must pass: a URL, or `redis` for a server of its own. */
  readonly store: string | undefined;
  /** Aborts when the run is given up: every wait listens to it. */
  readonly signal: AbortSignal;
  /** Tells a figure for the record. */
  figure(name: string, value: number | string): void;
  /** Tells a figure that must lie within a bound. */
  must(name: string, value: number, bound: Bound): void;
  /** Ends with the run, the last one first. */
  use<Resource extends AsyncDisposable | Disposable>(resource: Resource): Resource;
}

/** Inclusive. */
export interface Bound {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly exactly?: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number | string;
  /** What was asked of it, in words; absent where nothing was. */
  readonly bound?: string;
  readonly holds: boolean;
}

/** What one run of a scenario gave. */
export interface Report {
  readonly id: string;
  readonly form: "short" | "long";
  readonly seed: number;
  readonly tookMs: number;
  readonly figures: readonly Figure[];
  /** Why it was not run. */
  readonly skipped?: string;
}
