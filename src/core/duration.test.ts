// Durations: what is read, what is refused, and that what is written can be read again.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_DURATION_MS, formatDuration, parseDuration } from "./duration.ts";
import { isMillraceError } from "./errors.ts";

describe("parseDuration", () => {
  test.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5s", 1_500],
    ["90m", 5_400_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    [" 2 d ", 172_800_000],
    ["1w", 604_800_000],
    ["0s", 0],
    ["0.4ms", 0],
    [1_234, 1_234],
    [1.6, 2],
    [MAX_DURATION_MS, MAX_DURATION_MS],
  ])("reads %j as %d ms", (duration, ms) => {
    expect(parseDuration(duration)).toBe(ms);
  });

  test.each([
    "",
    " ",
    "30",
    "s",
    "-1s",
    "+1s",
    "1 0s",
    "1s,",
    "1sec",
    "1S",
    "1.s",
    ".5s",
    "1e3s",
    "1_000ms",
    "101y",
    "9".repeat(50) + "ms",
    "1s".repeat(100),
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    MAX_DURATION_MS + 1,
  ])("refuses %j", (duration) => {
    expect(() => parseDuration(duration, "timeout")).toThrow(
      expect.objectContaining({
        code: "INVALID_DURATION",
        message: expect.stringMatching(/^timeout is /),
      }),
    );
  });

  test.each([[null], [undefined], [{}], [[]], [1n], [true], [Symbol("s")]])(
    "refuses what is neither number nor text: %o",
    (value) => {
      expect(() => parseDuration(value as never)).toThrow(
        expect.objectContaining({ code: "INVALID_DURATION" }),
      );
    },
  );

  test("says what was given, also where JSON can't", () => {
    expect(() => parseDuration(Number.NaN)).toThrow(/duration is NaN; expected milliseconds/);
    expect(() => parseDuration("x".repeat(10_000))).toThrow(/^.{0,300}$/);
  });

  test("never gives -0, which JSON would change", () => {
    expect(Object.is(parseDuration(-0), 0)).toBe(true);
  });

  test("gives whole milliseconds within the bounds or an error of its own, whatever the text", () => {
    const nearly = fc.stringMatching(/^[0-9.]{0,4} ?(ms|s|m|h|d|w|x)?( ?[0-9]{1,3}(ms|s|m))?$/);
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string(), fc.double()), (duration) => {
        expect(isReadOrRefused(duration)).toBe(true);
      }),
    );
  });
});

describe("formatDuration", () => {
  test.each([
    [0, "0ms"],
    [999, "999ms"],
    [999.6, "1s"],
    [1_500, "1.5s"],
    [9_999, "10s"],
    [59_999, "1m"],
    [61_000, "1m1s"],
    [5_400_000, "1h30m"],
    [86_400_000, "1d"],
    [90_061_000, "1d1h"],
  ])("writes %d ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("writes what can be read again, at most one smaller unit off", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        const again = parseDuration(formatDuration(ms));
        const offBy = Math.abs(again - ms);
        expect(offBy).toBeLessThanOrEqual(Math.max(60, ms / 20));
      }),
    );
  });

  test("writes a number for what is no duration", () => {
    expect(formatDuration(Number.NaN)).toBe("NaNms");
    expect(formatDuration(Number.POSITIVE_INFINITY)).toBe("Infinityms");
    expect(formatDuration(-5)).toBe("-5ms");
  });
});

function isReadOrRefused(duration: number | string): boolean {
  try {
    const ms = parseDuration(duration);
    return Number.isInteger(ms) && ms >= 0 && ms <= MAX_DURATION_MS;
  } catch (error) {
    return isMillraceError(error, "INVALID_DURATION");
  }
}
