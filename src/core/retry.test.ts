// Retry policies: how many attempts, and how long between them.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_DURATION_MS } from "./duration.ts";
import { DEFAULT_ATTEMPTS, MAX_ATTEMPTS, type RetryOptions, readRetryPolicy } from "./retry.ts";

const failure = (attempt: number): { attempt: number; error: unknown } => ({
  attempt,
  error: new Error("no"),
});

function delays(options: RetryOptions, attempts: number, random: number): number[] {
  const policy = readRetryPolicy(options);
  return Array.from({ length: attempts }, (_, index) => policy.delayMs(failure(index + 1), random));
}

describe("retry policies", () => {
  test("have five attempts with exponential backoff and full jitter by default", () => {
    const policy = readRetryPolicy(undefined);
    expect(policy.attempts).toBe(DEFAULT_ATTEMPTS);
    expect(policy.delayMs(failure(3), 0)).toBe(0);
    expect(policy.delayMs(failure(3), 0.5)).toBe(2_000);
    expect(policy.delayMs(failure(3), 0.999_999)).toBe(4_000);
  });

  test("double up to their longest wait", () => {
    const backoff = { kind: "exponential", base: "2s", max: "10s", jitter: false } as const;
    expect(delays({ backoff }, 5, 0.1)).toEqual([2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test("wait the same each time when fixed", () => {
    expect(delays({ backoff: "fixed" }, 2, 0.3)).toEqual([1_000, 1_000]);
    expect(delays({ backoff: { kind: "fixed", delay: "3s" } }, 2, 0.3)).toEqual([3_000, 3_000]);
  });

  test("follow a list, which says the number of attempts too, and repeat its last wait", () => {
    const policy = readRetryPolicy({ backoff: ["1s", "10s"] });
    expect(policy.attempts).toBe(3);
    expect(delays({ attempts: 5, backoff: ["1s", "10s"] }, 4, 0.3)).toEqual([
      1_000, 10_000, 10_000, 10_000,
    ]);
    expect(readRetryPolicy({ backoff: [] })).toMatchObject({ attempts: 1 });
  });

  test("ask a function, with the attempt and the error", () => {
    const seen: unknown[] = [];
    const policy = readRetryPolicy({
      backoff: (failed) => {
        seen.push(failed);
        return "7s";
      },
    });
    const failed = failure(2);
    expect(policy.delayMs(failed, 0.3)).toBe(7_000);
    expect(seen).toEqual([failed]);
  });

  test("refuse a function's answer that is no duration, when it is given", () => {
    const policy = readRetryPolicy({ backoff: () => Number.NaN });
    expect(() => policy.delayMs(failure(1), 0)).toThrow(
      expect.objectContaining({ code: "INVALID_DURATION" }),
    );
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_ATTEMPTS + 1, "3" as never])(
    "refuse %j attempts",
    (attempts) => {
      expect(() => readRetryPolicy({ attempts })).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          message: expect.stringMatching(/retry\.attempts is/),
        }),
      );
    },
  );

  test.each([["linear"], [{ kind: "linear" }], [{}], [7], [true]])(
    "refuse the backoff %j",
    (backoff) => {
      expect(() => readRetryPolicy({ backoff: backoff as never })).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          message: expect.stringMatching(/retry\.backoff is/),
        }),
      );
    },
  );

  test("refuse durations that can't be read, where they are written", () => {
    for (const backoff of [
      ["1s", "soon"],
      { kind: "fixed", delay: "soon" },
      { kind: "exponential", base: -1 },
      { kind: "exponential", max: "soon" },
    ] as const) {
      expect(() => readRetryPolicy({ backoff })).toThrow(
        expect.objectContaining({
          code: "INVALID_DURATION",
          message: expect.stringMatching(/^retry\.backoff/),
        }),
      );
    }
  });

  test("always wait a whole number of milliseconds within the longest duration", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: MAX_DURATION_MS }),
        fc.integer({ min: 0, max: MAX_DURATION_MS }),
        fc.integer({ min: 1, max: MAX_ATTEMPTS }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.boolean(),
        (base, max, attempt, random, jitter) => {
          const policy = readRetryPolicy({
            backoff: { kind: "exponential", base, max, jitter },
          });
          const delayMs = policy.delayMs(failure(attempt), random);
          expect(Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= max).toBe(true);
        },
      ),
    );
  });
});
