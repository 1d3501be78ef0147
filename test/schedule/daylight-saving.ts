// Fault row S2: ticks around changes of the clock, in many zones, compared with the oracle.
import { createTimetable, readSchedule } from "../../src/schedule/index.ts";
import {
  type OracleRules,
  type PlainCron,
  clockChanges,
  cronText,
  oracleTicks,
  readLocalMinutes,
} from "./wall-clock-oracle.ts";

/** 50 zones: both hemispheres, half-hour changes, changes at midnight, negative daylight saving, Ramadan, none. */
export const ZONES: readonly string[] = [
  "Africa/Cairo",
  "Africa/Casablanca",
  "Africa/El_Aaiun",
  "Africa/Johannesburg",
  "America/Anchorage",
  "America/Argentina/Buenos_Aires",
  "America/Asuncion",
  "America/Bogota",
  "America/Caracas",
  "America/Chicago",
  "America/Denver",
  "America/Godthab",
  "America/Halifax",
  "America/Havana",
  "America/Los_Angeles",
  "America/Mexico_City",
  "America/Miquelon",
  "America/New_York",
  "America/Phoenix",
  "America/Port-au-Prince",
  "America/Santiago",
  "America/Sao_Paulo",
  "America/Scoresbysund",
  "America/St_Johns",
  "America/Tijuana",
  "Antarctica/Troll",
  "Asia/Amman",
  "Asia/Beirut",
  "Asia/Gaza",
  "Asia/Jerusalem",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Asia/Tehran",
  "Asia/Tokyo",
  "Atlantic/Azores",
  "Australia/Adelaide",
  "Australia/Brisbane",
  "Australia/Lord_Howe",
  "Australia/Sydney",
  "Europe/Berlin",
  "Europe/Chisinau",
  "Europe/Dublin",
  "Europe/Istanbul",
  "Europe/Lisbon",
  "Europe/London",
  "Pacific/Apia",
  "Pacific/Auckland",
  "Pacific/Chatham",
  "Pacific/Easter",
  "Pacific/Fiji",
];

const RULES: readonly OracleRules[] = (["run-after", "skip"] as const).flatMap((skippedHour) =>
  (["first", "second", "both"] as const).map((repeatedHour) => ({ skippedHour, repeatedHour })),
);

const CRONS: readonly PlainCron[] = [
  { minutes: "*", hours: "*", days: "*", months: "*", weekdays: "*" },
  { minutes: [0, 15, 30, 45], hours: "*", days: "*", months: "*", weekdays: "*" },
  { minutes: [30], hours: [0, 1, 2, 3, 23], days: "*", months: "*", weekdays: "*" },
  { minutes: [0], hours: [0, 2, 4, 22], days: "*", months: "*", weekdays: [0, 5, 6] },
  { minutes: [5, 59], hours: [1, 2], days: [1, 29, 30, 31], months: "*", weekdays: [0] },
];

const HOUR_MS = 3_600_000;

/** A difference between search and oracle, enough to run it again. */
interface Difference {
  readonly zone: string;
  readonly cron: string;
  readonly rules: OracleRules;
  readonly expected: readonly string[];
  readonly actual: readonly string[];
}

export interface DaylightSavingRun {
  readonly changes: number;
  readonly ticks: number;
  readonly differences: readonly Difference[];
}

/** Compares every cron under every rule in the hours around every change of a zone's clock between two moments. */
export function compareZone(
  zone: string,
  span: { readonly fromMs: number; readonly untilMs: number; readonly aroundMs?: number },
): DaylightSavingRun {
  const aroundMs = span.aroundMs ?? 9 * HOUR_MS;
  const changes = clockChanges(zone, span.fromMs, span.untilMs);
  // A zone without a change is compared on an ordinary day.
  const moments = changes.length > 0 ? changes : [span.fromMs];
  const differences: Difference[] = [];
  let ticks = 0;
  for (const aboutMs of moments) {
    const local = readLocalMinutes(zone, aboutMs - aroundMs, aboutMs + aroundMs);
    for (const cron of CRONS) {
      for (const rules of RULES) {
        const expected = oracleTicks(cron, rules, local);
        const actual = searchTicks(zone, cron, rules, local);
        ticks += expected.length;
        if (expected.join() !== actual.join()) {
          differences.push({
            zone,
            cron: cronText(cron),
            rules,
            expected: expected.map(iso),
            actual: actual.map(iso),
          });
        }
      }
    }
  }
  return { changes: changes.length, ticks, differences };
}

function searchTicks(
  zone: string,
  cron: PlainCron,
  rules: OracleRules,
  window: { readonly fromMs: number; readonly untilMs: number },
): readonly number[] {
  const timetable = createTimetable(
    readSchedule("s2", { cron: cronText(cron), timeZone: zone, daylightSaving: rules }),
  );
  const ticks: number[] = [];
  let tick = timetable.next(window.fromMs - 1);
  while (tick !== null && tick.dueAtMs <= window.untilMs) {
    ticks.push(tick.dueAtMs);
    tick = timetable.next(tick.dueAtMs);
  }
  return ticks;
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
