// The life of a workflow run: advanced by its owner, parked, woken, cancelled without being ended.
import { describe, expect, test } from "vitest";
import type { JobRecord } from "./job.ts";
import { advance, isParked, wake } from "./run-transitions.ts";
import { endingOf } from "./run.ts";
import { DEFAULT_STORE_POLICY, cancel, claim, createJob, lose } from "./transitions.ts";

const NOW = 1_000_000;
const made = createJob({ id: "r", type: "flow", queue: "flow", input: "1" }, NOW);

function changed(transition: ReturnType<typeof advance>): JobRecord {
  if (transition.kind !== "changed") throw new Error(`expected a change, got ${transition.kind}`);
  return transition.job;
}

const claimed = changed(claim(made, { worker: "w", token: "t" }, NOW));
const say = (
  job: JobRecord,
  said: Partial<Parameters<typeof advance>[1]> = {},
  facts = 0,
): ReturnType<typeof advance> => {
  const usual = { token: "t", from: 0, entries: ["1"], next: { kind: "waiting" } } as const;
  return advance(job, { ...usual, ...said }, facts, DEFAULT_STORE_POLICY, NOW);
};
const waiting = changed(say(claimed));

describe("an advance", () => {
  test("is kept once", () => {
    expect(waiting).toMatchObject({ state: "waiting", entries: 1, token: "t", worker: "w" });
    expect(say(waiting)).toEqual({ kind: "again" });
    expect(say(waiting, { from: 2 })).toEqual({ kind: "rejected", why: "stale" });
    expect(say(waiting, { from: 1, token: "other" })).toEqual({ kind: "rejected", why: "stale" });
  });

  test("parks a run until a time, until a fact, or not at all where there is news", () => {
    const park = (delayMs: number | null, facts: number): JobRecord =>
      changed(
        say(waiting, { from: 1, entries: [], next: { kind: "parked", delayMs, facts: 1 } }, facts),
      );
    expect(park(5_000, 1)).toMatchObject({
      state: "scheduled",
      dueAtMs: NOW + 5_000,
      token: null,
    });
    expect(park(null, 1)).toMatchObject({ state: "waiting", token: null });
    expect(park(null, 2)).toMatchObject({ state: "ready" });
    expect(isParked(park(null, 1))).toBe(true);
    expect(changed(wake(park(null, 1), NOW + 7))).toMatchObject({
      state: "ready",
      dueAtMs: NOW + 7,
    });
    expect(wake(waiting, NOW)).toEqual({ kind: "rejected", why: "wrong-state" });
  });
});

describe("a run that has begun", () => {
  test("is asked to cancel, and not ended by others, so that it can undo", () => {
    const asked = changed(cancel(waiting, "enough", DEFAULT_STORE_POLICY, NOW));
    expect(asked).toMatchObject({ state: "waiting", cancelRequest: { reason: "enough" } });
    const lost = changed(lose(asked, DEFAULT_STORE_POLICY, { isCharged: true }, NOW));
    expect(lost).toMatchObject({ state: "ready", crashes: 0, entries: 1 });
  });

  test("tells a parent how it ended, in JSON", () => {
    const ended: JobRecord = { ...waiting, state: "succeeded", result: '{"n":1}', finishedAtMs: 5 };
    expect(JSON.parse(endingOf(ended, NOW))).toMatchObject({
      state: "succeeded",
      finishedAtMs: 5,
      result: { n: 1 },
    });
  });
});
