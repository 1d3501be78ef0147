// Quantiles from counts, and counts that add up.
import { array, assert, constantFrom, double, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { addCounts, bucketName, checkFigures, quantileOf, windowStartMs } from "./figures.ts";

function countsOf(durationsMs: readonly number[]): Record<string, number> {
  let counts: Record<string, number> = {};
  for (const durationMs of durationsMs)
    counts = addCounts(counts, { [bucketName("run", durationMs)]: 1 });
  return counts;
}

describe("a quantile", () => {
  test("is within five percent of the true one, a millisecond aside", () => {
    assert(
      property(
        array(double({ min: 0, max: 86_400_000, noNaN: true }), { minLength: 1 }),
        constantFrom(0, 0.5, 0.95, 0.99, 1),
        (durationsMs, quantile) => {
          const sorted = [...durationsMs].sort((left, right) => left - right);
          const exactMs = sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0;
          const readMs = quantileOf(countsOf(durationsMs), "run", quantile) ?? Number.NaN;
          expect(Math.abs(readMs - exactMs)).toBeLessThanOrEqual(Math.max(1, exactMs * 0.0501));
        },
      ),
    );
  });

  test("of nothing is nothing, and waits are apart from runs", () => {
    expect(quantileOf({}, "run", 0.5)).toBeNull();
    expect(quantileOf({ [bucketName("wait", 5)]: 1 }, "run", 0.5)).toBeNull();
  });
});

describe("figures", () => {
  test("of two workers add up to those of one", () => {
    const left = countsOf([1, 2, 3]);
    const right = countsOf([3, 400]);
    expect(addCounts(left, right)).toEqual(countsOf([1, 2, 3, 3, 400]));
  });

  test("are refused when they are not whole counts of a whole minute", () => {
    const startMs = windowStartMs("minute", 90_000);
    expect(startMs).toBe(60_000);
    expect(() => checkFigures([{ startMs, type: "t", counts: { succeeded: 1 } }])).not.toThrow();
    expect(() => checkFigures([{ startMs: 1, type: "t", counts: {} }])).toThrow(/whole minute/);
    expect(() => checkFigures([{ startMs, type: "t", counts: { succeeded: 0.5 } }])).toThrow(
      /whole counts/,
    );
  });
});
