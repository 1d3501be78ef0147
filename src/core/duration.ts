// Durations as people write them ("30s", "1h30m") or as milliseconds.
import { tellValue } from "./arguments.ts";
import { MillraceError } from "./errors.ts";

/** Milliseconds, or a string of amounts with units: `ms`, `s`, `m`, `h`, `d`, `w`; for example `"30s"` or `"1h30m"`. */
export type Duration = number | string;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A hundred years: anything longer is a slip of the pen, and sums of two still fit a double exactly. */
export const MAX_DURATION_MS: number = 100 * 365 * 86_400_000;

/** Longer than any duration that a person would write. */
const MAX_TEXT_LENGTH = 100;
const PART = /(\d+(?:\.\d+)?) ?(ms|s|m|h|d|w) */gy;

/**
 * Reads a duration.
 *
 * @returns whole milliseconds, 0 to {@link MAX_DURATION_MS}
 * @throws MillraceError `INVALID_DURATION` for anything else
 * @example parseDuration("1h30m") === 5_400_000
 */
export function parseDuration(duration: Duration, field = "duration"): number {
  const ms = typeof duration === "number" ? duration : parseText(duration);
  if (ms === undefined || !(ms >= 0 && ms <= MAX_DURATION_MS)) {
    throw new MillraceError("INVALID_DURATION", {
      message: `${field} is ${tellValue(duration)}; expected milliseconds from 0 to ${MAX_DURATION_MS} or a string such as "250ms", "30s" or "1h30m"`,
    });
  }
  // Adding 0 makes 0 of -0.
  return Math.round(ms) + 0;
}

/**
 * Reads the longest time of something. None is not one: elsewhere it means no bound as often as an end at once.
 *
 * @param leftOut - what holds where it is left out
 * @throws MillraceError `INVALID_DURATION`
 */
export function parseTimeout(timeout: Duration, field: string, leftOut: string): number {
  const ms = parseDuration(timeout, field);
  if (ms > 0) return ms;
  throw new MillraceError("INVALID_DURATION", {
    message: `${field} is ${tellValue(timeout)}; expected at least 1 ms, or to be left out for ${leftOut}`,
  });
}

function parseText(text: unknown): number | undefined {
  // Whoever has no type checker, or read the value from a file, may pass anything.
  if (typeof text !== "string" || text.length > MAX_TEXT_LENGTH) return undefined;
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  let totalMs = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < trimmed.length) {
    const part = PART.exec(trimmed);
    if (part === null) return undefined;
    totalMs += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? Number.NaN);
  }
  return totalMs;
}

/**
 * Writes milliseconds the way people read them, in at most two units.
 *
 * @example formatDuration(5_400_000) === "1h30m"
 */
export function formatDuration(durationMs: number): string {
  const wholeMs = Math.round(durationMs);
  if (!Number.isFinite(wholeMs) || wholeMs < 1_000) return `${wholeMs}ms`;
  if (wholeMs < 10_000) return `${(durationMs / 1_000).toFixed(1).replace(".0", "")}s`;
  const units: readonly (readonly [string, number])[] = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ];
  const rounded = Math.round(durationMs / 1_000) * 1_000;
  const first = units.findIndex(([, unitMs]) => rounded >= unitMs);
  const [name, unitMs] = units[first] ?? ["s", 1_000];
  const whole = Math.floor(rounded / unitMs);
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((rounded - whole * unitMs) / next[1]);
  return rest === 0 ? `${whole}${name}` : `${whole}${name}${rest}${next?.[0] ?? ""}`;
}
