// What comes between: cancellation, lost workers, expiry, retries by hand, removal.
import { describe, expect, test } from "vitest";
import type { SettleOutcome } from "./store.ts";
import { T0, error, given, jobOf, keep, policy, running, settled } from "./transitions.fixture.ts";
import {
  DEFAULT_STORE_POLICY,
  cancel,
  createJob,
  expire,
  isExpired,
  isOverdue,
  lose,
  remove,
  retryByHand,
  settle,
  withdraw,
} from "./transitions.ts";

describe("cancelling", () => {
  test("ends a job that waits, at once", () => {
    for (const job of [createJob(given(), T0), createJob(given({ delayMs: 5 }), T0)]) {
      expect(jobOf(cancel(job, "no need", policy, T0 + 1))).toMatchObject({
        state: "cancelled",
        error: { code: "JOB_CANCELLED", message: "no need" },
        cancelRequest: { atMs: T0 + 1, reason: "no need" },
        finishedAtMs: T0 + 1,
        history: [],
      });
    }
  });

  test("asks a job that runs, and the first wish stands", () => {
    const asked = jobOf(cancel(running(), "first", policy, T0 + 30));
    expect(asked).toMatchObject({
      state: "running",
      token: "n.1",
      cancelRequest: { reason: "first" },
    });
    expect(jobOf(cancel(asked, "second", policy, T0 + 40))).toEqual(asked);
  });

  test("leaves a success alone that came first", () => {
    const asked = jobOf(cancel(running(), "late", policy, T0 + 11));
    expect(settled({ kind: "succeeded", result: "1", retention: keep }, asked).state).toBe(
      "succeeded",
    );
  });

  test.each<SettleOutcome>([
    { kind: "retry", error, delayMs: 5 },
    { kind: "snooze", delayMs: 5 },
    { kind: "release" },
  ])("outlives the try: %o ends the job", (outcome) => {
    const asked = jobOf(cancel(running(), "enough", policy, T0 + 11));
    expect(settled(outcome, asked)).toMatchObject({
      state: "cancelled",
      error: { code: "JOB_CANCELLED", message: "enough" },
    });
  });

  test("is withdrawn by the store after the grace, and then the worker's word is stale", () => {
    const asked = jobOf(cancel(running(), "enough", policy, T0 + 30));
    expect(isOverdue(asked, policy, T0 + 30 + 4_999)).toBe(false);
    expect(isOverdue(asked, policy, T0 + 30 + 5_000)).toBe(true);
    const gone = jobOf(withdraw(asked, policy, T0 + 5_030));
    expect(gone).toMatchObject({
      state: "cancelled",
      token: null,
      history: [{ outcome: "cancelled" }],
    });
    const late: SettleOutcome = { kind: "succeeded", result: "1", retention: keep };
    expect(settle(gone, "n.1", late, policy, T0 + 6_000).kind).toBe("rejected");
    expect(withdraw(running(), policy, T0).kind).toBe("rejected");
  });

  test("of a job that has ended is refused", () => {
    const ended = settled({ kind: "failed", error, retention: keep });
    expect(cancel(ended, "late", policy, T0)).toEqual({ kind: "rejected", why: "wrong-state" });
  });
});

describe("losing the worker", () => {
  test("makes the job ready with its place kept and its try not counted", () => {
    expect(jobOf(lose(running(), policy, { isCharged: true }, T0 + 50))).toMatchObject({
      state: "ready",
      dueAtMs: T0,
      attempts: 0,
      crashes: 1,
      token: null,
      history: [{ outcome: "lost", error: { code: "JOB_CRASHED" } }],
    });
  });

  test("is not charged to a job that merely ran beside", () => {
    expect(jobOf(lose(running(), policy, { isCharged: false }, T0)).crashes).toBe(0);
  });

  test("fails the job at the bound", () => {
    const second = { ...running(), crashes: 1 };
    expect(jobOf(lose(second, policy, { isCharged: true }, T0))).toMatchObject({
      state: "failed",
      crashes: 2,
      attempts: 0,
      error: { code: "JOB_CRASHED" },
    });
  });

  test("ends a job that was to be cancelled", () => {
    const asked = jobOf(cancel(running(), "enough", policy, T0));
    expect(jobOf(lose(asked, policy, { isCharged: true }, T0))).toMatchObject({
      state: "cancelled",
      crashes: 0,
    });
  });

  test("means nothing to a job that does not run", () => {
    expect(lose(createJob(given(), T0), policy, { isCharged: true }, T0).kind).toBe("rejected");
  });
});

describe("expiry", () => {
  test("fails a job that was not started in time", () => {
    const job = createJob(given({ expireAfterMs: 100 }), T0);
    expect(isExpired(job, T0 + 99)).toBe(false);
    expect(expire(job, policy, T0 + 99).kind).toBe("rejected");
    expect(jobOf(expire(job, policy, T0 + 100))).toMatchObject({
      state: "failed",
      attempts: 0,
      error: { code: "JOB_EXPIRED", message: "the job was not started before it expired" },
    });
  });

  test("never touches a job that runs, and ends one that waits for its next try", () => {
    const job = running({ expireAfterMs: 100 });
    expect(isExpired(job, T0 + 1_000)).toBe(false);
    const waits = settled({ kind: "retry", error, delayMs: 500 }, job);
    expect(jobOf(expire(waits, policy, T0 + 1_000)).error?.message).toContain("started again");
  });
});

describe("a retry by hand", () => {
  test("gives a fresh set of attempts and keeps the history", () => {
    const failed = settled(
      { kind: "failed", error, retention: keep },
      { ...running(), crashes: 1 },
    );
    expect(jobOf(retryByHand(failed, T0 + 99))).toMatchObject({
      state: "ready",
      attempts: 0,
      crashes: 0,
      dueAtMs: T0 + 99,
      expiresAtMs: null,
      finishedAtMs: null,
      removeAtMs: null,
      history: failed.history,
    });
  });

  test("forgets the wish to cancel", () => {
    const cancelled = jobOf(cancel(createJob(given(), T0), "oops", policy, T0));
    expect(jobOf(retryByHand(cancelled, T0)).cancelRequest).toBeNull();
  });

  test("is for jobs that failed or were cancelled", () => {
    const succeeded = settled({ kind: "succeeded", result: "1", retention: keep });
    for (const job of [createJob(given(), T0), running(), succeeded]) {
      expect(retryByHand(job, T0)).toEqual({ kind: "rejected", why: "wrong-state" });
    }
  });
});

describe("removal", () => {
  test("is for every job that does not run", () => {
    expect(remove(createJob(given(), T0))).toMatchObject({ kind: "removed" });
    expect(remove(settled({ kind: "failed", error, retention: keep }))).toMatchObject({
      kind: "removed",
    });
    expect(remove(running())).toEqual({ kind: "rejected", why: "wrong-state" });
  });
});

test("a type that nobody made known has bounds all the same", () => {
  expect(DEFAULT_STORE_POLICY.maxCrashes).toBeGreaterThan(0);
  expect(DEFAULT_STORE_POLICY.retention.succeeded.ageMs).toBeGreaterThan(0);
});
