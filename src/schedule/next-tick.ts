// The next moment of a rhythm: of a cron expression on a zone's clock, of an interval, of a list of dates.
import type { RepeatedHour, Rhythm, SkippedHour } from "../core/index.ts";
import { type CronExpression, MAX_SEARCH_MONTHS, type WallMs, parseCron } from "./cron.ts";
import { type ClockChange, type TimeZone, timeZone } from "./time-zone.ts";

/** A moment at which a schedule is due, and what the zone's clock had to do with it. */
export interface Due {
  readonly atMs: number;
  /**
   * `moved`: its local time was skipped, it comes at the first moment after the gap; `repeated`: its local time comes
   * twice on this day.
   */
  readonly clock: "usual" | "moved" | "repeated";
}

/** The answer of a search, with the steps that it took: months of the calendar looked at, one twice counted as two. */
export interface DueSearch {
  readonly due: Due | null;
  readonly steps: number;
}

/**
 * Most steps of one search, whatever the expression. 40 years month by month, and two second looks a year: for an
 * expression that is possible by the calendar and falls into a skipped hour every time, the search goes on from there.
 * Nothing found by then means that there is no tick.
 */
export const MAX_SEARCH_STEPS: number = MAX_SEARCH_MONTHS + 2 * 2 * 40;

/** Finds the first moment of a rhythm after another. */
export type NextDue = (afterMs: number) => DueSearch;

const SECOND_MS = 1_000;
/** No clock ever went back or forth by more: Samoa skipped a day in 2011, Alaska repeated one in 1867. */
const MAX_CHANGE_MS = 25 * 3_600_000;
/** Beyond this distance the search goes straight to the match, and looks at the clock's changes only around it. */
const NEAR_MS = 4 * 86_400_000;

/**
 * Makes the search of a rhythm.
 *
 * @throws MillraceError `INVALID_SCHEDULE` where expression or zone can't be read
 */
export function createNextDue(rhythm: Rhythm): NextDue {
  switch (rhythm.kind) {
    case "cron":
      return createCronSearch(parseCron(rhythm.expression), timeZone(rhythm.timeZone), rhythm);
    case "every":
      return (afterMs) => {
        const count = Math.floor((afterMs - rhythm.anchorMs) / rhythm.everyMs) + 1;
        return { due: usual(rhythm.anchorMs + Math.max(0, count) * rhythm.everyMs), steps: 1 };
      };
    case "dates":
      return (afterMs) => {
        const atMs = rhythm.datesMs.find((dateMs) => dateMs > afterMs);
        return { due: atMs === undefined ? null : usual(atMs), steps: 1 };
      };
  }
}

function usual(atMs: number): Due {
  return { atMs, clock: "usual" };
}

interface ClockRules {
  readonly skippedHour: SkippedHour;
  readonly repeatedHour: RepeatedHour;
}

/** A stretch of time with one offset: the search goes from stretch to stretch, in which local time only grows. */
interface Stretch {
  /** First moment that counts. */
  readonly startMs: number;
  readonly offsetMs: number;
  /** The clock's changes after this moment are ahead. */
  readonly changesAfterMs: number;
}

function createCronSearch(cron: CronExpression, zone: TimeZone, rules: ClockRules): NextDue {
  return (afterMs) => {
    const beforeMs = Math.floor(afterMs / SECOND_MS) * SECOND_MS;
    let stretch = stretchFrom(zone, beforeMs);
    let steps = 0;
    while (steps < MAX_SEARCH_STEPS) {
      const found = lookInto(cron, zone, rules, stretch, MAX_SEARCH_STEPS - steps);
      steps += found.steps;
      if ("due" in found) return { due: found.due, steps };
      stretch = found.next;
    }
    return { due: null, steps };
  };
}

function stretchFrom(zone: TimeZone, beforeMs: number): Stretch {
  return {
    startMs: beforeMs + SECOND_MS,
    offsetMs: zone.offsetAt(beforeMs),
    changesAfterMs: beforeMs,
  };
}

type Look =
  | { readonly due: Due | null; readonly steps: number }
  | { readonly next: Stretch; readonly steps: number };

function lookInto(
  cron: CronExpression,
  zone: TimeZone,
  rules: ClockRules,
  at: Stretch,
  maxMonths: number,
): Look {
  const fromMs = firstWall(zone, rules, at);
  const { wallMs, months: steps } = cron.next(fromMs, Math.min(maxMonths, MAX_SEARCH_MONTHS));
  if (wallMs === null) return { due: null, steps };
  if (wallMs - fromMs > NEAR_MS) {
    // A change back within reach repeats local times that lie before the one that the search starts at.
    const near = zone.nextChange(at.changesAfterMs, at.startMs + MAX_CHANGE_MS);
    if (near !== null) return { next: stretchAfter(near), steps };
    return { next: stretchFrom(zone, wallMs - at.offsetMs - NEAR_MS / 2), steps };
  }
  const atMs = wallMs - at.offsetMs;
  const change = zone.nextChange(at.changesAfterMs, atMs);
  if (change !== null) {
    const isSkipped = wallMs < change.atMs + change.afterMs;
    if (isSkipped && rules.skippedHour === "run-after") {
      return { due: { atMs: change.atMs, clock: "moved" }, steps };
    }
    return { next: stretchAfter(change), steps };
  }
  const repeat = repeatOf(zone, at, wallMs);
  if (repeat?.pass === "first" && rules.repeatedHour === "second") {
    return { next: stretchAfter(repeat.change), steps };
  }
  return { due: { atMs, clock: repeat === null ? "usual" : "repeated" }, steps };
}

function stretchAfter(change: ClockChange): Stretch {
  return { startMs: change.atMs, offsetMs: change.afterMs, changesAfterMs: change.atMs };
}

/** The first local time that counts in a stretch: after a change back, the repeated ones may not. */
function firstWall(zone: TimeZone, rules: ClockRules, at: Stretch): WallMs {
  const fromMs = at.startMs + at.offsetMs;
  if (rules.repeatedHour !== "first") return fromMs;
  const back = changeBackBefore(zone, at);
  return back === null ? fromMs : Math.max(fromMs, back.atMs + back.beforeMs);
}

function changeBackBefore(zone: TimeZone, at: Stretch): ClockChange | null {
  const change = zone.nextChange(at.changesAfterMs - MAX_CHANGE_MS, at.changesAfterMs);
  return change !== null && change.afterMs < change.beforeMs ? change : null;
}

/** Which pass of a repeated local time a match in a stretch is. */
function repeatOf(
  zone: TimeZone,
  at: Stretch,
  wallMs: WallMs,
): { readonly pass: "first" | "second"; readonly change: ClockChange } | null {
  const atMs = wallMs - at.offsetMs;
  const ahead = zone.nextChange(atMs, atMs + MAX_CHANGE_MS);
  if (ahead !== null && wallMs >= ahead.atMs + ahead.afterMs) {
    return { pass: "first", change: ahead };
  }
  const back = changeBackBefore(zone, at);
  if (back !== null && wallMs < back.atMs + back.beforeMs) return { pass: "second", change: back };
  return null;
}
