// Schedules as data: what a developer says of one, and the spec that is kept of it.
import type { OptionNames } from "./arguments.ts";
import type { Duration } from "./duration.ts";
import { PRIORITY_NAMES } from "./limits.ts";
import { type OwnTerms, TERMS_NAMES } from "./terms.ts";

/** A moment as people give it: a Date, milliseconds since 1970, or an ISO 8601 text with its offset. */
export type Moment = Date | number | string;

/**
 * What becomes of a local time that a clock change skips: `"run-after"` runs at the first moment after the gap,
 * `"skip"` does not run.
 */
export type SkippedHour = "run-after" | "skip";
/** Which of the two passes of a repeated local time runs. */
export type RepeatedHour = "first" | "second" | "both";

/** When ticks come that were due while nothing could fire them: none, one for all, or all up to a number. */
export type MissedTicks = "skip" | "once" | { readonly all: number };
/** What becomes of a tick whose predecessor has not ended. `cancel` cancels the predecessor and runs. */
export type Overlap = "allow" | "skip" | "cancel";

/** Says when a schedule fires: exactly one of `cron`, `every` and `dates`. */
export interface RhythmOptions {
  /**
   * Five fields (minute, hour, day of month, month, day of week) or six (seconds first). `L`, `W`, `#` and `+` (day of
   * month and day of week must both hold) are understood, and `@daily` and its like.
   */
  readonly cron?: string;
  /** A fixed interval, at least a second: counted from `start`, or from 1970 where there is none. */
  readonly every?: Duration;
  /** These moments and no others. */
  readonly dates?: readonly Moment[];
  /** IANA name of the zone whose clock a `cron` follows. Default `"UTC"`, which is the same in every process. */
  readonly timeZone?: string;
  /** What happens in the hour that daylight saving skips or repeats. See `docs/schedules.md` for the defaults. */
  readonly daylightSaving?: {
    readonly skippedHour?: SkippedHour;
    readonly repeatedHour?: RepeatedHour;
  };
  /** No tick before. */
  readonly start?: Moment;
  /** No tick at or after. */
  readonly end?: Moment;
  /** Ticks are put off by up to this long, each by a share that its schedule and due time decide. Default none. */
  readonly jitter?: Duration;
  /** Default `"once"`. */
  readonly missed?: MissedTicks;
  /** Default `"allow"`. */
  readonly overlap?: Overlap;
}

/** A schedule declared with its job type. */
export interface ScheduleOptions<Input = unknown> extends RhythmOptions {
  /** Unique in a namespace. Default: the name of the job type. */
  readonly name?: string;
  /** What every tick's job gets; checked against the type's schema when the schedule is kept. */
  readonly input?: Input;
  /** What else an enqueue could say of every tick's job. */
  readonly job?: ScheduledJobOptions;
}

/** What an enqueue can say that makes sense for every tick. */
export interface ScheduledJobOptions extends OwnTerms {
  /** A number: each step is a minute of head start. Or the head start itself. In place of the type's. */
  readonly priority?: number | { readonly headStart: Duration };
  /** Not worth starting this long after it fired: it then fails with `JOB_EXPIRED`. */
  readonly expiresIn?: Duration;
  /** Beside `schedule:NAME`, which every tick's job has. */
  readonly tags?: readonly string[];
  /** Labels that a worker must offer, beside the type's. */
  readonly labels?: readonly string[];
  /** A queue other than the type's. */
  readonly queue?: string;
}

const ALL_MISSED_NAMES: OptionNames<Extract<MissedTicks, object>> = { all: true };
const DAYLIGHT_SAVING_NAMES: OptionNames<NonNullable<RhythmOptions["daylightSaving"]>> = {
  skippedHour: true,
  repeatedHour: true,
};
const RHYTHM_NAMES: OptionNames<RhythmOptions> = {
  cron: true,
  every: true,
  dates: true,
  timeZone: true,
  daylightSaving: DAYLIGHT_SAVING_NAMES,
  start: true,
  end: true,
  jitter: true,
  missed: ALL_MISSED_NAMES,
  overlap: true,
};
const SCHEDULED_JOB_NAMES: OptionNames<ScheduledJobOptions> = {
  ...TERMS_NAMES,
  priority: PRIORITY_NAMES,
  expiresIn: true,
  tags: true,
  labels: true,
  queue: true,
};

/** The names of a schedule that is declared with its job type. */
export const SCHEDULE_NAMES: OptionNames<ScheduleOptions> = {
  ...RHYTHM_NAMES,
  name: true,
  input: true,
  job: SCHEDULED_JOB_NAMES,
};

/** When a schedule fires, read and checked. */
export type Rhythm =
  | {
      readonly kind: "cron";
      readonly expression: string;
      readonly timeZone: string;
      readonly skippedHour: SkippedHour;
      readonly repeatedHour: RepeatedHour;
    }
  | { readonly kind: "every"; readonly everyMs: number; readonly anchorMs: number }
  | { readonly kind: "dates"; readonly datesMs: readonly number[] };

/** A schedule's timing, read and checked: plain data, the same in every process that reads it. */
export interface ScheduleSpec {
  readonly name: string;
  readonly rhythm: Rhythm;
  /** No tick before. */
  readonly startMs: number | null;
  /** No tick at or after. */
  readonly endMs: number | null;
  readonly jitterMs: number;
  readonly missed: MissedTicks;
  readonly overlap: Overlap;
}

/** One tick: when it is due by its rhythm, and when it fires, its jitter added. Milliseconds since 1970. */
export interface Tick {
  readonly dueAtMs: number;
  readonly fireAtMs: number;
}

/** One tick to come, as it may be shown. */
export interface TickPreview {
  /** When it is due, in UTC: `2026-03-29T01:00:00.000Z`. */
  readonly dueAt: string;
  /** When it fires, its jitter added. */
  readonly fireAt: string;
  /** Due by the clock of the schedule's zone: `2026-03-29T03:00:00+02:00`. */
  readonly local: string;
  /** `moved`: its hour is skipped on this day; `repeated`: its hour comes twice on this day. */
  readonly clock: "usual" | "moved" | "repeated";
  /** What the zone's clock was put forward (or back, if negative) since the tick before, in milliseconds. */
  readonly clockChangeMs: number;
}
