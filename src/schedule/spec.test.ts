// Reading a schedule: defaults, refusals that say what was expected, prose, ids.
import { describe, expect, test } from "vitest";
import { type RhythmOptions, idTimeMs, isJobId, queueHash } from "../core/index.ts";
import { describeSchedule } from "./prose.ts";
import { readSchedule } from "./spec.ts";
import { tickJitterMs, tickJobId, tickOf } from "./tick-id.ts";

test("a schedule is plain data with every default said, so that each process reads the same", () => {
  const spec = readSchedule("report", { cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" });
  expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
  expect(spec).toEqual({
    name: "report",
    rhythm: {
      kind: "cron",
      expression: "0 9 * * MON-FRI",
      timeZone: "Europe/Berlin",
      skippedHour: "run-after",
      repeatedHour: "first",
    },
    startMs: null,
    endMs: null,
    jitterMs: 0,
    missed: "once",
    overlap: "allow",
  });
});

describe("what is refused", () => {
  test.each<[string, RhythmOptions, RegExp]>([
    ["no rhythm", {}, /none of cron, every and dates; expected exactly one/],
    ["two rhythms", { cron: "* * * * *", every: "1m" }, /cron and every; expected exactly one/],
    [
      "a zone that is none",
      { cron: "* * * * *", timeZone: "Mars/Olympus" },
      /expected an IANA name/,
    ],
    ["a zone for an interval", { every: "1m", timeZone: "Europe/Berlin" }, /belong to cron/],
    ["an interval below a second", { every: 999 }, /whole seconds, at least one/],
    ["an interval of broken seconds", { every: "1.5s" }, /whole seconds/],
    ["no dates", { dates: [] }, /1 to 1000/],
    [
      "a date without an offset",
      { dates: ["2026-01-01T00:00:00"] },
      /ISO 8601 text with its offset/,
    ],
    ["a date that is none", { dates: ["soonZ"] }, /ISO 8601/],
    [
      "an end before the start",
      { every: "1m", start: 2_000, end: 1_000 },
      /expected a moment after start/,
    ],
    ["a jitter of more than a day", { every: "1m", jitter: "2d" }, /at most 86400000/],
    ["an unknown rule for missed ticks", { every: "1m", missed: { all: 0 } }, /"skip", "once" or/],
    [
      "an unknown overlap",
      { every: "1m", overlap: "queue" as "skip" },
      /"allow", "skip", "cancel"/,
    ],
  ])("%s", (_what, options, message) => {
    expect(() => readSchedule("s", options)).toThrow(
      expect.objectContaining({
        code: "INVALID_SCHEDULE",
        message: expect.stringMatching(message),
      }),
    );
  });
});

test("moments are read to the second, which is how finely ticks are due", () => {
  expect(readSchedule("s", { every: "1m", start: 1_999 }).rhythm).toMatchObject({
    anchorMs: 1_000,
  });
  expect(readSchedule("s", { dates: [1_999, 1_000] }).rhythm).toMatchObject({ datesMs: [1_000] });
});

describe("in words", () => {
  test.each<[RhythmOptions, string]>([
    [
      { cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" },
      "At 09:00, Monday through Friday (Europe/Berlin)",
    ],
    [{ cron: "0 0 13 * +FRI" }, "At 00:00, on day 13 of the month, only on Friday (UTC)"],
    [{ cron: "0 0 * * 5#L" }, "At 00:00, on the last Friday of the month (UTC)"],
    [{ every: "90m", jitter: "10s" }, "Every 1h30m, put off by up to 10s"],
    [{ dates: [0] }, "Once, at 1970-01-01T00:00:00.000Z"],
    [
      { dates: [0, 1_000], end: 5_000 },
      "2 times from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:01.000Z, until 1970-01-01T00:00:05.000Z",
    ],
  ])("%j", (options, words) => {
    expect(describeSchedule(readSchedule("s", options))).toBe(words);
  });
});

describe("the id of a tick's job", () => {
  const dueAtMs = Date.parse("2026-03-01T09:00:00Z");

  test("is made of schedule, due time and queue alone, for ever: another value would fire a tick twice", () => {
    expect(tickJobId("daily-report", dueAtMs, "reports")).toBe(
      "019ca8a0-4049-7961-a3de-935bcb71d2fb",
    );
    expect(tickJitterMs("daily-report", dueAtMs, 60_000)).toBe(22_634);
  });

  test("has the form of a job id, its second and its queue's hash", () => {
    const id = tickJobId("daily-report", dueAtMs, "reports");
    expect(isJobId(id)).toBe(true);
    expect(id[14]).toBe("7");
    expect(["8", "9", "a", "b"]).toContain(id[19]);
    expect(Math.floor(idTimeMs(id) / 1_000) * 1_000).toBe(dueAtMs);
    expect(Number.parseInt(id.slice(-4), 16)).toBe(queueHash("reports"));
  });

  test("tells a handler which tick it runs, and nothing to a job that only bears the tag", () => {
    const id = tickJobId("daily-report", dueAtMs, "reports");
    const tags = ["eu", "schedule:daily-report"];
    expect(tickOf({ id, queue: "reports", tags })).toEqual({
      schedule: "daily-report",
      dueAt: new Date(dueAtMs),
    });
    expect(tickOf({ id, queue: "reports", tags: ["schedule:other"] })).toBeNull();
    expect(tickOf({ id, queue: "reports", tags: [] })).toBeNull();
  });

  test("differs between schedules, due times and queues", () => {
    const ids = ["a", "b", "a 1"].flatMap((schedule) =>
      [dueAtMs, dueAtMs + 1_000].flatMap((due) =>
        ["q", "r"].map((queue) => tickJobId(schedule, due, queue)),
      ),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});
