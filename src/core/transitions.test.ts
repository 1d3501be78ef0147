// The life of a job as it is meant to go: enqueued, claimed, reported on, settled.
import { describe, expect, test } from "vitest";
import { MAX_KEPT_ATTEMPTS } from "./job.ts";
import type { SettleOutcome } from "./store.ts";
import {
  T0,
  error,
  given,
  jobOf,
  keep,
  policy,
  removeAtOnce,
  running,
  settled,
} from "./transitions.fixture.ts";
import { claim, createJob, promote, rankOf, report, settle } from "./transitions.ts";

describe("a new job", () => {
  test("is ready at once, due now, and empty of history", () => {
    expect(createJob(given(), T0)).toMatchObject({
      state: "ready",
      enqueuedAtMs: T0,
      dueAtMs: T0,
      expiresAtMs: null,
      attempts: 0,
      history: [],
      token: null,
    });
  });

  test("waits for its delay or its time", () => {
    expect(createJob(given({ delayMs: 500 }), T0)).toMatchObject({
      state: "scheduled",
      dueAtMs: T0 + 500,
    });
    expect(createJob(given({ runAtMs: T0 + 7 }), T0)).toMatchObject({ dueAtMs: T0 + 7 });
  });

  test("whose time is past gains no place by it", () => {
    const late = createJob(given({ runAtMs: 5, expireAfterMs: 100 }), T0);
    expect(late).toMatchObject({ state: "ready", dueAtMs: T0, expiresAtMs: T0 + 100 });
  });

  test("expires so long after it is due, not after it was enqueued", () => {
    const job = createJob(given({ delayMs: 1_000, expireAfterMs: 100 }), T0);
    expect(job.expiresAtMs).toBe(T0 + 1_100);
  });
});

describe("rank", () => {
  test("is the due time less the head start, so that every job ages alike", () => {
    expect(rankOf({ dueAtMs: 1_000, headStartMs: 0 })).toBe(1_000);
    expect(rankOf({ dueAtMs: 1_000, headStartMs: 60_000 })).toBe(-59_000);
  });
});

describe("promotion", () => {
  test("happens when the time has come, not before", () => {
    const job = createJob(given({ delayMs: 100 }), T0);
    expect(promote(job, T0 + 99).kind).toBe("rejected");
    expect(jobOf(promote(job, T0 + 100)).state).toBe("ready");
    expect(promote(createJob(given(), T0), T0).kind).toBe("rejected");
  });
});

describe("a claim", () => {
  test("makes a ready job run, under a token, with its progress begun anew", () => {
    const before = { ...createJob(given(), T0), progress: "0.5" };
    expect(jobOf(claim(before, { worker: "w1", token: "n.1" }, T0 + 10))).toMatchObject({
      state: "running",
      worker: "w1",
      token: "n.1",
      startedAtMs: T0 + 10,
      progress: null,
    });
  });

  test("is refused for a job that waits, runs, has ended or has expired", () => {
    const by = { worker: "w2", token: "n.2" };
    const expired = createJob(given({ expireAfterMs: 5 }), T0);
    const ended = settled({ kind: "succeeded", result: "1", retention: keep });
    for (const job of [createJob(given({ delayMs: 9 }), T0), running(), ended, expired]) {
      expect(claim(job, by, T0 + 5)).toEqual({ kind: "rejected", why: "wrong-state" });
    }
  });
});

describe("a report", () => {
  test("keeps the latest progress", () => {
    expect(jobOf(report(running(), "n.1", "0.5")).progress).toBe("0.5");
  });

  test("of a claim that was superseded is stale", () => {
    expect(report(running(), "n.0", "0.5")).toEqual({ kind: "rejected", why: "stale" });
    expect(report(createJob(given(), T0), "", "0.5").kind).toBe("rejected");
  });
});

describe("settling", () => {
  test("success keeps the result, counts the try and clears the error of earlier ones", () => {
    const job = settled(
      { kind: "succeeded", result: "42", retention: keep },
      {
        ...running(),
        attempts: 1,
        error,
      },
    );
    expect(job).toMatchObject({
      state: "succeeded",
      result: "42",
      error: null,
      attempts: 2,
      token: null,
      worker: "w1",
      finishedAtMs: T0 + 20,
      removeAtMs: T0 + 20 + keep.ageMs,
      history: [],
    });
  });

  test("failure keeps the error and the try", () => {
    expect(settled({ kind: "failed", error, retention: keep })).toMatchObject({
      state: "failed",
      attempts: 1,
      error,
      result: null,
      history: [
        {
          attempt: 1,
          worker: "w1",
          startedAtMs: T0 + 10,
          endedAtMs: T0 + 20,
          outcome: "failed",
          error,
        },
      ],
    });
  });

  test("a retry counts, and waits", () => {
    expect(settled({ kind: "retry", error, delayMs: 300 })).toMatchObject({
      state: "scheduled",
      dueAtMs: T0 + 320,
      attempts: 1,
      error,
      token: null,
    });
  });

  test("a retry at once keeps the job's place", () => {
    const job = settled({ kind: "retry", error, delayMs: 0 });
    expect(job).toMatchObject({ state: "ready", dueAtMs: T0, attempts: 1 });
  });

  test("a snooze and a release count nothing", () => {
    expect(settled({ kind: "snooze", delayMs: 300 })).toMatchObject({
      state: "scheduled",
      attempts: 0,
      error: null,
      history: [{ outcome: "snoozed", attempt: 1 }],
    });
    expect(settled({ kind: "release" })).toMatchObject({
      state: "ready",
      dueAtMs: T0,
      attempts: 0,
      history: [{ outcome: "released" }],
    });
  });

  test("under another token, or a second time, is stale", () => {
    const outcome: SettleOutcome = { kind: "succeeded", result: "1", retention: keep };
    expect(settle(running(), "n.2", outcome, policy, T0)).toEqual({
      kind: "rejected",
      why: "stale",
    });
    expect(settle(settled(outcome), "n.1", outcome, policy, T0).kind).toBe("rejected");
  });

  test.each(["succeeded", "failed", "cancelled"] as const)(
    "removes at once where that is asked for a job that %s",
    (kind) => {
      const outcome = { kind, result: "1", error, retention: removeAtOnce } as SettleOutcome;
      expect(settle(running(), "n.1", outcome, policy, T0)).toMatchObject({ kind: "removed" });
      const none = { kind, result: "1", error, retention: { ageMs: 5, count: 0 } } as SettleOutcome;
      expect(settle(running(), "n.1", none, policy, T0)).toMatchObject({ kind: "removed" });
    },
  );

  test("history keeps the latest tries, and the counters stay exact", () => {
    let job = running();
    for (let index = 0; index < MAX_KEPT_ATTEMPTS + 5; index += 1) {
      job = settled({ kind: "retry", error, delayMs: 0 }, job);
      job = jobOf(claim(job, { worker: "w1", token: `n.${index + 2}` }, T0));
    }
    expect(job.attempts).toBe(MAX_KEPT_ATTEMPTS + 5);
    expect(job.history.map(({ attempt }) => attempt)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
});
