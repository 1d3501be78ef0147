// Orders: what each makes of a job, by its state.
import { expect, test } from "vitest";
import { JOB_STATES, type JobRecord, type JobState } from "./job.ts";
import { type JobOrder, ORDER_KINDS, type PlainOrder, checkOrder, obey } from "./orders.ts";
import { DEFAULT_STORE_POLICY, createJob } from "./transitions.ts";

const NOW = 10_000;
const id = "0199d3c0-0000-7000-8000-000000000001";

function jobIn(state: JobState): JobRecord {
  const job = createJob({ id, type: "a", queue: "a", input: "1", expireAfterMs: 500 }, 1_000);
  const token = state === "running" ? "n.1" : null;
  return { ...job, state, token, finishedAtMs: state === "failed" ? 2_000 : null };
}

function order(job: JobRecord, given: PlainOrder, place = 0): JobRecord | string {
  const transition = obey(job, given, DEFAULT_STORE_POLICY, { place, nowMs: NOW });
  return transition.kind === "changed" ? transition.job : transition.kind;
}

const ORDERS: readonly PlainOrder[] = [
  { kind: "cancel", reason: "r" },
  { kind: "retry" },
  { kind: "remove" },
  { kind: "reschedule", delayMs: 5 },
  { kind: "prioritize", headStartMs: 7 },
];
const ALLOWED: Readonly<Record<PlainOrder["kind"], readonly JobState[]>> = {
  cancel: ["scheduled", "ready", "running", "waiting"],
  retry: ["failed", "cancelled"],
  remove: ["scheduled", "ready", "waiting", "succeeded", "failed", "cancelled"],
  reschedule: ["scheduled", "ready"],
  prioritize: ["scheduled", "ready"],
};

test.each(ORDERS)("$kind is refused in the states that do not allow it", (given) => {
  const obeyed = JOB_STATES.filter((state) => order(jobIn(state), given) !== "rejected");
  expect(obeyed).toEqual(ALLOWED[given.kind]);
});

test("every kind of order has a name", () => {
  expect([...ORDER_KINDS].sort()).toEqual([...ORDERS.map(({ kind }) => kind), "move"].sort());
});

test("a retry at a rate comes by its place, with its new input", () => {
  const given = { kind: "retry", delayMs: 100, everyMs: 10, input: "2" } as const;
  const expected = { state: "scheduled", input: "2", attempts: 0, finishedAtMs: null };
  expect(order(jobIn("failed"), given)).toMatchObject({ ...expected, dueAtMs: NOW + 100 });
  expect(order(jobIn("failed"), given, 7)).toMatchObject({ ...expected, dueAtMs: NOW + 170 });
  const first = { kind: "retry", everyMs: 10 } as const;
  expect(order(jobIn("failed"), first)).toMatchObject({ state: "ready", dueAtMs: NOW, input: "1" });
});

test("another time moves the expiry along, and a time that is over is now", () => {
  expect(order(jobIn("scheduled"), { kind: "reschedule", runAtMs: NOW + 50 })).toMatchObject({
    state: "scheduled",
    dueAtMs: NOW + 50,
    expiresAtMs: NOW + 550,
  });
  expect(order(jobIn("scheduled"), { kind: "reschedule", runAtMs: 3 })).toMatchObject({
    state: "ready",
    dueAtMs: NOW,
    expiresAtMs: NOW + 500,
  });
});

test.each<JobOrder>([
  { kind: "move", queue: "" },
  { kind: "retry", delayMs: 0.5 },
  { kind: "retry", everyMs: -1 },
  { kind: "reschedule", runAtMs: Number.NaN },
  { kind: "reschedule", delayMs: -5 },
  { kind: "prioritize", headStartMs: 1e12 },
])("%j is refused", (given) => {
  expect(() => {
    checkOrder(given);
  }).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error);
});

test("an input over the bound is refused", () => {
  expect(() => {
    checkOrder({ kind: "retry", input: "x".repeat(300_000) });
  }).toThrow(expect.objectContaining({ code: "TOO_LARGE" }) as Error);
});
