// What a handler throws on purpose.
import { describe, expect, test } from "vitest";
import { FatalError, RetryAfterError, SnoozeError, fatal, retryAfter, snooze } from "./outcomes.ts";

describe("errors thrown on purpose", () => {
  test("fatal keeps its message and cause", () => {
    const cause = new Error("404");
    const error = fatal("no such order", { cause });
    expect(error).toBeInstanceOf(FatalError);
    expect(error).toMatchObject({ name: "FatalError", message: "no such order", cause });
  });

  test("retryAfter reads its delay", () => {
    const error = retryAfter("2m", "the API said so");
    expect(error).toBeInstanceOf(RetryAfterError);
    expect(error).toMatchObject({ delayMs: 120_000, message: "the API said so" });
    expect(retryAfter(5).message).toBe("asked to try again later");
  });

  test("snooze reads its delay", () => {
    const error = snooze("1h");
    expect(error).toBeInstanceOf(SnoozeError);
    expect(error).toMatchObject({ name: "SnoozeError", delayMs: 3_600_000 });
    expect(error.message).toContain("1h");
  });

  test("a delay that can't be read names the function", () => {
    expect(() => snooze("soon")).toThrow(/^snooze is "soon"/);
    expect(() => retryAfter(Number.NaN)).toThrow(/^retryAfter is NaN/);
  });
});
