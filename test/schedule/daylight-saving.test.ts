// Fault row S2 in its short form: one year of 50 zones.
import { expect, test } from "vitest";
import { ZONES, compareZone } from "./daylight-saving.ts";

test("50 zones are compared", () => {
  expect(new Set(ZONES).size).toBe(50);
});

test("ticks around the clock changes of 2025 are those of an oracle, in every zone and under every rule", () => {
  const span = {
    fromMs: Date.UTC(2025, 0, 1),
    untilMs: Date.UTC(2025, 11, 31),
    aroundMs: 14_400_000,
  };
  const runs = ZONES.map((zone) => compareZone(zone, span));
  expect(runs.flatMap((run) => run.differences)).toEqual([]);
  expect(runs.reduce((sum, run) => sum + run.changes, 0)).toBeGreaterThan(60);
});

test.each([
  ["Pacific/Apia", "2011-12-30T10:00:00Z", "a day that was skipped whole"],
  ["America/St_Johns", "2010-11-07T02:31:00Z", "a clock put back a minute after midnight"],
  ["America/Caracas", "2007-12-09T07:00:00Z", "a clock put back half an hour for good"],
  ["Asia/Pyongyang", "2018-05-04T15:00:00Z", "a gap of half an hour before midnight"],
])("%s around %s: %s", (zone, at) => {
  const fromMs = Date.parse(at) - 2 * 86_400_000;
  const run = compareZone(zone, {
    fromMs,
    untilMs: fromMs + 4 * 86_400_000,
    aroundMs: 30 * 3_600_000,
  });
  expect(run.differences).toEqual([]);
  expect(run.changes).toBe(1);
});
