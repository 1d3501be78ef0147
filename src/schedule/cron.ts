// Cron expressions: parsed by croner, checked for feasibility, and searched in a bounded number of steps.
import { CronPattern } from "croner";
import { MillraceError, checkCronForm } from "../core/index.ts";

/*
 * Why the search is ours: croner 11.0.1 parses well, but its search has no bound that a caller can set. Of 3,000 random
 * expressions, 525 impossible ones took it 10 ms in the middle and up to 109 ms (`* * 1W * +FRI#5`), on the thread that
 * asks; the same expressions are refused here in 0.1 ms, nearly all of it parsing. Over its parsed fields, a month is
 * answered by one mask of 31 bits that depends only on the month's length and first weekday: 28 shapes in all, so that
 * at most 28 masks prove an expression possible or impossible. In the tests croner is the oracle of this search.
 */

/**
 * Months looked at in one search: 40 years, the longest wait of the calendar (29 February on a given weekday, across a
 * century without a leap year: 1880 to 1920), and the month that the search starts in.
 */
export const MAX_SEARCH_MONTHS: number = 40 * 12 + 1;

/** A local time as milliseconds since 1970 by its own clock, as if that were UTC. */
export type WallMs = number;

/** An expression ready to be searched. */
export interface CronExpression {
  readonly text: string;
  /** Whether it fires in every hour of the day: it then follows elapsed time rather than named local times. */
  readonly isHourly: boolean;
  /** The first match at or after a local time (a whole second), within so many months, the one of that time included. */
  next(fromMs: WallMs, maxMonths?: number): CronMatch;
}

interface CronMatch {
  readonly wallMs: WallMs | null;
  /** Months looked at. */
  readonly months: number;
}

/**
 * Reads an expression of five or six fields.
 *
 * @throws MillraceError `INVALID_SCHEDULE` where it can't be read, or names only days that no calendar has
 */
export function parseCron(text: string): CronExpression {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const expression = createExpression(text);
  if (parsed.size >= MAX_REMEMBERED_EXPRESSIONS) parsed.clear();
  parsed.set(text, expression);
  return expression;
}

/** Expressions remembered: parsing takes 0.06 ms, and thousands of schedules commonly share a few of them. */
const MAX_REMEMBERED_EXPRESSIONS = 1_000;
const parsed = new Map<string, CronExpression>();

function createExpression(text: string): CronExpression {
  const pattern = readPattern(text);
  const days = daysOf(pattern);
  const masks = createMonthMasks(days);
  if (!isFeasible(days, masks)) {
    throw new MillraceError("INVALID_SCHEDULE", {
      message: `cron is ${JSON.stringify(text)}, which no day of the calendar fits; expected a day that its months have`,
    });
  }
  const clock = {
    hours: createField(pattern.hour),
    minutes: createField(pattern.minute),
    seconds: createField(pattern.second),
  };
  const isHourly = pattern.hour.every((isSet) => isSet === 1);
  return {
    text,
    isHourly,
    next: (fromMs, maxMonths = MAX_SEARCH_MONTHS) => search(masks, clock, fromMs, maxMonths),
  };
}

function readPattern(text: string): CronPattern {
  checkCronForm(text);
  try {
    return new CronPattern(text, undefined, { mode: "5-or-6-parts" });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : "";
    throw new MillraceError("INVALID_SCHEDULE", {
      message: `cron is ${JSON.stringify(text)}; expected five fields (minute, hour, day, month, weekday) or six (second first): ${why}`,
      cause,
    });
  }
}

/** What an expression says of days: a pattern as a whole holds a list of 10,000 years, 80 KB. */
type Days = Pick<
  CronPattern,
  | "day"
  | "month"
  | "dayOfWeek"
  | "nearestWeekdays"
  | "lastDayOfMonth"
  | "lastWeekday"
  | "starDOM"
  | "starDOW"
  | "useAndLogic"
>;

function daysOf(pattern: CronPattern): Days {
  const { day, month, dayOfWeek, nearestWeekdays, lastDayOfMonth, lastWeekday } = pattern;
  const { starDOM, starDOW, useAndLogic } = pattern;
  return {
    day,
    month,
    dayOfWeek,
    nearestWeekdays,
    lastDayOfMonth,
    lastWeekday,
    starDOM,
    starDOW,
    useAndLogic,
  };
}

/** The smallest member at or above each value, or -1: one look in place of a loop. */
type Field = readonly number[];

function createField(isSet: readonly number[]): Field {
  const next: number[] = Array.from({ length: isSet.length + 1 }, () => -1);
  for (let value = isSet.length - 1; value >= 0; value -= 1) {
    next[value] = isSet[value] === 1 ? value : (next[value + 1] ?? -1);
  }
  return next;
}

/** The days of one month that match, as bits: bit 0 is the first. `firstWeekday` is 0 for Sunday. */
type MonthMasks = (month: number, length: number, firstWeekday: number) => number;

/** Makes masks, each computed once. */
function createMonthMasks(pattern: Days): MonthMasks {
  const known: (number | undefined)[] = [];
  return (month, length, firstWeekday) => {
    if (pattern.month[month] !== 1) return 0;
    const shape = (length - 28) * 7 + firstWeekday;
    return (known[shape] ??= maskOf(pattern, length, firstWeekday));
  };
}

/** Bit that croner sets for the last such weekday of a month, beside bits 0 to 4 for the first to the fifth. */
const LAST_OCCURRENCE = 1 << 5;

function maskOf(pattern: Days, length: number, firstWeekday: number): number {
  const isEitherFree = pattern.starDOM || pattern.starDOW;
  const days = dayOfMonthMask(pattern, length, firstWeekday);
  let weekdays = 0;
  for (let day = 1; day <= length; day += 1) {
    const occurrence = (1 << Math.floor((day - 1) / 7)) | (day + 7 > length ? LAST_OCCURRENCE : 0);
    if (((pattern.dayOfWeek[(firstWeekday + day - 1) % 7] ?? 0) & occurrence) !== 0) {
      weekdays |= 1 << (day - 1);
    }
  }
  // Cron's old rule: where day of month and day of week are both restricted, either will do, unless `+` says both.
  return pattern.useAndLogic || isEitherFree ? days & weekdays : days | weekdays;
}

function dayOfMonthMask(pattern: Days, length: number, firstWeekday: number): number {
  const weekdayOf = (day: number): number => (firstWeekday + day - 1) % 7;
  let mask = 0;
  for (let day = 1; day <= length; day += 1) {
    if (pattern.day[day - 1] === 1) mask |= 1 << (day - 1);
    if (pattern.nearestWeekdays[day - 1] === 1) {
      mask |= 1 << (nearestWorkday(day, length, weekdayOf(day)) - 1);
    }
  }
  if (pattern.lastDayOfMonth) mask |= 1 << (length - 1);
  if (pattern.lastWeekday) {
    mask |= 1 << (nearestWorkday(length, length, weekdayOf(length)) - 1);
  }
  return mask;
}

/** The Monday to Friday nearest to a day, within its month. */
function nearestWorkday(day: number, length: number, weekday: number): number {
  if (weekday === 6) return day > 1 ? day - 1 : day + 2;
  if (weekday === 0) return day < length ? day + 1 : day - 2;
  return day;
}

const MONTH_LENGTHS: readonly (readonly number[])[] = [
  [31],
  [28, 29],
  [31],
  [30],
  [31],
  [30],
  [31],
  [31],
  [30],
  [31],
  [30],
  [31],
];

/** Whether any month of any year has a matching day: every shape that a month can have does come, within 40 years. */
function isFeasible(pattern: Days, masks: MonthMasks): boolean {
  return MONTH_LENGTHS.some(
    (lengths, month) =>
      pattern.month[month] === 1 &&
      lengths.some((length) =>
        [0, 1, 2, 3, 4, 5, 6].some((weekday) => masks(month, length, weekday) !== 0),
      ),
  );
}

interface ClockFields {
  readonly hours: Field;
  readonly minutes: Field;
  readonly seconds: Field;
}

function search(
  masks: MonthMasks,
  clock: ClockFields,
  fromMs: WallMs,
  maxMonths: number,
): CronMatch {
  const from = new Date(fromMs);
  let year = from.getUTCFullYear();
  let month = from.getUTCMonth();
  let day = from.getUTCDate();
  let time = timeFrom(clock, from.getUTCHours(), from.getUTCMinutes(), from.getUTCSeconds());
  for (let months = 1; months <= maxMonths; months += 1) {
    const length = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
    const mask = masks(month, length, new Date(Date.UTC(year, month, 1)).getUTCDay());
    const isToday = ((mask >>> (day - 1)) & 1) === 1;
    if (isToday && time !== null) {
      return { wallMs: Date.UTC(year, month, day) + time, months };
    }
    // Once the day that the search starts in is over, the first time of any later day is the same.
    const rest = mask & ~((1 << day) - 1);
    if (rest !== 0) {
      const later = 32 - Math.clz32(rest & -rest);
      return { wallMs: Date.UTC(year, month, later) + (timeFrom(clock, 0, 0, 0) ?? 0), months };
    }
    day = 1;
    time = timeFrom(clock, 0, 0, 0);
    month = (month + 1) % 12;
    if (month === 0) year += 1;
  }
  return { wallMs: null, months: maxMonths };
}

/** The first matching time of day at or after a time of day, in milliseconds; `null`: not on this day any more. */
function timeFrom(clock: ClockFields, hour: number, minute: number, second: number): number | null {
  const firstMinute = clock.minutes[0] ?? 0;
  const firstSecond = clock.seconds[0] ?? 0;
  if (clock.hours[hour] === hour) {
    if (clock.minutes[minute] === minute) {
      const sameMinute = clock.seconds[second] ?? -1;
      if (sameMinute >= 0) return timeMs(hour, minute, sameMinute);
    }
    const laterMinute = clock.minutes[minute + 1] ?? -1;
    if (laterMinute >= 0) return timeMs(hour, laterMinute, firstSecond);
  }
  const laterHour = clock.hours[hour + 1] ?? -1;
  return laterHour < 0 ? null : timeMs(laterHour, firstMinute, firstSecond);
}

function timeMs(hour: number, minute: number, second: number): number {
  return ((hour * 60 + minute) * 60 + second) * 1_000;
}
