// Cron expressions: what is read, what is refused before any search, and where a search ends.
import { describe, expect, test } from "vitest";
import { MAX_CRON_LENGTH } from "../core/index.ts";
import { MAX_SEARCH_MONTHS, parseCron } from "./cron.ts";

const next = (text: string, from: string): string | null => {
  const { wallMs } = parseCron(text).next(Date.parse(from));
  return wallMs === null ? null : new Date(wallMs).toISOString();
};

describe("what is understood", () => {
  test.each([
    ["five fields", "30 9 * * *", "2026-01-01T00:00:00Z", "2026-01-01T09:30:00.000Z"],
    [
      "six fields, seconds first",
      "15 30 9 * * *",
      "2026-01-01T09:30:16Z",
      "2026-01-02T09:30:15.000Z",
    ],
    [
      "a match at the moment itself",
      "30 9 * * *",
      "2026-01-01T09:30:00Z",
      "2026-01-01T09:30:00.000Z",
    ],
    ["names", "0 0 * JAN MON-FRI", "2026-01-03T00:00:00Z", "2026-01-05T00:00:00.000Z"],
    ["a nickname", "@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00.000Z"],
    ["the last day of a month", "0 0 L * *", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00.000Z"],
    ["the last working day", "0 0 LW * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00.000Z"],
    ["the nearest working day", "0 0 1W * *", "2026-08-01T00:00:00Z", "2026-08-03T00:00:00.000Z"],
    ["the second Friday", "0 0 * * FRI#2", "2026-01-01T00:00:00Z", "2026-01-09T00:00:00.000Z"],
    [
      "either of two restricted days",
      "0 0 13 * FRI",
      "2026-01-01T00:00:00Z",
      "2026-01-02T00:00:00.000Z",
    ],
    ["both, with a plus", "0 0 13 * +FRI", "2026-01-01T00:00:00Z", "2026-02-13T00:00:00.000Z"],
  ])("%s", (_what, text, from, expected) => {
    expect(next(text, from)).toBe(expected);
  });
});

describe("what is refused", () => {
  test.each([
    "0 0 31 4 *",
    "0 0 30 2 *",
    "0 0 31 2,4,6,9,11 *",
    "0 0 31W 4,6 *",
    "0 0 30 2 +MON",
    "0 0 LW * +SUN",
    "0 0 1-7 * +FRI#2",
  ])("%s, which no day of the calendar fits", (text) => {
    expect(() => parseCron(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_SCHEDULE",
        message: expect.stringContaining("no day of the calendar"),
      }),
    );
  });

  test.each([
    "",
    "* * * *",
    "* * * * * * *",
    "60 * * * *",
    "* 24 * * *",
    "@reboot",
    "5/5 * * * *",
    "x",
    "* * * * MON#6",
  ])("%j, which is no expression", (text) => {
    expect(() => parseCron(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_SCHEDULE",
        message: expect.stringContaining(JSON.stringify(text)),
      }),
    );
  });

  test("too few or too many fields, counted", () => {
    expect(() => parseCron("* * *")).toThrow(/expected five fields .* or six .*: it has 3$/);
    expect(() => parseCron("* * * * * * *")).toThrow(/: it has 7$/);
  });

  test("a text longer than any expression, without quoting it", () => {
    expect(() => parseCron("1,".repeat(MAX_CRON_LENGTH))).toThrow(/1024 characters long/);
  });
});

describe("where a search ends", () => {
  test("29 February on a weekday is found across a century without a leap year, the longest wait there is", () => {
    const { wallMs, months } = parseCron("0 0 29 2 +SUN").next(Date.parse("1880-02-29T00:00:01Z"));
    expect(new Date(wallMs ?? 0).toISOString()).toBe("1920-02-29T00:00:00.000Z");
    expect(months).toBe(MAX_SEARCH_MONTHS);
  });

  test("every weekday of 29 February comes within the bound, from every year of the 400 that the calendar repeats", () => {
    const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    const crons = weekdays.map((weekday) => parseCron(`0 0 29 2 +${weekday}`));
    for (let year = 2000; year < 2400; year += 1) {
      for (const cron of crons) {
        expect(cron.next(Date.UTC(year, 2, 1)).wallMs, `${cron.text} from ${year}`).not.toBeNull();
      }
    }
  });

  test("a bound of months given by the caller is kept", () => {
    expect(parseCron("0 0 29 2 *").next(Date.UTC(2026, 0, 1), 12)).toEqual({
      wallMs: null,
      months: 12,
    });
  });
});

test("an expression that fires in every hour says so, however it is written", () => {
  expect(parseCron("*/15 * * * *").isHourly).toBe(true);
  expect(parseCron("0 0-23 * * *").isHourly).toBe(true);
  expect(parseCron("0 */2 * * *").isHourly).toBe(false);
});
