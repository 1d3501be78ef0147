// The life of a schedule: what a put keeps, what a pause holds back, and which tick is refused.
import { describe, expect, test } from "vitest";
import type { NewSchedule, ScheduleRecord, TickCommand } from "./schedule-record.ts";
import {
  isScheduleDue,
  pauseSchedule,
  putSchedule,
  resumeSchedule,
  tickSchedule,
} from "./schedule-transitions.ts";

const tickAt = (atMs: number): { dueAtMs: number; fireAtMs: number } => ({
  dueAtMs: atMs,
  fireAtMs: atMs,
});
const wanted: NewSchedule = {
  name: "daily",
  job: { type: "report", queue: "report", input: "{}", tags: ["a"] },
  spec: '{"every":1000}',
  next: tickAt(1_000),
};
const kept = putSchedule(null, wanted, 500);
const command: TickCommand = {
  name: "daily",
  revision: 1,
  dueAtMs: 1_000,
  fire: [{ id: "id-1000", dueAtMs: 1_000 }],
  next: tickAt(2_000),
  missed: 0,
  isSkippedWhileActive: false,
};
const idle = { isLastActive: false, nowMs: 1_010 };

function fire(schedule: ScheduleRecord, by: Partial<TickCommand> = {}): ScheduleRecord {
  const transition = tickSchedule(schedule, { ...command, ...by }, idle);
  if (transition.kind !== "changed") throw new Error("the tick should be accepted");
  return transition.schedule;
}

describe("a put", () => {
  test("of the same schedule changes nothing, whatever its next tick would be now", () => {
    const again = { ...wanted, job: { tags: ["a"], ...wanted.job }, next: tickAt(9_000) };
    expect(putSchedule(kept, again, 700)).toBe(kept);
  });

  test("of another job keeps the tick that comes: an overdue one is not lost to a deploy", () => {
    const changed = putSchedule(
      kept,
      { ...wanted, job: { ...wanted.job, input: "[]" }, next: tickAt(9_000) },
      700,
    );
    expect(changed).toMatchObject({ next: tickAt(1_000), revision: 2, changedAtMs: 700 });
    expect(changed.job.input).toBe("[]");
  });

  test("of another rhythm starts afresh, and keeps pause, counts and the last tick", () => {
    const known = pauseSchedule(fire(kept), { by: "ops", reason: "why" }, 1_020);
    const changed = putSchedule(known, { ...wanted, spec: "{}", next: tickAt(9_000) }, 1_030);
    expect(changed).toMatchObject({
      next: tickAt(9_000),
      enqueued: 1,
      spec: "{}",
      createdAtMs: 500,
    });
    expect(changed.paused?.by).toBe("ops");
    expect(changed.last?.jobId).toBe("id-1000");
  });
});

describe("a tick", () => {
  test("makes its job of the schedule's own, and moves the schedule on", () => {
    const transition = tickSchedule(kept, command, idle);
    expect(transition).toEqual({
      kind: "changed",
      skipped: 0,
      jobs: [{ ...wanted.job, id: "id-1000" }],
      schedule: {
        ...kept,
        next: tickAt(2_000),
        enqueued: 1,
        last: { dueAtMs: 1_000, firedAtMs: 1_010, jobId: "id-1000" },
      },
    });
  });

  test("is refused the second time, so that of all who fire it one does", () => {
    expect(tickSchedule(fire(kept), command, idle)).toEqual({ kind: "rejected", why: "stale" });
  });

  test("is refused where the schedule was changed or paused since it was read", () => {
    const changed = putSchedule(kept, { ...wanted, job: { ...wanted.job, input: "[]" } }, 700);
    const paused = pauseSchedule(kept, { by: "ops", reason: "" }, 700);
    for (const schedule of [changed, paused]) {
      expect(tickSchedule(schedule, command, idle).kind).toBe("rejected");
    }
  });

  test("is refused where the schedule was removed and put again since it was read", () => {
    const anew = putSchedule(null, wanted, 700);
    const asRead = { ...command, createdAtMs: kept.createdAtMs };
    expect(tickSchedule(anew, asRead, idle).kind).toBe("rejected");
    expect(tickSchedule(kept, asRead, idle).kind).toBe("changed");
  });

  test("that may not overlap is left out while the last one's job is active, and the schedule moves on", () => {
    const alone = { ...command, isSkippedWhileActive: true, missed: 3 };
    const transition = tickSchedule(kept, alone, { isLastActive: true, nowMs: 1_010 });
    expect(transition).toMatchObject({
      kind: "changed",
      jobs: [],
      skipped: 1,
      schedule: { next: tickAt(2_000), enqueued: 0, skipped: 1, missed: 3, last: null },
    });
    expect(tickSchedule(kept, alone, idle)).toMatchObject({
      skipped: 0,
      schedule: { enqueued: 1 },
    });
  });
});

describe("a pause", () => {
  const paused = pauseSchedule(kept, { by: "ops", reason: "migration" }, 600);

  test("holds back what is due, and says who and why", () => {
    expect(isScheduleDue(kept, 999)).toBe(false);
    expect(isScheduleDue(kept, 1_000)).toBe(true);
    expect(isScheduleDue(paused, 1_000)).toBe(false);
    expect(paused.paused).toEqual({ by: "ops", reason: "migration", atMs: 600 });
  });

  test("of a paused schedule, and a resume of one that runs, change nothing", () => {
    expect(pauseSchedule(paused, { by: "else", reason: "" }, 700)).toBe(paused);
    expect(resumeSchedule(kept, { next: tickAt(9_000) }, 700)).toBe(kept);
  });

  test("ends with the next tick from then on: those in between are not made good", () => {
    expect(resumeSchedule(paused, { next: tickAt(8_000) }, 7_500)).toMatchObject({
      paused: null,
      next: tickAt(8_000),
      missed: 0,
      revision: 3,
    });
  });
});
