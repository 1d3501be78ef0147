import { expect, test } from "vitest";
import { median, quantile } from "./statistics.ts";

test("a median is the middle value, or the mean of the two in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 7])).toBe(6);
});

test("a quantile is the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(quantile(values, 0.5)).toBe(50);
  expect(quantile(values, 0.99)).toBe(99);
  expect(quantile([7], 0.99)).toBe(7);
});

test("nothing has no middle", () => {
  expect(() => median([])).toThrow("at least one value");
  expect(() => quantile([], 0.5)).toThrow("at least one value");
});
