// Timers wait as long as they are told, also beyond what Node's own can.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_TIMER_MS, startTimer } from "./timer.ts";

describe("a timer", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([0, 1, MAX_TIMER_MS, MAX_TIMER_MS + 1, 30 * 86_400_000, 365 * 86_400_000])(
    "of %d ms runs once, then and not before",
    (delayMs) => {
      const run = vi.fn<() => void>();
      startTimer(delayMs, run);
      vi.advanceTimersByTime(Math.max(0, delayMs - 1));
      expect(run).toHaveBeenCalledTimes(delayMs === 0 ? 1 : 0);
      vi.advanceTimersByTime(1);
      expect(run).toHaveBeenCalledTimes(1);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test("that is cancelled never runs, in whichever step it was", () => {
    const run = vi.fn<() => void>();
    const cancel = startTimer(60 * 86_400_000, run);
    vi.advanceTimersByTime(40 * 86_400_000);
    cancel();
    cancel();
    vi.advanceTimersByTime(90 * 86_400_000);
    expect(run).not.toHaveBeenCalled();
  });
});
