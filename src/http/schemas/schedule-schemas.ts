// The schemas of the routes about schedules.
import { z } from "zod";
import {
  MAX_CRON_LENGTH,
  MAX_DATES,
  MAX_MISSED_TICKS,
  MAX_PAGE,
  type Moment,
  type RhythmOptions,
} from "../../core/index.ts";
import type {
  PreviewOptions,
  ScheduleListQuery,
  SchedulePut,
  ScheduleView,
} from "../../runtime/index.ts";
import { MAX_PREVIEW } from "../../schedule/index.ts";
import { ownRetry, ownTimeout } from "./job-schemas.ts";
import { cursor, duration, name, named, tags, time, wholeNumber } from "./schemas.ts";

/** A schedule to be kept, as it comes over the wire. */
export interface SchedulePutBody extends SchedulePut {
  readonly type: string;
}
/** A rhythm whose ticks are asked for. */
export interface PreviewBody extends RhythmOptions, PreviewOptions {}

/** Longest name of a time zone; the longest there is has 32 characters. */
const MAX_ZONE_LENGTH = 64;

const moment: z.ZodType<Moment> = z
  .union([z.string().max(50), z.number()])
  .describe("ISO 8601 with its offset, or milliseconds since 1970.");
const missed = z
  .union([z.enum(["skip", "once"]), z.strictObject({ all: z.int().min(1).max(MAX_MISSED_TICKS) })])
  .describe('What becomes of ticks that were due while nothing fired them; "once" by default.');
const overlap = z
  .enum(["allow", "skip", "cancel"])
  .describe('What becomes of a tick whose predecessor has not ended; "allow" by default.');
const daylightSaving = z.strictObject({
  skippedHour: z.enum(["run-after", "skip"]).exactOptional(),
  repeatedHour: z.enum(["first", "second", "both"]).exactOptional(),
});

const rhythm = {
  cron: z
    .string()
    .max(MAX_CRON_LENGTH)
    .exactOptional()
    .describe("Five fields, or six with the seconds first. One of cron, every and dates."),
  every: duration.exactOptional().describe("A fixed interval of whole seconds."),
  dates: z.array(moment).max(MAX_DATES).exactOptional().describe("These moments and no others."),
  timeZone: z
    .string()
    .max(MAX_ZONE_LENGTH)
    .exactOptional()
    .describe('IANA name of the zone whose clock a cron follows; "UTC" by default.'),
  daylightSaving: daylightSaving.exactOptional(),
  start: moment.exactOptional(),
  end: moment.exactOptional(),
  jitter: duration.exactOptional().describe("Ticks are put off by up to this long."),
  missed: missed.exactOptional(),
  overlap: overlap.exactOptional(),
};

export const schedulePut: z.ZodType<SchedulePutBody> = named(
  "NewSchedule",
  "A schedule to keep, or to change where there is one of its name.",
  z.strictObject({
    type: name.describe("The job type's name."),
    name: name.exactOptional().describe("The job type's name by default."),
    input: z.unknown().exactOptional().describe("What every tick's job gets."),
    job: z
      .strictObject({
        priority: z.union([z.number(), z.strictObject({ headStart: duration })]).exactOptional(),
        expiresIn: duration.exactOptional(),
        tags: tags.exactOptional(),
        labels: tags.exactOptional(),
        queue: name.exactOptional(),
        retry: ownRetry.exactOptional(),
        timeout: ownTimeout.exactOptional(),
      })
      .exactOptional()
      .describe("What else an enqueue could say of every tick's job."),
    ...rhythm,
  }),
);

const count = z.int().min(1).max(MAX_PREVIEW).describe("Ticks to tell; 10 by default.");

export const previewBody: z.ZodType<PreviewBody> = named(
  "Rhythm",
  "When something would fire, and which of its ticks are asked for.",
  z.strictObject({ ...rhythm, count: count.exactOptional(), after: moment.exactOptional() }),
);

export const scheduleView: z.ZodType<ScheduleView> = named(
  "Schedule",
  "A schedule, with the secrets of its input masked.",
  z.object({
    name: z.string(),
    type: z.string(),
    queue: z.string(),
    input: z.unknown(),
    tags: z.array(z.string()),
    labels: z.array(z.string()),
    state: z.enum(["active", "paused", "over"]).describe("over: no tick is left."),
    description: z.string().describe("When it fires, in words."),
    rhythm: z
      .object({
        cron: rhythm.cron,
        every: rhythm.every,
        dates: rhythm.dates,
        timeZone: rhythm.timeZone,
        daylightSaving: rhythm.daylightSaving,
      })
      .describe("When it fires, as it could be put again."),
    start: time.nullable(),
    end: time.nullable(),
    jitterMs: z.number(),
    missed,
    overlap,
    paused: z.object({ by: z.string(), reason: z.string(), at: time }).nullable(),
    next: z.object({ dueAt: time, fireAt: time }).nullable(),
    last: z.object({ dueAt: time, firedAt: time, jobId: z.string() }).nullable(),
    enqueuedTicks: z.int(),
    skippedTicks: z.int().describe("Left out because the one before had not ended."),
    missedTicks: z.int().describe("Missed and not made good; at least."),
    createdAt: time,
    changedAt: time,
  }),
);

export const schedulePage: z.ZodType = named(
  "SchedulePage",
  "Schedules by name. The cursor is absent on the last page.",
  z.object({ schedules: z.array(scheduleView), cursor: z.string().exactOptional() }),
);
export const scheduleRemoved: z.ZodType = named(
  "ScheduleRemoved",
  "The schedule is gone; the jobs of its ticks stay.",
  z.object({ name: z.string(), removed: z.literal(true) }),
);
export const tickList: z.ZodType = named(
  "Ticks",
  "Ticks to come, with what daylight saving does to them.",
  z.object({
    ticks: z.array(
      z.object({
        dueAt: time,
        fireAt: time.describe("When it fires, its jitter added."),
        local: z.string().describe("Due by the clock of the schedule's zone."),
        clock: z
          .enum(["usual", "moved", "repeated"])
          .describe("moved: its hour is skipped on this day; repeated: it comes twice."),
        clockChangeMs: z
          .number()
          .describe("What the clock was put forward since the tick before, back if negative."),
      }),
    ),
  }),
);

export const scheduleParams: z.ZodType<{ readonly name: string }> = z.strictObject({ name });
export const scheduleQuery: z.ZodType<ScheduleListQuery> = z.strictObject({
  type: name.exactOptional(),
  queue: name.exactOptional(),
  limit: wholeNumber(1, MAX_PAGE).exactOptional(),
  cursor: cursor.exactOptional(),
});
export const previewQuery: z.ZodType<PreviewOptions> = z.strictObject({
  count: wholeNumber(1, MAX_PREVIEW).exactOptional(),
  after: z.string().max(50).exactOptional().describe("ISO 8601; now by default."),
});
