// What a suite of benchmarks is: measurements that several subjects run side by side, and what is expected of them.

/** Runs one measurement in a process of its own and gives one figure for each of the measurement's cases. */
export type Measure = (run: Run) => Promise<Figures>;

/** Figures by the name of their case. */
export type Figures = Readonly<Record<string, number>>;

/** What a measurement is told. */
export interface Run {
  /** Short forms are wanted: aim at well under a second. */
  readonly isQuick: boolean;
  /** An empty directory of this run, removed afterwards. */
  readonly directory: string;
  /** A directory that all runs of the suite share: data that is slow to make is made once and copied from here. */
  readonly sharedDirectory: string;
  /** What the suite's `prepare` gave: addresses of servers it started, and the like. */
  readonly settings: Settings;
}

export type Settings = Readonly<Record<string, string>>;

/** What a figure counts, and which way is up. */
export interface Case {
  /** `jobs/s`, `ms`, `bytes`, ... */
  readonly unit: string;
  readonly better: "higher" | "lower";
}

/** Work that yields the figures of one or more cases, as each of its subjects does it. */
export interface Measurement {
  readonly cases: Readonly<Record<string, Case>>;
  readonly subjects: Readonly<Record<string, Measure>>;
  /** Whether `--quick` leaves it out. */
  readonly isLong?: boolean;
}

/**
 * A figure to reach: a multiple of another figure of the same run, or without `against` the figure itself. Told beside
 * the table; never a failed run.
 */
export interface Goal {
  readonly case: string;
  readonly subject: string;
  readonly against?: { readonly case?: string; readonly subject?: string };
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Resources that all measurements of a suite share, held by the harness for the length of the run. */
export interface Prepared extends AsyncDisposable {
  readonly settings: Settings;
}

/** One file of `bench/suites/`, whose name it bears: `export const suite: Suite`. */
export interface Suite {
  readonly name: string;
  /** A sentence for the table's head: what is compared, under which conditions. */
  readonly about: string;
  /** The subject that ratios refer to. */
  readonly reference: string;
  readonly measurements: readonly Measurement[];
  readonly goals?: readonly Goal[];
  readonly prepare?: (options: { readonly directory: string }) => Promise<Prepared>;
}
