// What must hold whatever happens to a job, in any order.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { ErrorRecord } from "./errors.ts";
import { type JobRecord, MAX_KEPT_ATTEMPTS, isTerminal } from "./job.ts";
import type { Retention, SettleOutcome } from "./store.ts";
import {
  type StorePolicy,
  type Transition,
  cancel,
  claim,
  createJob,
  expire,
  isOverdue,
  lose,
  promote,
  remove,
  report,
  retryByHand,
  settle,
  withdraw,
} from "./transitions.ts";

type Command = (job: JobRecord, nowMs: number, token: string) => Transition;
interface Step {
  readonly name: string;
  readonly run: Command;
}

const keep: Retention = { ageMs: 60_000, count: 10 };
const policy: StorePolicy = {
  retention: { succeeded: keep, failed: keep, cancelled: keep },
  maxCrashes: 3,
  cancelGraceMs: 500,
};
const error: ErrorRecord = { name: "Error", message: "no" };
const delayMs = fc.constantFrom(0, 100, 1_000);

const outcome: fc.Arbitrary<SettleOutcome> = fc.oneof(
  fc.constant<SettleOutcome>({ kind: "succeeded", result: "1", retention: keep }),
  fc.constant<SettleOutcome>({ kind: "failed", error, retention: keep }),
  fc.constant<SettleOutcome>({ kind: "cancelled", error, retention: keep }),
  delayMs.map<SettleOutcome>((delay) => ({ kind: "retry", error, delayMs: delay })),
  delayMs.map<SettleOutcome>((delay) => ({ kind: "snooze", delayMs: delay })),
  fc.constant<SettleOutcome>({ kind: "release" }),
);

const named = (name: string, run: Command): Step => ({ name, run });
/** Tokens are drawn fresh for every step; a stale one is that of an earlier step. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant(named("promote", (job, nowMs) => promote(job, nowMs))),
  {
    weight: 4,
    arbitrary: fc.constant(
      named("claim", (job, nowMs, token) => claim(job, { worker: "w", token }, nowMs)),
    ),
  },
  {
    weight: 4,
    arbitrary: outcome.map((end) =>
      named("settle", (job, nowMs) => settle(job, job.token ?? "none", end, policy, nowMs)),
    ),
  },
  outcome.map((end) =>
    named("stale", (job, nowMs) => settle(job, "of.another.claim", end, policy, nowMs)),
  ),
  fc.constant(named("stale", (job) => report(job, "of.another.claim", "0.9"))),
  fc.constant(named("report", (job) => report(job, job.token ?? "none", "0.5"))),
  fc
    .boolean()
    .map((isCharged) => named("lose", (job, nowMs) => lose(job, policy, { isCharged }, nowMs))),
  fc.constant(named("cancel", (job, nowMs) => cancel(job, "reason", policy, nowMs))),
  fc.constant(named("withdraw", (job, nowMs) => withdraw(job, policy, nowMs))),
  fc.constant(named("expire", (job, nowMs) => expire(job, policy, nowMs))),
  fc.constant(named("retry", (job, nowMs) => retryByHand(job, nowMs))),
  fc.constant(named("remove", (job) => remove(job))),
);

const newJob = fc.record(
  {
    id: fc.constant("01900000-0000-7000-8000-000000000000"),
    type: fc.constant("mail"),
    queue: fc.constant("mail"),
    input: fc.constant("{}"),
    delayMs: delayMs,
    headStartMs: fc.constantFrom(0, 60_000),
    expireAfterMs: fc.constantFrom(50, 2_000),
  },
  { requiredKeys: ["id", "type", "queue", "input"] },
);

interface Seen {
  readonly step: string;
  readonly before: JobRecord;
  readonly transition: Transition;
  readonly nowMs: number;
}

/** Whether the statement holds for every step of every life; a life ends where the job is removed. */
function everyLife(holds: (seen: Seen) => boolean): () => void {
  const lives = fc.property(
    newJob,
    fc.array(fc.tuple(step, fc.integer({ min: 0, max: 400 })), { maxLength: 60 }),
    (first, steps) => {
      let nowMs = 1_000_000;
      let job = createJob(first, nowMs);
      for (const [index, [{ name, run }, passed]] of steps.entries()) {
        nowMs += passed;
        const transition = run(Object.freeze(job), nowMs, `n.${index}`);
        if (!holds({ step: name, before: job, transition, nowMs })) return false;
        if (transition.kind === "removed") return true;
        if (transition.kind === "changed") ({ job } = transition);
      }
      return true;
    },
  );
  return () => {
    fc.assert(lives);
  };
}

/** Whether the statement holds for every job that a step made. */
function everyChange(holds: (job: JobRecord, seen: Seen) => boolean): () => void {
  return everyLife(
    (seen) => seen.transition.kind !== "changed" || holds(seen.transition.job, seen),
  );
}

test("only a retry by hand leads out of a terminal state", () => {
  expect(
    everyChange(
      (_, { step, before }) =>
        !isTerminal(before.state) || (step === "retry" && before.state !== "succeeded"),
    ),
  ).not.toThrow();
});

test("a word of another claim changes nothing", () => {
  expect(
    everyLife(
      ({ step, transition }) =>
        step !== "stale" || (transition.kind === "rejected" && transition.why === "stale"),
    ),
  ).not.toThrow();
});

test("a job has a token exactly while it runs", () => {
  expect(everyChange((job) => (job.token !== null) === (job.state === "running"))).not.toThrow();
});

test("a job has an end and a time of removal exactly when it has ended", () => {
  expect(
    everyChange(
      (job) =>
        (job.finishedAtMs !== null) === isTerminal(job.state) &&
        (job.removeAtMs !== null) === isTerminal(job.state) &&
        (job.result !== null) === (job.state === "succeeded"),
    ),
  ).not.toThrow();
});

test("a job that is ready is due", () => {
  expect(
    everyChange((job, { nowMs }) => job.state !== "ready" || job.dueAtMs <= nowMs),
  ).not.toThrow();
});

test("a wish to cancel keeps a job from ever starting again by itself", () => {
  expect(
    everyChange(
      (job, { step, before }) =>
        before.cancelRequest === null ||
        step === "retry" ||
        (before.state === "running" && (job.state === "running" || isTerminal(job.state))),
    ),
  ).not.toThrow();
});

test("a wish to cancel can always be carried out once its grace is over", () => {
  expect(
    everyLife(({ before, nowMs }) => {
      if (!isOverdue(before, policy, nowMs)) return true;
      const withdrawn = withdraw(before, policy, nowMs);
      return withdrawn.kind === "changed" && withdrawn.job.state === "cancelled";
    }),
  ).not.toThrow();
});

test("attempts count the tries that failed or succeeded, and nothing else", () => {
  expect(
    everyChange((job, { step, before }) => {
      if (step === "retry") return job.attempts === 0;
      const isTryEnded = step === "settle" && before.state === "running";
      const isCounted =
        isTryEnded && (job.state === "succeeded" || job.history.at(-1)?.outcome === "failed");
      return job.attempts - before.attempts === (isCounted ? 1 : 0);
    }),
  ).not.toThrow();
});

test("crashes are counted by a lost worker alone, and stay below the bound while a job may run", () => {
  expect(
    everyChange(
      (job, { step, before }) =>
        (job.crashes <= before.crashes || step === "lose") &&
        (isTerminal(job.state) || job.crashes < policy.maxCrashes),
    ),
  ).not.toThrow();
});

test("what a job is never changes, and its history stays bounded", () => {
  const fixed = ["id", "type", "queue", "input", "enqueuedAtMs", "headStartMs"] as const;
  expect(
    everyChange(
      (job, { before }) =>
        fixed.every((field) => job[field] === before[field]) &&
        job.history.length <= MAX_KEPT_ATTEMPTS,
    ),
  ).not.toThrow();
});
