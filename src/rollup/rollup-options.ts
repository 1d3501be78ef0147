// The general roll-up's options and what it hands out, with their defaults and bounds.
import { type OptionNames, checkList, checkObject, tellValue } from "../core/arguments.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { MAX_TIMER_MS, type RollupClock } from "./clock.ts";
import type { UnattributedReason } from "./held-events.ts";
import type { RollupRow, WindowShape } from "./keyed-window.ts";
import type { LookupTable } from "./lookup-table.ts";
import type { Measure } from "./measures.ts";
import type { WindowSpan } from "./window-timer.ts";

/** Half a million keys take about 100 MB with their strings; what is past it is counted in one overflow row. */
export const DEFAULT_MAX_KEYS = 500_000;
/** Room for a second of a busy stream while its associations are on their way. */
export const DEFAULT_MAX_HELD = 100_000;
/** How long an event waits for its association: two of the usual windows would hide a missing one. */
export const DEFAULT_MAX_WAIT_MS = 30_000;
/** More panes than this in a sliding window is a slip: every slide merges them all. */
const MAX_PANES = 1_000;

/** How windows are cut: tumbling, or sliding when `slide` is given. */
export interface WindowOptions {
  readonly size: Duration;
  /** From one sliding window to the next; `size` must be a multiple of it. */
  readonly slide?: Duration;
  /** Whether windows end on multiples of the wall clock (full minutes); false by default. */
  readonly aligned?: boolean;
}

/** A window that has ended. */
export interface RollupWindow extends WindowSpan {
  /** 1, 2, 3, ...: no number comes twice and none is left out. */
  readonly sequence: number;
  /** Events counted, those in the overflow row included. */
  readonly events: number;
  readonly size: number;
  rows(): Iterable<RollupRow>;
  /** What was past `maxKeys`, as one row; undefined when everything fitted. */
  overflow(): Omit<RollupRow, "key"> | undefined;
  /** Events given up since the last window because a lookup did not know them, by reason. */
  readonly unattributed: Readonly<Record<UnattributedReason, number>>;
  /** Events since the last window that lacked a field of the key. */
  readonly incomplete: number;
}

/** Where ended windows go. */
export interface RollupSink {
  readonly name: string;
  /** Resolves when the window is safe; a rejection is tried again. `signal` aborts at the deadline or on stop. */
  deliver(window: RollupWindow, signal: AbortSignal): Promise<void>;
}

/** What a roll-up lets its owner know. */
export type RollupNotice =
  | { readonly kind: "delivered"; readonly sink: string; readonly sequence: number }
  | {
      readonly kind: "kept";
      readonly sink: string;
      readonly sequence: number;
      readonly attempt: number;
      readonly error: unknown;
    }
  | { readonly kind: "dropped"; readonly sink: string; readonly sequence: number };

export interface RollupOptions {
  readonly window: WindowOptions;
  /** The fields that make the key, at least one. */
  readonly key: readonly string[];
  /** Fields whose value is a child to be replaced by its parent. */
  readonly lookup?: Readonly<Record<string, LookupTable>>;
  readonly measures?: Readonly<Record<string, Measure>>;
  readonly maxKeys?: number;
  /** Bounds on events whose lookup is not known yet. */
  readonly hold?: { readonly maxEvents?: number; readonly maxWait?: Duration };
  readonly sinks: readonly RollupSink[];
  /** Windows kept per sink while it fails; the oldest is dropped past it, and told. */
  readonly maxKept?: number;
  /** How long one delivery may take; 30 s by default. */
  readonly attemptTimeout?: Duration;
  readonly notify?: (notice: RollupNotice) => void;
  readonly clock?: RollupClock;
  /** Draws the jitter of retries, from 0 to 1. */
  readonly random?: () => number;
}

const WINDOW_NAMES: OptionNames<WindowOptions> = { size: true, slide: true, aligned: true };
const HOLD_NAMES: OptionNames<NonNullable<RollupOptions["hold"]>> = {
  maxEvents: true,
  maxWait: true,
};
/** The names of what is said of a roll-up. Tables, measures and sinks may have any. */
export const ROLLUP_NAMES: OptionNames<RollupOptions> = {
  window: WINDOW_NAMES,
  key: true,
  lookup: true,
  measures: true,
  maxKeys: true,
  hold: HOLD_NAMES,
  sinks: true,
  maxKept: true,
  attemptTimeout: true,
  notify: true,
  clock: true,
  random: true,
};

/** Reads what windows are made of. */
export function readShape(options: RollupOptions): WindowShape {
  if (checkList(options.key, "key", "names of fields").length === 0) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "key is empty; expected the names of one or more fields to count by",
    });
  }
  for (const field of Object.keys(options.lookup ?? {})) {
    if (options.key.includes(field)) continue;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `lookup.${field} has no field in key (${options.key.join(", ")}); expected one of them`,
    });
  }
  const maxKeys = options.maxKeys ?? DEFAULT_MAX_KEYS;
  return {
    key: options.key,
    measures: options.measures ?? {},
    maxKeys: readBound("maxKeys", maxKeys),
  };
}

/** Reads how windows are cut: a window is one pane, or as many as it slides over. */
export function readWindow(options: WindowOptions): {
  readonly everyMs: number;
  readonly paneCount: number;
} {
  const sizeMs = parseDuration(checkObject(options, "window").size, "window.size");
  const everyMs = parseDuration(options.slide ?? options.size, "window.slide");
  const paneCount = sizeMs / everyMs;
  if (everyMs < 1 || everyMs > MAX_TIMER_MS) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `window is ${everyMs} ms; expected 1 ms to ${MAX_TIMER_MS} ms (24.8 days)`,
    });
  }
  if (!Number.isInteger(paneCount) || paneCount > MAX_PANES) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `window.size is ${sizeMs} ms and window.slide ${everyMs} ms; expected a size that is 1 to ${MAX_PANES} whole slides`,
    });
  }
  return { everyMs, paneCount };
}

/** Reads the sinks: their names tell notices apart, so no two are the same. */
export function readSinks(options: RollupOptions): readonly RollupSink[] {
  const names = new Set(options.sinks.map((sink) => sink.name));
  if (names.size === options.sinks.length) return options.sinks;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `two sinks have one name (${options.sinks.map((sink) => sink.name).join(", ")}); expected a name of its own for each`,
  });
}

/** Reads a bound: a whole number of at least 1. */
export function readBound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${name} is ${tellValue(value)}; expected a whole number of at least 1`,
  });
}
