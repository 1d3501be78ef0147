// What the tests of transitions share: a job, its policy and its life up to a point.
import type { ErrorRecord } from "./errors.ts";
import type { JobRecord } from "./job.ts";
import type { NewJob, Retention, SettleOutcome } from "./store.ts";
import { type StorePolicy, type Transition, claim, createJob, settle } from "./transitions.ts";

export const T0: number = 1_000_000;
export const keep: Retention = { ageMs: 60_000, count: 10 };
export const removeAtOnce: Retention = { ageMs: 0, count: 10 };
export const policy: StorePolicy = {
  retention: { succeeded: keep, failed: keep, cancelled: keep },
  maxCrashes: 2,
  cancelGraceMs: 5_000,
};
export const error: ErrorRecord = { name: "Error", message: "no" };

export const given = (job: Partial<NewJob> = {}): NewJob => ({
  id: "01900000-0000-7000-8000-000000000000",
  type: "mail",
  queue: "mail",
  input: "{}",
  ...job,
});

export function jobOf(transition: Transition): JobRecord {
  if (transition.kind !== "changed") throw new Error(`expected a change: ${transition.kind}`);
  return transition.job;
}

export const running = (job: Partial<NewJob> = {}): JobRecord =>
  jobOf(claim(createJob(given(job), T0), { worker: "w1", token: "n.1" }, T0 + 10));

export const settled = (outcome: SettleOutcome, job: JobRecord = running()): JobRecord =>
  jobOf(settle(job, job.token ?? "", outcome, policy, T0 + 20));
