// Reads what a developer says of a schedule's timing into a spec: checked, and plain data.
import { checkObject, tellValue } from "./arguments.ts";
import { parseDuration } from "./duration.ts";
import { MillraceError } from "./errors.ts";
import { checkName } from "./limits.ts";
import type {
  MissedTicks,
  Moment,
  Overlap,
  Rhythm,
  RhythmOptions,
  ScheduleOptions,
  ScheduleSpec,
} from "./schedule.ts";

/** Longest cron expression, in UTF-16 units: every second listed takes 170, and no field says more than all of them. */
export const MAX_CRON_LENGTH = 512;
/** Ticks are due at whole seconds, as cron's are: what should run more often is a loop, not a schedule. */
const SECOND_MS = 1_000;
/** Most dates of one schedule: its spec is read with every tick. */
export const MAX_DATES = 1_000;
/** Longest jitter: beyond a day, "when it is due" no longer says much. */
export const MAX_JITTER_MS = 86_400_000;
/** Most missed ticks made good at once: they are enqueued in one act. */
export const MAX_MISSED_TICKS = 500;

/** Reads a cron with its zone and its daylight saving: of a calendar, the core knows nothing. */
type CronReader<Cron> = (cron: string, options: RhythmOptions) => Cron;

/**
 * Reads the timing of a schedule, but for the names of its options.
 *
 * @throws MillraceError `INVALID_SCHEDULE` (what is wrong and what was expected), `INVALID_ARGUMENT` for the name,
 * `INVALID_DURATION`
 */
export function readTiming<Cron>(
  name: string,
  options: RhythmOptions,
  readCron: CronReader<Cron>,
): Omit<ScheduleSpec, "rhythm"> & { readonly rhythm: Cron | Exclude<Rhythm, { kind: "cron" }> } {
  checkName(name, "schedule name");
  const startMs = readOptionalMoment(options.start, "start");
  const endMs = readOptionalMoment(options.end, "end");
  if (startMs !== null && endMs !== null && endMs <= startMs) {
    throw invalid(`end is ${iso(endMs)}; expected a moment after start, which is ${iso(startMs)}`);
  }
  const jitterMs = parseDuration(options.jitter ?? 0, "jitter");
  if (jitterMs > MAX_JITTER_MS) {
    throw invalid(`jitter is ${jitterMs} ms; expected at most ${MAX_JITTER_MS} (a day)`);
  }
  return {
    name,
    rhythm: readRhythm(options, startMs, readCron),
    startMs,
    endMs,
    jitterMs,
    missed: readMissed(options.missed ?? "once"),
    overlap: readOneOf<Overlap>(options.overlap, "overlap", ["allow", "skip", "cancel"], "allow"),
  };
}

function readRhythm<Cron>(
  options: RhythmOptions,
  startMs: number | null,
  readCron: CronReader<Cron>,
): Cron | Exclude<Rhythm, { kind: "cron" }> {
  const given = (["cron", "every", "dates"] as const).filter((key) => options[key] !== undefined);
  if (given.length !== 1) {
    throw invalid(
      `a schedule has ${given.length === 0 ? "none of cron, every and dates" : given.join(" and ")}; expected exactly one of cron, every and dates`,
    );
  }
  if (options.cron !== undefined) return readCron(options.cron, options);
  if (options.timeZone !== undefined || options.daylightSaving !== undefined) {
    throw invalid(
      `timeZone and daylightSaving belong to cron; ${given.join("")} does not follow a local clock`,
    );
  }
  return options.every === undefined
    ? { kind: "dates", datesMs: readDates(options.dates ?? []) }
    : { kind: "every", everyMs: readInterval(options.every), anchorMs: startMs ?? 0 };
}

function readInterval(every: NonNullable<RhythmOptions["every"]>): number {
  const everyMs = parseDuration(every, "every");
  if (everyMs < SECOND_MS || everyMs % SECOND_MS !== 0) {
    throw invalid(`every is ${everyMs} ms; expected whole seconds, at least one`);
  }
  return everyMs;
}

function readDates(dates: readonly Moment[]): readonly number[] {
  if (!Array.isArray(dates) || dates.length === 0 || dates.length > MAX_DATES) {
    throw invalid(
      `dates has ${Array.isArray(dates) ? dates.length : "no"} entries; expected 1 to ${MAX_DATES}`,
    );
  }
  const datesMs = dates.map((date) => readMoment(date, "dates"));
  return [...new Set(datesMs)].sort((left, right) => left - right);
}

function readMissed(missed: MissedTicks): MissedTicks {
  if (missed === "skip" || missed === "once") return missed;
  const all: unknown = typeof missed === "object" && missed !== null ? missed.all : undefined;
  if (typeof all !== "number" || !Number.isInteger(all) || all < 1 || all > MAX_MISSED_TICKS) {
    throw invalid(
      `missed is ${tellValue(missed)}; expected "skip", "once" or { all: N } with N from 1 to ${MAX_MISSED_TICKS}`,
    );
  }
  return { all };
}

function readOptionalMoment(moment: Moment | undefined, field: string): number | null {
  return moment === undefined ? null : readMoment(moment, field);
}

/** An ISO text without an offset would mean another moment on every machine. */
const HAS_OFFSET = /(?:Z|[+-]\d\d:?\d\d)$/;

/**
 * Reads a moment as milliseconds since 1970, cut to whole seconds.
 *
 * @throws MillraceError `INVALID_SCHEDULE`
 */
export function readMoment(moment: Moment, field: string): number {
  const isMoment =
    typeof moment === "string"
      ? HAS_OFFSET.test(moment)
      : typeof moment === "number" || moment instanceof Date;
  const atMs = isMoment ? new Date(moment).getTime() : Number.NaN;
  if (!Number.isInteger(atMs) || atMs < 0) {
    throw invalid(
      `${field} is ${tellValue(moment)}; expected a Date, milliseconds since 1970 or an ISO 8601 text with its offset, such as "2026-03-01T09:00:00Z"`,
    );
  }
  return Math.floor(atMs / SECOND_MS) * SECOND_MS;
}

/** One of some words. */
export function readOneOf<Value extends string>(
  value: Value | undefined,
  field: string,
  values: readonly Value[],
  usual: Value,
): Value {
  if (value === undefined) return usual;
  if (!values.includes(value)) {
    throw invalid(
      `${field} is ${tellValue(value)}; expected ${values.map((known) => `"${known}"`).join(", ")}`,
    );
  }
  return value;
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

function invalid(message: string): MillraceError {
  return new MillraceError("INVALID_SCHEDULE", { message });
}

/**
 * Checks what can be told of a cron expression without reading its fields.
 *
 * @throws MillraceError `INVALID_SCHEDULE`
 */
export function checkCronForm(text: string): void {
  if (typeof text !== "string" || text.length > MAX_CRON_LENGTH) {
    throw invalid(
      `cron is ${typeof text === "string" ? `${text.length} characters long` : typeof text}; expected a text of at most ${MAX_CRON_LENGTH}`,
    );
  }
  const fields = text.match(/\S+/g)?.length ?? 0;
  if ((fields < 5 || fields > 6) && !text.trimStart().startsWith("@")) {
    throw invalid(
      `cron is ${JSON.stringify(text)}; expected five fields (minute, hour, day, month, weekday) or six (second first): it has ${fields}`,
    );
  }
}

/**
 * Checks the schedules that a job type declares, as far as no calendar is needed; the rest is checked when Millrace is
 * opened with the type.
 *
 * @throws MillraceError as `readTiming` does
 */
export function checkDeclaredSchedules<Input>(
  type: string,
  schedule: ScheduleOptions<Input> | readonly ScheduleOptions<Input>[] | undefined,
): readonly ScheduleOptions<Input>[] {
  const schedules = schedule === undefined ? [] : [schedule].flat();
  for (const each of schedules) {
    readTiming(checkObject(each, "schedule").name ?? type, each, checkCronForm);
  }
  return schedules;
}
