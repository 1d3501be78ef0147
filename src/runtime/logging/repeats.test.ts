// What repeats itself is one line an interval, and nothing of it goes uncounted.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Repeats } from "./repeats.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first is told at once, the others once an interval with their count", () => {
  const repeats = new Repeats();
  const told: unknown[] = [];
  const tell = (key: string, at: number): void =>
    repeats.tell(key, (repeated) => void told.push([key, at, repeated]));
  for (let at = 1; at <= 100; at += 1) tell("full", at);
  tell("busy", 1);
  expect(told).toEqual([
    ["full", 1, undefined],
    ["busy", 1, undefined],
  ]);
  vi.advanceTimersByTime(10_000);
  expect(told.splice(2)).toEqual([["full", 100, 99]]);
  tell("busy", 2);
  expect(told.splice(2)).toEqual([["busy", 2, undefined]]);
  tell("full", 101);
  tell("full", 102);
  repeats.flush();
  expect(told.splice(2)).toEqual([["full", 102, 2]]);
  expect(vi.getTimerCount()).toBe(0);
});

test("what has not come for an interval is told at once when it comes again, and leaves no timer", () => {
  const repeats = new Repeats();
  const told: unknown[] = [];
  repeats.tell("full", (repeated) => void told.push(repeated));
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
  repeats.tell("full", (repeated) => void told.push(repeated));
  expect(told).toEqual([undefined, undefined]);
});
