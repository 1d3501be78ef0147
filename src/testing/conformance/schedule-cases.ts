// What the cases about schedules share: schedules, ticks, and ways to put and fire them.
import assert from "node:assert/strict";
import { type JobId, createIdMaker } from "../../core/ids.ts";
import type {
  NewSchedule,
  ScheduleRecord,
  TickCommand,
  TickReply,
} from "../../core/schedule-record.ts";
import type { Tick } from "../../core/schedule.ts";
import type { Store } from "../../core/store.ts";
import { HOUR_MS, type World } from "./world.ts";

export function tickAt(dueAtMs: number, jitterMs = 0): Tick {
  return { dueAtMs, fireAtMs: dueAtMs + jitterMs };
}

export function schedule(next: Tick | null, options: Partial<NewSchedule> = {}): NewSchedule {
  return {
    name: "daily",
    job: { type: "mail", queue: "mail", input: '{"to":"all"}' },
    spec: '{"every":60000}',
    next,
    ...options,
  };
}

export async function put(
  store: Store,
  ...schedules: readonly NewSchedule[]
): Promise<ScheduleRecord[]> {
  const replies = await store.changeSchedules({
    changes: schedules.map((each) => ({ kind: "put", schedule: each })),
  });
  return replies.map((reply) => {
    assert.ok(reply.schedule, "a schedule that was put should be kept");
    return reply.schedule;
  });
}

export async function putOne(store: Store, wanted: NewSchedule): Promise<ScheduleRecord> {
  const [record] = await put(store, wanted);
  assert.ok(record);
  return record;
}

export async function named(store: Store, name = "daily"): Promise<ScheduleRecord> {
  const { schedules } = await store.schedules({ kind: "named", names: [name] });
  const [record] = schedules;
  assert.ok(record, `schedule ${name} should be kept`);
  return record;
}

export async function dueNames(store: Store, limit = 100): Promise<readonly string[]> {
  const { schedules } = await store.schedules({ kind: "due", limit });
  return schedules.map(({ name }) => name);
}

export const makeId: (queue: string) => JobId = createIdMaker({
  now: Date.now,
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
});

export function commandFor(
  record: ScheduleRecord,
  options: Partial<TickCommand> = {},
): TickCommand {
  const dueAtMs = record.next?.dueAtMs ?? 0;
  return {
    name: record.name,
    revision: record.revision,
    dueAtMs,
    fire: [{ id: makeId(record.job.queue), dueAtMs }],
    next: tickAt(dueAtMs + HOUR_MS),
    missed: 0,
    isSkippedWhileActive: false,
    ...options,
  };
}

export async function tick(store: Store, command: TickCommand): Promise<TickReply> {
  const [reply] = await store.tick({ ticks: [command] });
  assert.ok(reply);
  return reply;
}

/** A schedule whose next tick is due already. */
export async function dueSchedule(
  { store, now }: World,
  options: Partial<NewSchedule> = {},
): Promise<ScheduleRecord> {
  return putOne(store, schedule(tickAt((await now()) - 1_000), options));
}
