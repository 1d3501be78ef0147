// Jobs that come back at a rate: when they are due, whatever time the calls that bring them back take.
import { expect, test } from "vitest";
import { obey } from "../../core/orders.ts";
import { DEFAULT_STORE_POLICY, createJob } from "../../core/transitions.ts";
import { pacedFrom } from "./order-pace.ts";

const EVERY_MS = 20;
const id = "0199d3c0-0000-7000-8000-000000000001";
const failed = {
  ...createJob({ id, type: "a", queue: "a", input: "1" }, 1_000),
  state: "failed",
  finishedAtMs: 1_000,
} as const;

/** When jobs are due that are found by calls at some times, each so many. */
function dueTimes(calls: readonly { readonly atMs: number; readonly count: number }[]): number[] {
  const due: number[] = [];
  let fromMs: number | undefined;
  for (const { atMs: nowMs, count } of calls) {
    fromMs = pacedFrom(EVERY_MS, { fromMs, changed: due.length, nowMs });
    const order = { kind: "retry", everyMs: EVERY_MS, fromMs } as const;
    const first = due.length;
    for (let place = first; place < first + count; place += 1) {
      const made = obey(failed, order, DEFAULT_STORE_POLICY, { place, nowMs });
      if (made.kind === "changed") due.push(made.job.dueAtMs);
    }
  }
  return due;
}

test("jobs found in many calls are due one gap after the other", () => {
  const calls = [1_000, 1_007, 1_015, 1_090].map((atMs) => ({ atMs, count: 5 }));
  const due = dueTimes(calls);
  expect(due).toEqual(due.map((_, place) => 1_000 + place * EVERY_MS));
});

test("those that are found later than their rate has them come from then on, and not together", () => {
  const due = dueTimes([
    { atMs: 1_000, count: 3 },
    { atMs: 5_000, count: 0 },
    { atMs: 9_000, count: 4 },
    { atMs: 9_010, count: 1 },
  ]);
  expect(due).toEqual([1_000, 1_020, 1_040, 9_000, 9_020, 9_040, 9_060, 9_080]);
});
