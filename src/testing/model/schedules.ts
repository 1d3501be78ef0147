// The reference model's schedules: the core's transitions over a map, and the comparison with a store's.
import assert from "node:assert/strict";
import { isTerminal } from "../../core/job.ts";
import {
  changeSchedule,
  isScheduleDue,
  nameOfChange,
  tickSchedule,
} from "../../core/schedule-transitions.ts";
import type {
  ScheduleChange,
  ScheduleChangeReply,
  ScheduleRecord,
  TickCommand,
  TickReply,
} from "../../core/schedule-record.ts";
import type { Store } from "../../core/store.ts";
import { TOLERANCE_MS } from "./compare.ts";
import type { StoreModel } from "./model.ts";

/** Does to the model's schedules what a store does to its own. */
export function changeModelSchedules(
  { schedules }: StoreModel,
  changes: readonly ScheduleChange[],
  nowMs: number,
): readonly ScheduleChangeReply[] {
  return changes.map((change) => {
    const name = nameOfChange(change);
    const known = schedules.get(name) ?? null;
    const changed = changeSchedule(known, change, nowMs);
    if (changed === null) schedules.delete(name);
    else schedules.set(name, changed);
    return { isChanged: changed !== known, schedule: changed ?? known };
  });
}

/** Fires one tick of the model. */
export function tickModel(model: StoreModel, command: TickCommand, nowMs: number): TickReply {
  const known = model.schedules.get(command.name);
  if (known === undefined) return { accepted: false, why: "gone" };
  const last = known.last === null ? undefined : model.jobs.get(known.last.jobId);
  const isLastActive = last !== undefined && !isTerminal(last.record.state);
  const transition = tickSchedule(known, command, { isLastActive, nowMs });
  if (transition.kind === "rejected") return { accepted: false, why: transition.why };
  model.schedules.set(command.name, transition.schedule);
  return {
    accepted: true,
    jobs: model.enqueue(transition.jobs, nowMs),
    skipped: transition.skipped,
  };
}

/**
 * Compares a store's schedules with the model's, as listed and as due, and then takes the store's times over.
 *
 * @throws AssertionError that shows the difference
 */
export async function compareSchedules(
  store: Store,
  model: StoreModel,
  nowMs: number,
): Promise<void> {
  if (!store.capabilities.has("schedules")) return;
  const page = await store.schedules({ kind: "page", filter: {}, limit: 1_000 });
  const wanted = [...model.schedules.values()].sort((left, right) =>
    left.name < right.name ? -1 : 1,
  );
  assert.deepEqual(page.schedules.map(comparable), wanted.map(comparable));
  for (const [index, schedule] of page.schedules.entries()) {
    const expected = wanted[index];
    assert.ok(expected !== undefined);
    const wantedTimes = timesOf(expected);
    for (const [place, atMs] of timesOf(schedule).entries()) {
      const differenceMs = Math.abs(atMs - (wantedTimes[place] ?? Number.NaN));
      assert.ok(differenceMs <= TOLERANCE_MS, `a time of ${schedule.name}: ${differenceMs} ms off`);
    }
    model.schedules.set(schedule.name, schedule);
  }
  const due = await store.schedules({ kind: "due", limit: 1_000 });
  const wantedDue = page.schedules
    .filter((schedule) => isScheduleDue(schedule, nowMs))
    .sort((left, right) => (left.next?.fireAtMs ?? 0) - (right.next?.fireAtMs ?? 0));
  assert.deepEqual(due.schedules, wantedDue, "those that are due, first to fire first");
}

function timesOf({ createdAtMs, changedAtMs, paused, last }: ScheduleRecord): readonly number[] {
  return [createdAtMs, changedAtMs, paused?.atMs ?? 0, last?.firedAtMs ?? 0];
}

function comparable(schedule: ScheduleRecord): object {
  const { createdAtMs: _created, changedAtMs: _changed, paused, last, ...rest } = schedule;
  return {
    ...rest,
    paused: paused === null ? null : { by: paused.by, reason: paused.reason },
    last: last === null ? null : { dueAtMs: last.dueAtMs, jobId: last.jobId },
  };
}
