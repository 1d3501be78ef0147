import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuantileSketch } from "./quantile-sketch.ts";

const ACCURACY = 0.01;

/** The exact value at a quantile, by the rank DDSketch uses. */
function exact(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(quantile * (sorted.length - 1))]!;
}

function sketchOf(values: readonly number[], maxBuckets?: number): QuantileSketch {
  const sketch = new QuantileSketch({
    relativeAccuracy: ACCURACY,
    ...(maxBuckets === undefined ? {} : { maxBuckets }),
  });
  for (const value of values) sketch.add(value);
  return sketch;
}

function isWithin(answer: number | undefined, truth: number): boolean {
  return Math.abs(answer! - truth) <= ACCURACY * Math.abs(truth) + 1e-9;
}

describe("QuantileSketch", () => {
  const value = fc.oneof(
    fc.double({ min: 0.001, max: 1_000, noNaN: true }),
    fc.double({ min: -1_000, max: -0.001, noNaN: true }),
    fc.constant(0),
  );

  it("answers every quantile within its relative accuracy", () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, quantile) => {
          expect(isWithin(sketchOf(values).quantile(quantile), exact(values, quantile))).toBe(true);
        },
      ),
    );
  });

  it("merges without loss: two sketches merged answer as one sketch of all values", () => {
    fc.assert(
      fc.property(fc.array(value), fc.array(value, { minLength: 1 }), (left, right) => {
        const merged = sketchOf(left);
        merged.merge(sketchOf(right));
        for (const quantile of [0, 0.5, 0.99, 1]) {
          expect(merged.quantile(quantile)).toBe(sketchOf([...left, ...right]).quantile(quantile));
        }
      }),
    );
  });

  it("keeps high quantiles exact to its promise when it has to collapse low buckets", () => {
    const values = Array.from({ length: 20_000 }, (_, at) => 10 ** ((at % 2_000) / 100 - 10));
    const sketch = sketchOf(values, 512);
    expect(isWithin(sketch.quantile(0.99), exact(values, 0.99))).toBe(true);
    expect(sketch.count).toBe(20_000);
  });

  it("has no quantile while it is empty", () => {
    expect(new QuantileSketch().quantile(0.5)).toBeUndefined();
  });
});
