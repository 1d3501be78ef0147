// Changes of the clock that are not an hour at night: whole days, half hours, a minute after midnight.
import { expect, test } from "vitest";
import { compareZone } from "./daylight-saving.ts";

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
