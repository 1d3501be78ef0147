// The test clock runs with the system's, moves when told, and is shared by whoever holds it.
import { expect, test } from "vitest";
import { createTestClock } from "./clock.ts";

test("a test clock runs with the system's clock until it is moved", () => {
  const clock = createTestClock();
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
});

test("a test clock goes forward as often as it is told, and back", () => {
  const clock = createTestClock();
  const before = clock.now();
  clock.advance(3_600_000);
  clock.advance(0.4);
  clock.advance(0.4);
  expect(clock.now() - before).toBeGreaterThanOrEqual(3_600_000);
  clock.advance(-7_200_000);
  expect(clock.now()).toBeLessThan(before);
});

test("whoever was given the clock's memory sees it move, and another clock does not", () => {
  const clock = createTestClock();
  const other = createTestClock();
  clock.advance(60_000);
  expect(new Float64Array(clock.offset)[0]).toBe(60_000);
  expect(new Float64Array(other.offset)[0]).toBe(0);
});
