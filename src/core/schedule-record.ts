// Schedules as a store keeps them, and what it is asked to do with them.
import type { JobId } from "./ids.ts";
import type { JsonText } from "./job.ts";
import type { Tick } from "./schedule.ts";
import type { EnqueueReply, NewJob } from "./store.ts";

/** What every tick enqueues: a new job but for its id and its time. */
export type ScheduledJob = Omit<NewJob, "id" | "delayMs" | "runAtMs" | "idempotency">;

/** A schedule to be kept. */
export interface NewSchedule {
  readonly name: string;
  readonly job: ScheduledJob;
  /** JSON text of its `ScheduleSpec`: a store compares it and never reads it. */
  readonly spec: JsonText;
  /** The first tick by this spec. Not taken where the same spec is kept already: its own next tick stands. */
  readonly next: Tick | null;
}

/** All that a store keeps of a schedule. Times are the store's, in milliseconds since 1970. */
export interface ScheduleRecord extends NewSchedule {
  /** The tick that comes; `null`: it is over. */
  readonly next: Tick | null;
  /** The latest tick that enqueued a job. */
  readonly last: LastTick | null;
  /** Ticks whose job was enqueued. */
  readonly enqueued: number;
  /** Ticks left out because the one before had not ended. */
  readonly skipped: number;
  /** Ticks that were missed and not made good; at least, where they were too many to be counted. */
  readonly missed: number;
  readonly paused: SchedulePause | null;
  /** Grows with every change but a tick's. */
  readonly revision: number;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export interface LastTick {
  readonly dueAtMs: number;
  readonly firedAtMs: number;
  readonly jobId: JobId;
}

export interface SchedulePause {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

/** A change of one schedule. */
export type ScheduleChange =
  /** Keeps it, or changes it: a pause, the counts and the last tick stay. */
  | { readonly kind: "put"; readonly schedule: NewSchedule }
  | {
      readonly kind: "pause";
      readonly name: string;
      readonly by: string;
      readonly reason: string;
    }
  /** `next`: the first tick from now on, so that ticks during a pause are not made good. */
  | {
      readonly kind: "resume";
      readonly name: string;
      readonly next: Tick | null;
      /** What `next` was made of: where another is kept by now, nothing is changed. */
      readonly spec?: string;
    }
  | { readonly kind: "remove"; readonly name: string };

/** What a change made: the record after it, or before its removal; `null` where there is none of that name. */
export interface ScheduleChangeReply {
  readonly isChanged: boolean;
  readonly schedule: ScheduleRecord | null;
}

/** Which schedules are asked for. */
export type ScheduleQuery =
  /** Those of these names, in their order; the ones that are not kept are left out. */
  | { readonly kind: "named"; readonly names: readonly string[] }
  /** Those whose next tick fires by now and that are not paused, first to fire first. */
  | { readonly kind: "due"; readonly limit: number }
  /** One page, by name. */
  | {
      readonly kind: "page";
      readonly filter: { readonly type?: string; readonly queue?: string };
      readonly limit: number;
      /** Where the page before ended. */
      readonly cursor?: string;
    };

export interface SchedulePage {
  /** The store's clock. */
  readonly nowMs: number;
  readonly schedules: readonly ScheduleRecord[];
  /** Asked for those due: time until the next one fires, 0 where a limit left some out; else `null`. */
  readonly lookAgainInMs: number | null;
  /** Absent on the last page. */
  readonly cursor?: string;
}

/**
 * Fires ticks of one schedule and moves it on, in one act. It is refused where the schedule is not as it was read, so
 * that of all who fire one tick, one does.
 */
export interface TickCommand {
  readonly name: string;
  /** As it was read. */
  readonly revision: number;
  /** As it was read: one that was removed and put again counts its revisions anew. */
  readonly createdAtMs?: number;
  /** Due time of its next tick, as it was read. */
  readonly dueAtMs: number;
  /** Ticks to fire, in order: their due times and the ids of their jobs. */
  readonly fire: readonly { readonly id: JobId; readonly dueAtMs: number }[];
  readonly next: Tick | null;
  /** Ticks that were missed and are not made good. */
  readonly missed: number;
  /** Whether nothing is enqueued while the job of the last tick has not ended. */
  readonly isSkippedWhileActive: boolean;
}

export type TickReply =
  | {
      readonly accepted: true;
      /** In the order of the ticks; empty where they were skipped. */
      readonly jobs: readonly EnqueueReply[];
      readonly skipped: number;
    }
  /** `stale`: fired, changed or paused since it was read. `gone`: no such schedule. */
  | { readonly accepted: false; readonly why: "stale" | "gone" };
