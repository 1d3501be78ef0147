// What can be done with schedules, by a developer and by an operator alike: plain data in, plain data out.
import type { OptionNames } from "../../core/arguments.ts";
import type { AnyJobType, JobType } from "../../core/define-job.ts";
import type { JobId } from "../../core/ids.ts";
import {
  type MissedTicks,
  type Moment,
  type Overlap,
  type RhythmOptions,
  SCHEDULE_NAMES,
  type ScheduleOptions,
  type TickPreview,
} from "../../core/schedule.ts";
import type { Receipt } from "../millrace.ts";
import type { PauseOptions } from "./order-operations.ts";

/** A schedule to be kept: when it fires, and the job that every tick enqueues. */
export interface SchedulePut<Input = unknown> extends ScheduleOptions<Input> {
  /** A job type, or the name of one that this process knows. */
  readonly type: JobType<Input> | AnyJobType | string;
}

export const SCHEDULE_PUT_NAMES: OptionNames<SchedulePut> = { ...SCHEDULE_NAMES, type: true };

/** A schedule as it may be shown: plain data, its input masked, times in ISO 8601. */
export interface ScheduleView {
  readonly name: string;
  readonly type: string;
  readonly queue: string;
  readonly input: unknown;
  readonly tags: readonly string[];
  readonly labels: readonly string[];
  /** `over`: no tick is left. */
  readonly state: "active" | "paused" | "over";
  /** When it fires, in words. */
  readonly description: string;
  /** When it fires, as it could be put again. */
  readonly rhythm: Pick<RhythmOptions, "cron" | "timeZone" | "daylightSaving" | "every" | "dates">;
  readonly start: string | null;
  readonly end: string | null;
  readonly jitterMs: number;
  readonly missed: MissedTicks;
  readonly overlap: Overlap;
  readonly paused: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly next: { readonly dueAt: string; readonly fireAt: string } | null;
  readonly last: { readonly dueAt: string; readonly firedAt: string; readonly jobId: JobId } | null;
  /** Ticks whose job was enqueued. */
  readonly enqueuedTicks: number;
  /** Ticks left out because the one before had not ended. */
  readonly skippedTicks: number;
  /** Ticks that were missed and not made good; at least. */
  readonly missedTicks: number;
  readonly createdAt: string;
  readonly changedAt: string;
}

export interface ScheduleListQuery {
  readonly type?: string;
  readonly queue?: string;
  /** At most 1,000; default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export const SCHEDULE_QUERY_NAMES: OptionNames<ScheduleListQuery> = {
  type: true,
  queue: true,
  limit: true,
  cursor: true,
};

export interface SchedulePageView {
  readonly schedules: readonly ScheduleView[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

export interface PreviewOptions {
  /** At most 1,000; default 10. */
  readonly count?: number;
  /** The first tick after this moment; default now, by the store's clock. */
  readonly after?: Moment;
}

export const PREVIEW_NAMES: OptionNames<PreviewOptions> = { count: true, after: true };

/** The calls about schedules. */
export interface ScheduleOperations {
  /**
   * Keeps a schedule, or changes the one of that name. The same again changes nothing, however many processes put it.
   *
   * @throws MillraceError `INVALID_SCHEDULE`, `INVALID_INPUT`, `INVALID_ARGUMENT`, `UNKNOWN_TYPE`, `UNSUPPORTED`
   * @example
   * await mill.schedules.put({ type: report, cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" });
   */
  put<Input>(schedule: SchedulePut<Input>): Promise<ScheduleView>;
  /** One page, by name. */
  list(query?: ScheduleListQuery): Promise<SchedulePageView>;
  /** `null` where there is none of that name. */
  get(name: string): Promise<ScheduleView | null>;
  /** Whether there was one. Its jobs stay. */
  remove(name: string): Promise<boolean>;
  /**
   * Fires nothing until it is resumed.
   *
   * @throws MillraceError `SCHEDULE_NOT_FOUND`
   */
  pause(name: string, options?: PauseOptions): Promise<ScheduleView>;
  /**
   * Goes on with the next tick from now: those of the pause are not made good.
   *
   * @throws MillraceError `SCHEDULE_NOT_FOUND`
   */
  resume(name: string): Promise<ScheduleView>;
  /**
   * Enqueues its job now, beside its ticks.
   *
   * @throws MillraceError `SCHEDULE_NOT_FOUND`
   */
  run(name: string): Promise<Receipt>;
  /**
   * The next ticks of a schedule, or of a rhythm that nobody has put, with what daylight saving does to them.
   *
   * @throws MillraceError `SCHEDULE_NOT_FOUND`, `INVALID_SCHEDULE`, `INVALID_ARGUMENT`
   */
  preview(
    schedule: string | RhythmOptions,
    options?: PreviewOptions,
  ): Promise<readonly TickPreview[]>;
}
