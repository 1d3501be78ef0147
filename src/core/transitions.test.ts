// The life of a job: every transition by example, and what must hold for any sequence of them.
import { describe, expect, test } from "vitest";
import type { ErrorRecord } from "./errors.ts";
import { type JobRecord, MAX_KEPT_ATTEMPTS } from "./job.ts";
import type { NewJob, Retention, SettleOutcome } from "./store.ts";
import {
  DEFAULT_STORE_POLICY,
  type StorePolicy,
  type Transition,
  cancel,
  claim,
  createJob,
  expire,
  isExpired,
  isOverdue,
  lose,
  promote,
  rankOf,
  remove,
  report,
  retryByHand,
  settle,
  withdraw,
} from "./transitions.ts";

const T0 = 1_000_000;
const keep: Retention = { ageMs: 60_000, count: 10 };
const removeAtOnce: Retention = { ageMs: 0, count: 10 };
const policy: StorePolicy = {
  retention: { succeeded: keep, failed: keep, cancelled: keep },
  maxCrashes: 2,
  cancelGraceMs: 5_000,
};
const error: ErrorRecord = { name: "Error", message: "no" };

const given = (job: Partial<NewJob> = {}): NewJob => ({
  id: "01900000-0000-7000-8000-000000000000",
  type: "mail",
  queue: "mail",
  input: "{}",
  ...job,
});

function jobOf(transition: Transition): JobRecord {
  if (transition.kind !== "changed") throw new Error(`expected a change: ${transition.kind}`);
  return transition.job;
}

const running = (job: Partial<NewJob> = {}): JobRecord =>
  jobOf(claim(createJob(given(job), T0), { worker: "w1", token: "n.1" }, T0 + 10));

const settled = (outcome: SettleOutcome, job: JobRecord = running()): JobRecord =>
  jobOf(settle(job, job.token ?? "", outcome, policy, T0 + 20));

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
      expect(settle(running(), "n.1", outcome, policy, T0)).toEqual({ kind: "removed" });
      const none = { kind, result: "1", error, retention: { ageMs: 5, count: 0 } } as SettleOutcome;
      expect(settle(running(), "n.1", none, policy, T0)).toEqual({ kind: "removed" });
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
    expect(remove(createJob(given(), T0))).toEqual({ kind: "removed" });
    expect(remove(settled({ kind: "failed", error, retention: keep }))).toEqual({
      kind: "removed",
    });
    expect(remove(running())).toEqual({ kind: "rejected", why: "wrong-state" });
  });
});

test("a type that nobody made known has bounds all the same", () => {
  expect(DEFAULT_STORE_POLICY.maxCrashes).toBeGreaterThan(0);
  expect(DEFAULT_STORE_POLICY.retention.succeeded.ageMs).toBeGreaterThan(0);
});
