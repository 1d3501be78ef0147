// Millrace's own figures: what is counted of jobs in windows of time, and how quantiles are read from counts.
import { MillraceError } from "./errors.ts";
import { checkName } from "./limits.ts";

/** The widths of windows that are kept. */
export const RESOLUTIONS = ["minute", "hour"] as const;
/** One of {@link RESOLUTIONS}. */
export type Resolution = (typeof RESOLUTIONS)[number];

/** Width of a window. */
export const RESOLUTION_MS: Readonly<Record<Resolution, number>> = {
  minute: 60_000,
  hour: 3_600_000,
};
/** How long windows are kept: a day of minutes shows what happened last night, a month of hours what is usual. */
export const FIGURES_KEPT_MS: Readonly<Record<Resolution, number>> = {
  minute: 86_400_000,
  hour: 31 * 86_400_000,
};
/** Most windows in one call: a day of minutes of one type fits with room. */
export const MAX_FIGURES = 10_000;
/** Most names counted in one window: every outcome, and every bucket of wait and run time that there can be. */
export const MAX_FIGURE_NAMES = 1_000;

/** What names begin with under which errors are counted: see `error-groups.ts`. */
export const ERROR_COUNT_PREFIX = "error:";
/** Errors beyond the bound, whatever they are. */
export const OTHER_ERRORS = "error:others";
/** Errors told apart in one window of a type, over all processes: at most so many names of 200 bytes are kept. */
export const MAX_ERRORS_KEPT = 200;

/** What was counted of one job type in one window. */
export interface Figures {
  readonly resolution: Resolution;
  /** Start of the window: a multiple of its width, in milliseconds since 1970. */
  readonly startMs: number;
  readonly type: string;
  /** Outcomes by their names, and buckets of wait and run time as {@link bucketName} names them. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Counts of one type in one minute, to be added to what is there. */
export type NewFigures = Omit<Figures, "resolution">;

/** Which windows are asked for. */
export interface FiguresRequest {
  readonly resolution: Resolution;
  /** Windows that start at this time or later. */
  readonly fromMs: number;
  /** One type; all where it is left out. */
  readonly type?: string;
}

/** What is measured of a try: the wait from when the job was due to its start, and the time that it ran. */
export type Measured = "wait" | "run";

/**
 * Relative error of quantiles, 5%: 1 ms to a day is 183 buckets at the most, and a type's times fall into some twenty.
 * Buckets grow by gamma = (1 + a) / (1 - a), after DDSketch (Masson, Rim, Lee; PVLDB 12(12), 2019); counts of buckets
 * add up, so windows of many workers merge without loss.
 */
const RELATIVE_ERROR = 0.05;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);

/** The name under which a duration is counted. */
export function bucketName(measured: Measured, durationMs: number): string {
  const bucket = durationMs < 1 ? 0 : 1 + Math.ceil(Math.log(durationMs) / LOG_GAMMA);
  return (BUCKET_NAMES[measured][bucket] ??= `${measured}:${bucket}`);
}

/** Those asked for: each text is then made and hashed once, and not with every try that ends. */
const BUCKET_NAMES: Readonly<Record<Measured, string[]>> = { wait: [], run: [] };

/** A quantile (0 to 1) of what was measured, in milliseconds; `null` where nothing was. */
export function quantileOf(
  counts: Readonly<Record<string, number>>,
  measured: Measured,
  quantile: number,
): number | null {
  const prefix = `${measured}:`;
  const buckets = Object.entries(counts)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, count]) => [Number(name.slice(prefix.length)), count] as const)
    .sort(([left], [right]) => left - right);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const rank = quantile * (total - 1);
  let seen = 0;
  for (const [bucket, count] of buckets) {
    seen += count;
    if (seen > rank) return bucket === 0 ? 0 : (2 * GAMMA ** (bucket - 1)) / (GAMMA + 1);
  }
  return null;
}

/** The start of the window that a time falls into. */
export function windowStartMs(resolution: Resolution, atMs: number): number {
  return Math.floor(atMs / RESOLUTION_MS[resolution]) * RESOLUTION_MS[resolution];
}

/** Adds counts to counts. Errors beyond the bound are counted as others. */
export function addCounts(
  known: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...known };
  let errors = Object.keys(known).filter((name) => name.startsWith(ERROR_COUNT_PREFIX)).length;
  for (const [name, count] of Object.entries(more)) {
    const isNewError = name.startsWith(ERROR_COUNT_PREFIX) && sum[name] === undefined;
    const counted = isNewError && errors >= MAX_ERRORS_KEPT ? OTHER_ERRORS : name;
    if (isNewError) errors += 1;
    sum[counted] = (sum[counted] ?? 0) + count;
  }
  return sum;
}

/**
 * Checks counts before they are kept.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `TOO_MANY`
 */
export function checkFigures(figures: readonly NewFigures[]): void {
  if (figures.length > MAX_FIGURES) {
    throw new MillraceError("TOO_MANY", {
      message: `${figures.length} windows in one call; at most ${MAX_FIGURES} are allowed`,
    });
  }
  for (const { startMs, type, counts } of figures) {
    checkName(type, "type");
    const entries = Object.entries(counts);
    const areCounts = entries.every(([, count]) => Number.isInteger(count) && count >= 0);
    if (
      !areCounts ||
      entries.length > MAX_FIGURE_NAMES ||
      windowStartMs("minute", startMs) !== startMs
    ) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `figures of ${type} at ${startMs} are not a whole minute with at most ${MAX_FIGURE_NAMES} whole counts`,
      });
    }
  }
}
