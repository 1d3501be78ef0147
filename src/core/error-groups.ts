// Errors counted by fingerprint: names under which they are counted among the figures, and how they are read from there.
import type { ErrorRecord } from "./errors.ts";
import { ERROR_COUNT_PREFIX, type Figures, OTHER_ERRORS, type Resolution } from "./figures.ts";
import { errorTitle, fingerprintOf } from "./fingerprint.ts";

/** What names of errors begin with, among outcomes and buckets of times. */
const PREFIX = ERROR_COUNT_PREFIX;
/** Counts the errors of a window beyond the bound, whatever they are. */
const OTHERS: string = OTHER_ERRORS;
/** Errors told apart by one process in one window of a type; more are no groups but a message that holds what differs. */
export const MAX_ERRORS_A_WINDOW = 50;

/** The name under which an error is counted. `known` are the names of its window so far. */
export function errorCountName(error: ErrorRecord, known: ReadonlySet<string>): string {
  const name = `${PREFIX}${fingerprintOf(error)} ${errorTitle(error)}`;
  return known.size < MAX_ERRORS_A_WINDOW || known.has(name) ? name : OTHERS;
}

function isErrorCount(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Errors of one type that are one. */
export interface ErrorGroup {
  readonly fingerprint: string;
  readonly type: string;
  readonly title: string;
  readonly count: number;
  /** Starts of the first and the last window that has it. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

/** The fingerprint and title of what is beyond the bound. */
const OTHERS_PARTS = ["others", "errors beyond those told apart in their hour"] as const;

/**
 * Puts windows together, the most frequent error first. Windows of one resolution are counted; those of another only say
 * more exactly when an error was seen last.
 */
export function groupErrors(
  windows: Iterable<Figures>,
  counted: Resolution,
): readonly ErrorGroup[] {
  const groups = new Map<string, ErrorGroup>();
  for (const { resolution, startMs, type, counts } of windows) {
    for (const [name, times] of Object.entries(counts)) {
      if (!isErrorCount(name)) continue;
      const [fingerprint, title] = partsOf(name);
      const key = `${type} ${fingerprint}`;
      const known = groups.get(key);
      groups.set(key, {
        fingerprint,
        type,
        title,
        count: (known?.count ?? 0) + (resolution === counted ? times : 0),
        firstSeenMs: Math.min(known?.firstSeenMs ?? Infinity, startMs),
        lastSeenMs: Math.max(known?.lastSeenMs ?? 0, startMs),
      });
    }
  }
  return [...groups.values()].filter(({ count }) => count > 0).sort(byCount);
}

function byCount(left: ErrorGroup, right: ErrorGroup): number {
  return right.count - left.count || right.lastSeenMs - left.lastSeenMs;
}

function partsOf(name: string): readonly [fingerprint: string, title: string] {
  if (name === OTHERS) return OTHERS_PARTS;
  const space = name.indexOf(" ");
  return [name.slice(PREFIX.length, space), name.slice(space + 1)];
}
