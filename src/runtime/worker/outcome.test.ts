// What becomes of a job whose try did not succeed.
import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { fatal, retryAfter, snooze } from "../../core/outcomes.ts";
import { decideFailure } from "./outcome.ts";

const type = defineJob({ name: "t", retry: { attempts: 3, backoff: [100, 200] } });
const base = { attempt: 1, abortReason: undefined, retention: type.retention };

describe("a failed try", () => {
  test("is retried after its backoff while attempts are left", () => {
    expect(decideFailure(type, { ...base, thrown: new Error("x") }, 0)).toMatchObject({
      kind: "retry",
      delayMs: 100,
    });
    expect(decideFailure(type, { ...base, attempt: 2, thrown: new Error("x") }, 0)).toMatchObject({
      kind: "retry",
      delayMs: 200,
    });
  });

  test("fails the job when it was the last attempt", () => {
    const outcome = decideFailure(type, { ...base, attempt: 3, thrown: new Error("x") }, 0);
    expect(outcome).toMatchObject({ kind: "failed", error: { message: "x" } });
  });

  test("fails the job at once when the error is fatal or a value does not fit", () => {
    for (const thrown of [
      fatal("never"),
      new MillraceError("INVALID_INPUT"),
      new MillraceError("TOO_LARGE"),
    ]) {
      expect(decideFailure(type, { ...base, thrown }, 0)?.kind).toBe("failed");
    }
  });

  test("waits as long as the handler asked, and counts", () => {
    const outcome = decideFailure(type, { ...base, thrown: retryAfter("2m") }, 0);
    expect(outcome).toMatchObject({ kind: "retry", delayMs: 120_000 });
  });

  test("does not count when the handler snoozes, whatever attempt it is", () => {
    const outcome = decideFailure(type, { ...base, attempt: 3, thrown: snooze("1h") }, 0);
    expect(outcome).toEqual({ kind: "snooze", delayMs: 3_600_000 });
  });

  test("is told as a timeout when the timeout ended it, whatever was thrown then", () => {
    const abortReason = new MillraceError("JOB_TIMEOUT");
    const outcome = decideFailure(
      type,
      { ...base, abortReason, thrown: new Error("AbortError") },
      0,
    );
    expect(outcome).toMatchObject({ kind: "retry", error: { code: "JOB_TIMEOUT" } });
  });

  test("is a cancellation when it was cancelled, and given back when the worker stops", () => {
    const thrown = new Error("AbortError");
    const cancelled = { ...base, thrown, abortReason: new MillraceError("JOB_CANCELLED") };
    expect(decideFailure(type, cancelled, 0)?.kind).toBe("cancelled");
    const stopped = { ...base, thrown, abortReason: new MillraceError("STOPPED") };
    expect(decideFailure(type, stopped, 0)).toEqual({ kind: "release" });
  });

  test("says nothing when its claim is void", () => {
    for (const code of ["LEASE_LOST", "STALE_CLAIM"] as const) {
      const failed = { ...base, thrown: new Error("x"), abortReason: new MillraceError(code) };
      expect(decideFailure(type, failed, 0)).toBeNull();
    }
  });

  test("fails with a word about it when the backoff function throws", () => {
    const odd = defineJob({
      name: "odd",
      retry: {
        attempts: 3,
        backoff: () => {
          throw new Error("broken policy");
        },
      },
    });
    const outcome = decideFailure(odd, { ...base, thrown: new Error("x") }, 0);
    expect(outcome).toMatchObject({
      kind: "failed",
      error: { message: expect.stringContaining("broken policy") },
    });
  });
});
