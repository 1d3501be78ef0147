// Timetables: start and end, daylight saving, jitter, missed ticks, previews.
import { describe, expect, test } from "vitest";
import type { RhythmOptions } from "../core/index.ts";
import { MAX_SEARCH_STEPS } from "./next-tick.ts";
import { readSchedule } from "./spec.ts";
import {
  MISSED_AFTER_MS,
  type Timetable,
  createTimetable,
  planTicks,
  previewTicks,
} from "./timetable.ts";

const open = (options: RhythmOptions): Timetable => createTimetable(readSchedule("t", options));
const at = (text: string): number => Date.parse(text);
const NEW_YORK = "America/New_York";

const dues = (options: RhythmOptions, after: string, count: number): string[] =>
  previewTicks(open(options), { afterMs: at(after), count }).map((tick) => tick.dueAt);

describe("the rhythms", () => {
  test("an interval counts from 1970, so that every process has the same ticks", () => {
    expect(dues({ every: "15m" }, "2026-01-01T00:07:00Z", 2)).toEqual([
      "2026-01-01T00:15:00.000Z",
      "2026-01-01T00:30:00.000Z",
    ]);
  });

  test("an interval with a start counts from there, the start included", () => {
    const options = { every: "1d", start: "2026-01-01T09:30:00Z" };
    expect(dues(options, "2025-06-01T00:00:00Z", 2)).toEqual([
      "2026-01-01T09:30:00.000Z",
      "2026-01-02T09:30:00.000Z",
    ]);
  });

  test("dates fire in order, once each, and then no more", () => {
    const dates = ["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-01T01:00:00+01:00"];
    expect(dues({ dates }, "2025-01-01T00:00:00Z", 5)).toEqual([
      "2026-01-01T00:00:00.000Z",
      "2026-03-01T00:00:00.000Z",
    ]);
  });

  test("no tick comes before the start, nor at or after the end", () => {
    const options = {
      cron: "0 * * * *",
      start: "2026-01-01T10:00:00Z",
      end: "2026-01-01T12:00:00Z",
    };
    expect(dues(options, "2025-01-01T00:00:00Z", 5)).toEqual([
      "2026-01-01T10:00:00.000Z",
      "2026-01-01T11:00:00.000Z",
    ]);
  });
});

describe("daylight saving, by default", () => {
  test("a named local time that is skipped comes at the first moment after the gap", () => {
    expect(dues({ cron: "30 2 * * *", timeZone: NEW_YORK }, "2026-03-07T12:00:00Z", 2)).toEqual([
      "2026-03-08T07:00:00.000Z",
      "2026-03-09T06:30:00.000Z",
    ]);
  });

  test("a named local time that is repeated comes once", () => {
    expect(dues({ cron: "30 1 * * *", timeZone: NEW_YORK }, "2026-10-31T12:00:00Z", 2)).toEqual([
      "2026-11-01T05:30:00.000Z",
      "2026-11-02T06:30:00.000Z",
    ]);
  });

  test("an expression of every hour follows elapsed time through both changes", () => {
    const options = { cron: "30 * * * *", timeZone: NEW_YORK };
    for (const change of ["2026-03-08T05:45:00Z", "2026-11-01T04:45:00Z"]) {
      const ticks = dues(options, change, 4).map(at);
      expect(ticks.map((tick) => tick - (ticks[0] ?? 0))).toEqual([
        0, 3_600_000, 7_200_000, 10_800_000,
      ]);
    }
  });

  test("several local times of one gap make one tick", () => {
    expect(dues({ cron: "*/15 2 * * *", timeZone: NEW_YORK }, "2026-03-08T00:00:00Z", 2)).toEqual([
      "2026-03-08T07:00:00.000Z",
      "2026-03-09T06:00:00.000Z",
    ]);
  });
});

test("an expression whose every local time is skipped has no tick, and the search says so within its bound", () => {
  const cron = "30 2 8-14 3 +SUN";
  const timetable = open({ cron, timeZone: NEW_YORK, daylightSaving: { skippedHour: "skip" } });
  const { due, steps } = timetable.search(at("2026-01-01T00:00:00Z"));
  expect(due).toBeNull();
  expect(steps).toBeLessThanOrEqual(MAX_SEARCH_STEPS);
});

test("jitter is the same for the same tick, differs between ticks, and stays below its bound", () => {
  const timetable = open({ cron: "* * * * *", jitter: "30s" });
  const jitters = Array.from({ length: 50 }, (_, minute) => {
    const tick = timetable.next(at("2026-01-01T00:00:00Z") + minute * 60_000);
    return (tick?.fireAtMs ?? 0) - (tick?.dueAtMs ?? 0);
  });
  expect(new Set(jitters).size).toBeGreaterThan(40);
  expect(Math.min(...jitters)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...jitters)).toBeLessThan(30_000);
  expect(open({ cron: "* * * * *", jitter: "30s" }).next(at("2026-01-01T00:00:00Z"))).toEqual(
    timetable.next(at("2026-01-01T00:00:00Z")),
  );
});

const hourly = (missed: RhythmOptions["missed"]): Timetable =>
  open({ cron: "0 * * * *", ...(missed === undefined ? {} : { missed }) });

const fired = (plan: { readonly fire: readonly { readonly dueAtMs: number }[] }): string[] =>
  plan.fire.map((tick) => new Date(tick.dueAtMs).toISOString());

describe("what is due after downtime", () => {
  const downFor3Hours = {
    nextDueAtMs: at("2026-01-01T01:00:00Z"),
    nowMs: at("2026-01-01T03:30:00Z"),
  };
  test("nothing, where the next tick is still to come", () => {
    const plan = planTicks(hourly("once"), { ...downFor3Hours, nowMs: at("2026-01-01T00:59:59Z") });
    expect(plan.fire).toEqual([]);
    expect(plan.next?.dueAtMs).toBe(downFor3Hours.nextDueAtMs);
  });

  test("a tick that is merely late fires under every rule", () => {
    for (const missed of ["skip", "once", { all: 1 }] as const) {
      const nowMs = downFor3Hours.nextDueAtMs + MISSED_AFTER_MS;
      expect(planTicks(hourly(missed), { ...downFor3Hours, nowMs }).fire).toHaveLength(1);
    }
  });

  test("skip: none of the missed ticks, and all are told", () => {
    const plan = planTicks(hourly("skip"), downFor3Hours);
    expect(fired(plan)).toEqual([]);
    expect(plan).toMatchObject({ dropped: 3, isDroppedExact: true });
    expect(plan.next?.dueAtMs).toBe(at("2026-01-01T04:00:00Z"));
  });

  test("once, the default: the latest of the missed ticks", () => {
    const plan = planTicks(hourly(undefined), downFor3Hours);
    expect(fired(plan)).toEqual(["2026-01-01T03:00:00.000Z"]);
    expect(plan.dropped).toBe(2);
  });

  test("once: no missed tick where one comes in time", () => {
    const plan = planTicks(hourly("once"), { ...downFor3Hours, nowMs: at("2026-01-01T03:00:01Z") });
    expect(fired(plan)).toEqual(["2026-01-01T03:00:00.000Z"]);
    expect(plan.dropped).toBe(2);
  });

  test("all: every missed tick in order, the latest of them where there are more than the bound", () => {
    expect(fired(planTicks(hourly({ all: 10 }), downFor3Hours))).toHaveLength(3);
    expect(fired(planTicks(hourly({ all: 2 }), downFor3Hours))).toEqual([
      "2026-01-01T02:00:00.000Z",
      "2026-01-01T03:00:00.000Z",
    ]);
  });

  test("of ticks that may not overlap, the latest only", () => {
    const options = { cron: "0 * * * *", missed: { all: 10 }, overlap: "skip" } as const;
    const plan = planTicks(open(options), downFor3Hours);
    expect(fired(plan)).toEqual(["2026-01-01T03:00:00.000Z"]);
    expect(plan.dropped).toBe(2);
  });

  test("a year of missed seconds is decided without walking through it", () => {
    let searches = 0;
    const timetable = open({ cron: "* * * * * *", missed: { all: 5 } });
    const counted = {
      ...timetable,
      next: (afterMs: number) => ((searches += 1), timetable.next(afterMs)),
    };
    const nowMs = at("2027-01-01T00:00:00Z");
    const plan = planTicks(counted, { nextDueAtMs: at("2026-01-01T00:00:00Z"), nowMs });
    // Five missed ones, and those of the last minute, which are merely late: the ends of both included.
    expect(plan.fire).toHaveLength(5 + 61);
    expect(plan.fire.at(-1)?.dueAtMs).toBe(nowMs);
    expect(plan.isDroppedExact).toBe(false);
    expect(plan.next?.dueAtMs).toBe(nowMs + 1_000);
    expect(searches).toBeLessThan(5_000);
  });

  test("a schedule that is over has no next tick", () => {
    const timetable = open({ dates: ["2026-01-01T00:00:00Z"] });
    const nowMs = at("2026-01-01T00:00:01Z");
    const plan = planTicks(timetable, { nextDueAtMs: at("2026-01-01T00:00:00Z"), nowMs });
    expect(plan.fire).toHaveLength(1);
    expect(plan.next).toBeNull();
  });
});

describe("a preview", () => {
  test("marks the tick that daylight saving moves, and the change of the clock", () => {
    const timetable = open({ cron: "30 2 * * *", timeZone: "Europe/Berlin" });
    const ticks = previewTicks(timetable, { afterMs: at("2026-03-27T12:00:00Z"), count: 3 });
    expect(ticks.map(({ local, clock, clockChangeMs }) => [local, clock, clockChangeMs])).toEqual([
      ["2026-03-28T02:30:00+01:00", "usual", 0],
      ["2026-03-29T03:00:00+02:00", "moved", 3_600_000],
      ["2026-03-30T02:30:00+02:00", "usual", 0],
    ]);
  });

  test("marks both passes of a repeated hour", () => {
    const timetable = open({ cron: "30 * * * *", timeZone: "Europe/Berlin" });
    const ticks = previewTicks(timetable, { afterMs: at("2026-10-24T23:45:00Z"), count: 3 });
    expect(ticks.map(({ local, clock }) => [local, clock])).toEqual([
      ["2026-10-25T02:30:00+02:00", "repeated"],
      ["2026-10-25T02:30:00+01:00", "repeated"],
      ["2026-10-25T03:30:00+01:00", "usual"],
    ]);
  });

  test("has a bound", () => {
    expect(() => previewTicks(open({ every: "1m" }), { afterMs: 0, count: 1_001 })).toThrow(
      /1 to 1000/,
    );
  });
});
