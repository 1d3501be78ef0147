// The arithmetic of a collection: shares, the ideal, the pace, what a sample is.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idealTimeMs, measuredPaceMs } from "./ideal.ts";
import type { Life } from "./ideal.ts";
import { parseRandomNumber } from "./options.ts";
import { nextShare } from "./shares.ts";

const alive = (readyAtMs: number): Life => ({ readyAtMs, endedAtMs: Number.POSITIVE_INFINITY });

describe("shares", () => {
  test("shrink from half a member's part to one", () => {
    expect(nextShare(150, 150, 16)).toBe(4);
    expect(nextShare(50, 86, 16)).toBe(2);
    expect(nextShare(10, 26, 16)).toBe(1);
    expect(nextShare(1, 1_000, 1)).toBe(1);
  });

  test("never ask for more than is missing, and always for something while it is", () => {
    const count = fc.integer({ min: 1, max: 100_000 });
    fc.assert(
      fc.property(count, count, count, (unassigned, owed, members) => {
        const share = nextShare(unassigned, unassigned + owed, members);
        expect(share).toBeGreaterThanOrEqual(1);
        expect(share).toBeLessThanOrEqual(unassigned);
      }),
    );
  });
});

describe("the ideal", () => {
  test("of 16 members ready at once and 150 samples is nine paces: six of them give ten", () => {
    const lives = Array.from({ length: 16 }, () => alive(100));
    expect(idealTimeMs(lives, 150, 1_000)).toBeCloseTo(9_100, 3);
    expect(idealTimeMs(lives, 144, 1_000)).toBeCloseTo(8_100, 3);
    expect(idealTimeMs(lives, 160, 1_000)).toBeCloseTo(9_100, 3);
    expect(idealTimeMs(lives, 161, 1_000)).toBeCloseTo(10_100, 3);
  });

  test("counts each life from the moment it was ready to its end", () => {
    const lives = [{ readyAtMs: 0, endedAtMs: 2_500 }, alive(2_700)];
    expect(idealTimeMs(lives, 3, 1_000)).toBeCloseTo(2_000, 3);
    expect(idealTimeMs(lives, 4, 1_000)).toBeCloseTo(2_700, 3);
    expect(idealTimeMs(lives, 5, 1_000)).toBeCloseTo(3_700, 3);
    expect(idealTimeMs([{ readyAtMs: 0, endedAtMs: 500 }], 2, 1_000)).toBeUndefined();
    expect(idealTimeMs([], 1, 1_000)).toBeUndefined();
  });

  test("equals the plain list of every sample that could have been", () => {
    const life = fc.record({
      readyAtMs: fc.integer({ min: 0, max: 5_000 }),
      livedMs: fc.integer({ min: 0, max: 9_000 }),
    });
    const lives = fc.array(life, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(lives, fc.integer({ min: 1, max: 40 }), (all, samples) => {
        const possible = all
          .flatMap(({ readyAtMs, livedMs }) =>
            Array.from({ length: Math.floor(livedMs / 700) + 1 }, (_, k) => readyAtMs + k * 700),
          )
          .sort((one, other) => one - other);
        const ideal = idealTimeMs(
          all.map(({ readyAtMs, livedMs }) => ({ readyAtMs, endedAtMs: readyAtMs + livedMs })),
          samples,
          700,
        );
        const listed = possible[samples - 1];
        // A half stands for "never" on both sides.
        expect(ideal ?? 0.5).toBeCloseTo(listed ?? 0.5, 3);
      }),
    );
  });

  test("takes the middle gap as the pace, or the mean where many come at one go", () => {
    expect(measuredPaceMs([1_000, 1_001, 9_000])).toBe(1_001);
    expect(measuredPaceMs([0, 0, 0, 8])).toBe(2);
    expect(measuredPaceMs([])).toBeUndefined();
  });
});

test.each([
  ["rnd=97", 97],
  ["rnd=-5", -5],
  ["rnd=", undefined],
  ["rnd=9x", undefined],
  ["rnd=9.5", undefined],
  [" rnd=97", undefined],
  ["x", undefined],
  [`rnd=${"9".repeat(400)}`, undefined],
])("the line %j is the sample %j", (line, sample) => {
  expect(parseRandomNumber(line)).toBe(sample);
});
