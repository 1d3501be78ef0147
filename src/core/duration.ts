// Durations as people write them ("30s", "1h30m") or as milliseconds.
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

const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy;

/**
 * Reads a duration.
 *
 * @returns whole milliseconds, 0 to {@link MAX_DURATION_MS}
 * @throws MillraceError `INVALID_DURATION` for anything else
 * @example parseDuration("1h30m") === 5_400_000
 */
export function parseDuration(duration: Duration, field = "duration"): number {
  const ms = typeof duration === "number" ? duration : parseText(duration);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > MAX_DURATION_MS) {
    throw new MillraceError("INVALID_DURATION", {
      message: `${field} is ${JSON.stringify(duration)}; expected milliseconds from 0 to ${MAX_DURATION_MS} or a string such as "250ms", "30s" or "1h30m"`,
    });
  }
  return Math.round(ms);
}

function parseText(text: string): number | undefined {
  const compact = text.replaceAll(" ", "");
  if (compact === "") return undefined;
  let totalMs = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < compact.length) {
    const part = PART.exec(compact);
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
  if (durationMs < 1_000) return `${Math.round(durationMs)}ms`;
  if (durationMs < 10_000) return `${(durationMs / 1_000).toFixed(1).replace(".0", "")}s`;
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
