// Reads what a developer says of a schedule's timing into a spec: the core's reading, and that of cron and its zone.
import {
  type RepeatedHour,
  type Rhythm,
  type RhythmOptions,
  type ScheduleSpec,
  type SkippedHour,
  checkObject,
  checkOptions,
  readOneOf,
  readTiming,
} from "../core/index.ts";
import { SCHEDULE_PUT_NAMES } from "../runtime/index.ts";
import { parseCron } from "./cron.ts";
import { timeZone } from "./time-zone.ts";

const DEFAULT_TIME_ZONE = "UTC";

/**
 * Reads the timing of a schedule.
 *
 * @throws MillraceError `INVALID_SCHEDULE` (what is wrong and what was expected), `INVALID_ARGUMENT` for the name,
 * `INVALID_DURATION`
 * @example readSchedule("report", { cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" })
 */
export function readSchedule(name: string, options: RhythmOptions): ScheduleSpec {
  checkOptions(options, "schedule", SCHEDULE_PUT_NAMES);
  return readTiming<Rhythm>(name, options, readCron);
}

function readCron(text: string, options: RhythmOptions): Rhythm {
  const cron = parseCron(text);
  const zone = timeZone(options.timeZone ?? DEFAULT_TIME_ZONE);
  const { skippedHour, repeatedHour } = checkObject(options.daylightSaving ?? {}, "daylightSaving");
  return {
    kind: "cron",
    expression: cron.text,
    timeZone: zone.name,
    // "Every ten minutes" means elapsed time; "at half past two" means once a day, whatever the clock does.
    skippedHour: readOneOf<SkippedHour>(
      skippedHour,
      "daylightSaving.skippedHour",
      ["run-after", "skip"],
      cron.isHourly ? "skip" : "run-after",
    ),
    repeatedHour: readOneOf<RepeatedHour>(
      repeatedHour,
      "daylightSaving.repeatedHour",
      ["first", "second", "both"],
      cron.isHourly ? "both" : "first",
    ),
  };
}
