// When a worker is no longer young.
import { expect, test } from "vitest";
import { youthLeftMs } from "./youth.ts";

test("a worker is young for as long as its lease, and for five seconds at most", () => {
  expect(youthLeftMs(100, 1_000, 100)).toBe(1_000);
  expect(youthLeftMs(100, 1_000, 1_099)).toBe(1);
  expect(youthLeftMs(100, 1_000, 1_100)).toBe(0);
  expect(youthLeftMs(100, 30_000, 5_099)).toBe(1);
  expect(youthLeftMs(100, 30_000, 9_000)).toBe(0);
});
