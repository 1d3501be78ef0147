// The life of a schedule as pure functions: (schedule, command, time) -> the schedule changed, or a rejection.
import type { JobId } from "./ids.ts";
import type {
  NewSchedule,
  ScheduleChange,
  SchedulePause,
  ScheduleRecord,
  TickCommand,
} from "./schedule-record.ts";
import type { Tick } from "./schedule.ts";
import type { NewJob } from "./store.ts";

/** Keeps a schedule, new or changed; the very record where nothing differs, as when many processes declare it at once. */
export function putSchedule(
  known: ScheduleRecord | null,
  wanted: NewSchedule,
  nowMs: number,
): ScheduleRecord {
  if (known === null) {
    return {
      ...wanted,
      last: null,
      enqueued: 0,
      skipped: 0,
      missed: 0,
      paused: null,
      revision: 1,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
    };
  }
  const isSameSpec = known.spec === wanted.spec;
  if (isSameSpec && isSameJob(known, wanted)) return known;
  return {
    ...known,
    job: wanted.job,
    spec: wanted.spec,
    // A tick that is overdue is not lost to a deploy that changes the input.
    next: isSameSpec ? known.next : wanted.next,
    revision: known.revision + 1,
    changedAtMs: nowMs,
  };
}

function isSameJob(known: NewSchedule, wanted: NewSchedule): boolean {
  return stableText(known.job) === stableText(wanted.job);
}

/** JSON with sorted keys: the order in which a store gives fields back says nothing. */
function stableText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}

/** Pauses a schedule; the very record where it is paused already. */
export function pauseSchedule(
  known: ScheduleRecord,
  pause: Omit<SchedulePause, "atMs">,
  nowMs: number,
): ScheduleRecord {
  if (known.paused !== null) return known;
  const paused = { by: pause.by, reason: pause.reason, atMs: nowMs };
  return { ...known, paused, revision: known.revision + 1, changedAtMs: nowMs };
}

/**
 * Resumes a schedule with its next tick from now on; the very record where it is not paused, or where that tick is of
 * another rhythm.
 */
export function resumeSchedule(
  known: ScheduleRecord,
  { next, spec = known.spec }: { readonly next: Tick | null; readonly spec?: string },
  nowMs: number,
): ScheduleRecord {
  if (known.paused === null || known.spec !== spec) return known;
  return { ...known, paused: null, next, revision: known.revision + 1, changedAtMs: nowMs };
}

/** The name of the schedule that a change is about. */
export function nameOfChange(change: ScheduleChange): string {
  return change.kind === "put" ? change.schedule.name : change.name;
}

/** The schedule after a change: the very record where nothing differs, `null` where there is none or it is removed. */
export function changeSchedule(
  known: ScheduleRecord | null,
  change: ScheduleChange,
  nowMs: number,
): ScheduleRecord | null {
  if (change.kind === "put") return putSchedule(known, change.schedule, nowMs);
  if (known === null) return null;
  switch (change.kind) {
    case "pause":
      return pauseSchedule(known, change, nowMs);
    case "resume":
      return resumeSchedule(known, change, nowMs);
    case "remove":
      return null;
  }
}

/** When a schedule's next tick fires; `null`: it is paused, or over. */
export function firesAtMs({ paused, next }: ScheduleRecord): number | null {
  return paused === null && next !== null ? next.fireAtMs : null;
}

/** Whether a schedule's next tick fires by now. */
export function isScheduleDue(schedule: ScheduleRecord, nowMs: number): boolean {
  const fireAtMs = firesAtMs(schedule);
  return fireAtMs !== null && fireAtMs <= nowMs;
}

/** What a tick makes of its schedule: the record, and the jobs to enqueue with it. */
export type TickTransition =
  | {
      readonly kind: "changed";
      readonly schedule: ScheduleRecord;
      readonly jobs: readonly NewJob[];
      readonly skipped: number;
    }
  | { readonly kind: "rejected"; readonly why: "stale" };

/** Fires ticks. `isLastActive`: the job of the last tick is kept and has not ended. */
export function tickSchedule(
  known: ScheduleRecord,
  command: TickCommand,
  now: { readonly isLastActive: boolean; readonly nowMs: number },
): TickTransition {
  const isAsRead =
    known.paused === null &&
    known.revision === command.revision &&
    known.createdAtMs === (command.createdAtMs ?? known.createdAtMs) &&
    known.next?.dueAtMs === command.dueAtMs;
  if (!isAsRead) return { kind: "rejected", why: "stale" };
  const isSkipped = command.isSkippedWhileActive && now.isLastActive;
  const fired = isSkipped ? [] : command.fire;
  const latest = fired.at(-1);
  const skipped = command.fire.length - fired.length;
  return {
    kind: "changed",
    schedule: {
      ...known,
      next: command.next,
      last:
        latest === undefined
          ? known.last
          : { dueAtMs: latest.dueAtMs, firedAtMs: now.nowMs, jobId: latest.id },
      enqueued: known.enqueued + fired.length,
      skipped: known.skipped + skipped,
      missed: known.missed + command.missed,
    },
    jobs: fired.map(({ id }) => scheduledJob(known, id)),
    skipped,
  };
}

function scheduledJob(schedule: ScheduleRecord, id: JobId): NewJob {
  return { ...schedule.job, id };
}
