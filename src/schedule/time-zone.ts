// Time zones: the offset of a zone at a moment, and the moments at which its clock changes.
import { MillraceError, tellValue } from "../core/index.ts";

/** A zone's clock. Offsets are local time minus UTC, in milliseconds; all moments are milliseconds since 1970. */
export interface TimeZone {
  /** The name as it was given. */
  readonly name: string;
  offsetAt(atMs: number): number;
  /** The first change of the clock after `afterMs`, up to and including `untilMs`. */
  nextChange(afterMs: number, untilMs: number): ClockChange | null;
}

/** At `atMs` the clock goes from one offset to another: forward (a gap) or back (local times repeat). */
export interface ClockChange {
  readonly atMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;
/**
 * Days of a zone whose changes are remembered. Asking `Intl` costs about 2 µs an answer and a change about 20 of them;
 * a search asks for a handful of days over and over. Beyond the bound the memory starts anew.
 */
const MAX_REMEMBERED_DAYS = 512;
/** Zones remembered: there are about 600 names, and a formatter takes some 50 µs to make. */
const MAX_REMEMBERED_ZONES = 600;

const zones = new Map<string, TimeZone>();

/**
 * The zone with an IANA name such as `"Europe/Berlin"`, or an offset such as `"+05:30"`.
 *
 * @throws MillraceError `INVALID_SCHEDULE` where this machine's time zone data has no such zone
 */
export function timeZone(name: string): TimeZone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = createTimeZone(name, createOffsetReader(name));
  if (zones.size >= MAX_REMEMBERED_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

type OffsetReader = (atMs: number) => number;

function createOffsetReader(name: string): OffsetReader {
  if (name === "UTC") return () => 0;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (cause) {
    throw new MillraceError("INVALID_SCHEDULE", {
      message: `timeZone is ${tellValue(name)}; expected an IANA name such as "Europe/Berlin" or "UTC"`,
      cause,
    });
  }
  return (atMs) => {
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (
      format.format(atMs).match(/\d+/g) ?? []
    ).map(Number);
    return (
      Date.UTC(year, month - 1, day, hour, minute, second) -
      Math.floor(atMs / SECOND_MS) * SECOND_MS
    );
  };
}

interface ZoneDay {
  readonly offsetMs: number;
  readonly change: ClockChange | null;
}

function createTimeZone(name: string, readOffset: OffsetReader): TimeZone {
  const days = new Map<number, ZoneDay>();
  const dayOf = (index: number): ZoneDay => {
    let day = days.get(index);
    if (day === undefined) {
      day = readDay(index, readOffset);
      if (days.size >= MAX_REMEMBERED_DAYS) days.clear();
      days.set(index, day);
    }
    return day;
  };
  return {
    name,
    offsetAt(atMs) {
      const day = dayOf(Math.floor(atMs / DAY_MS));
      return day.change !== null && atMs >= day.change.atMs ? day.change.afterMs : day.offsetMs;
    },
    nextChange(afterMs, untilMs) {
      const last = Math.floor(untilMs / DAY_MS);
      for (let index = Math.floor(afterMs / DAY_MS); index <= last; index += 1) {
        const { change } = dayOf(index);
        if (change !== null && change.atMs > afterMs && change.atMs <= untilMs) return change;
      }
      return null;
    },
  };
}

/**
 * One day by UTC: the offset at its start and its change, of which no zone has ever had two in a day. A change at the
 * very start belongs to the day that it starts.
 */
function readDay(index: number, readOffset: OffsetReader): ZoneDay {
  const startMs = index * DAY_MS;
  const offsetMs = readOffset(startMs - SECOND_MS);
  const endOffsetMs = readOffset(startMs + DAY_MS - SECOND_MS);
  if (offsetMs === endOffsetMs) return { offsetMs, change: null };
  let low = startMs / SECOND_MS - 1;
  let high = startMs / SECOND_MS + DAY_MS / SECOND_MS - 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (readOffset(middle * SECOND_MS) === offsetMs) low = middle;
    else high = middle;
  }
  return {
    offsetMs,
    change: { atMs: high * SECOND_MS, beforeMs: offsetMs, afterMs: endOffsetMs },
  };
}
