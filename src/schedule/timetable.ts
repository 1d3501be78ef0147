// A schedule's ticks: the next one, what is due now after whatever downtime, and a preview of those to come.
import { type ScheduleSpec, type Tick, type TickPreview, checkWhole } from "../core/index.ts";
import { type Due, type DueSearch, createNextDue } from "./next-tick.ts";
import { tickJitterMs } from "./tick-id.ts";
import { timeZone } from "./time-zone.ts";

/** A schedule ready to be asked. Pure: the same answers in every process. */
export interface Timetable {
  readonly spec: ScheduleSpec;
  /** The first moment after another at which the schedule is due, its start and end heeded. */
  search(afterMs: number): DueSearch;
  /** The first tick whose due time is after a moment; `null`: there is none. */
  next(afterMs: number): Tick | null;
}

/**
 * Makes the timetable of a spec.
 *
 * @throws MillraceError `INVALID_SCHEDULE` for a spec that was not made by `readSchedule`
 */
export function createTimetable(spec: ScheduleSpec): Timetable {
  const nextDue = createNextDue(spec.rhythm);
  const search = (afterMs: number): DueSearch => {
    const found = nextDue(spec.startMs === null ? afterMs : Math.max(afterMs, spec.startMs - 1));
    const isOver = found.due !== null && spec.endMs !== null && found.due.atMs >= spec.endMs;
    return isOver ? { due: null, steps: found.steps } : found;
  };
  return {
    spec,
    search,
    next(afterMs) {
      const { due } = search(afterMs);
      return due === null ? null : tickOf(spec, due);
    },
  };
}

function tickOf(spec: ScheduleSpec, due: Due): Tick {
  const fireAtMs = due.atMs + tickJitterMs(spec.name, due.atMs, spec.jitterMs);
  return { dueAtMs: due.atMs, fireAtMs };
}

/** A tick that fires later than this was missed: a deploy or a failover takes less, and its ticks simply come late. */
export const MISSED_AFTER_MS = 60_000;

/** What is to be done about a schedule now. */
export interface TickPlan {
  /** In the order of their due times. */
  readonly fire: readonly Tick[];
  /** Ticks that were missed and will not come. */
  readonly dropped: number;
  /** `false` where so many were missed that they were not counted: `dropped` is then the least. */
  readonly isDroppedExact: boolean;
  /** The tick to wait for; `null`: the schedule is over. */
  readonly next: Tick | null;
}

/**
 * Decides which ticks fire now, by the schedule's rule for missed ones. However long nothing fired, it looks at no more
 * than a few thousand of them.
 */
export function planTicks(
  timetable: Timetable,
  at: { readonly nextDueAtMs: number; readonly nowMs: number },
): TickPlan {
  const { missed } = timetable.spec;
  const want = (typeof missed === "object" ? missed.all : 1) + MISSED_AFTER_MS / 1_000 + 1;
  const walk = walkLatest(timetable, at.nextDueAtMs - 1, at.nowMs, want);
  const isLate = (tick: Tick): boolean => at.nowMs - tick.fireAtMs > MISSED_AFTER_MS;
  const late = walk.due.filter(isLate);
  const onTime = walk.due.filter((tick) => !isLate(tick));
  const kept = late.slice(late.length - keptOf(timetable.spec, late.length, onTime.length));
  const due = [...kept, ...onTime].sort((left, right) => left.dueAtMs - right.dueAtMs);
  // Of several that are due at once and may not overlap, the latest would be the only one to live.
  const fire = timetable.spec.overlap === "allow" ? due : due.slice(-1);
  return {
    fire,
    dropped: walk.due.length - fire.length,
    isDroppedExact: walk.isWhole,
    next: walk.next,
  };
}

function keptOf(spec: ScheduleSpec, late: number, onTime: number): number {
  if (spec.missed === "skip") return 0;
  // A tick that comes in time makes good what was missed before it.
  if (spec.missed === "once") return onTime > 0 ? 0 : Math.min(1, late);
  return Math.min(spec.missed.all, late);
}

interface Walk {
  /** Ticks that are due, the latest of them if there are very many. */
  readonly due: readonly Tick[];
  readonly next: Tick | null;
  readonly isWhole: boolean;
}

/** The latest ticks that are due, at least `want` of them if there are so many. */
function walkLatest(timetable: Timetable, afterMs: number, nowMs: number, want: number): Walk {
  const most = want * 2;
  const whole = walkFrom(timetable, afterMs, nowMs, most);
  if (whole !== null) return { ...whole, isWhole: true };
  // Too many since then: bisect for a later moment since which there are enough, and not too many.
  let tooEarlyMs = afterMs;
  let lateMs = nowMs;
  let best: Omit<Walk, "isWhole"> | null = null;
  while (lateMs - tooEarlyMs > 1_000) {
    const middleMs = Math.floor((tooEarlyMs + lateMs) / 2);
    const walk = walkFrom(timetable, middleMs, nowMs, most);
    if (walk === null) {
      tooEarlyMs = middleMs;
    } else {
      best = walk;
      if (walk.due.length >= want) break;
      lateMs = middleMs;
    }
  }
  const found = best ?? walkFrom(timetable, nowMs, nowMs, most);
  return { due: found?.due ?? [], next: found?.next ?? null, isWhole: false };
}

/** The ticks after a moment that are due now, and the first that is not; `null`: there are more than `most`. */
function walkFrom(
  timetable: Timetable,
  afterMs: number,
  nowMs: number,
  most: number,
): Omit<Walk, "isWhole"> | null {
  const due: Tick[] = [];
  let next = timetable.next(afterMs);
  while (next !== null && next.fireAtMs <= nowMs) {
    if (due.length === most) return null;
    due.push(next);
    next = timetable.next(next.dueAtMs);
  }
  return { due, next };
}

/** Most ticks of one preview. */
export const MAX_PREVIEW = 1_000;

/**
 * The next ticks after a moment, with what daylight saving does to them.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function previewTicks(
  timetable: Timetable,
  options: { readonly afterMs: number; readonly count: number },
): readonly TickPreview[] {
  checkWhole(options.count, "count", 1, MAX_PREVIEW);
  const { spec } = timetable;
  const zone = timeZone(spec.rhythm.kind === "cron" ? spec.rhythm.timeZone : "UTC");
  const previews: TickPreview[] = [];
  let offsetMs = zone.offsetAt(options.afterMs);
  let { due } = timetable.search(options.afterMs);
  while (due !== null && previews.length < options.count) {
    const tick = tickOf(spec, due);
    const dueOffsetMs = zone.offsetAt(due.atMs);
    previews.push({
      dueAt: new Date(due.atMs).toISOString(),
      fireAt: new Date(tick.fireAtMs).toISOString(),
      local: formatLocal(due.atMs, dueOffsetMs),
      clock: due.clock,
      clockChangeMs: dueOffsetMs - offsetMs,
    });
    offsetMs = dueOffsetMs;
    ({ due } = timetable.search(due.atMs));
  }
  return previews;
}

function formatLocal(atMs: number, offsetMs: number): string {
  const text = new Date(atMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${text}Z`;
  const minutes = Math.abs(Math.trunc(offsetMs / 60_000));
  return `${text}${offsetMs < 0 ? "-" : "+"}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
