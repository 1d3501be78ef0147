// Random commands about schedules: put, paused, resumed, removed, and fired by the right and the wrong word.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type {
  ScheduleChange,
  ScheduleRecord,
  TickCommand,
} from "../../../src/core/schedule-record.ts";
import type { Tick } from "../../../src/core/schedule.ts";
import { changeModelSchedules, tickModel } from "../../../src/testing/index.ts";
import { command, minutes, pick, terms } from "./command.ts";
import { MINUTE_MS, QUEUES, type Side, TAGS, TYPES, withoutDue } from "./side.ts";

const NAMES = ["s1", "s2", "s3"] as const;

/** Half a minute off the whole ones that pass, so that nothing is due by the time that the commands take. */
const offset = fc.integer({ min: -6, max: 6 }).map((count) => (count + 0.5) * MINUTE_MS);
const nextTick = fc.option(fc.record({ offsetMs: offset, jitterMs: minutes }), { freq: 6 });

function tickOf(drawn: { offsetMs: number; jitterMs: number } | null, nowMs: number): Tick | null {
  if (drawn === null) return null;
  const dueAtMs = Math.max(0, Math.floor(nowMs / 1_000) * 1_000 + drawn.offsetMs);
  return { dueAtMs, fireAtMs: dueAtMs + drawn.jitterMs };
}

async function change(side: Side, changes: readonly ScheduleChange[]): Promise<void> {
  const expected = changeModelSchedules(side.model, changes, await side.now());
  const replies = await side.store.changeSchedules({ changes });
  assert.deepEqual(
    replies.map(({ isChanged, schedule }) => [isChanged, schedule?.name]),
    expected.map(({ isChanged, schedule }) => [isChanged, schedule?.name]),
  );
}

const put = command(
  "put a schedule",
  fc.array(
    fc.record({
      name: fc.constantFrom(...NAMES),
      spec: fc.constantFrom('{"every":1}', '{"every":2}'),
      next: nextTick,
      job: fc.record(
        {
          type: fc.constantFrom(...TYPES),
          queue: fc.constantFrom(...QUEUES),
          input: fc.constantFrom("1", '{"n":2.0}'),
          tags: fc.subarray([...TAGS]),
          terms,
          expireAfterMs: minutes,
        },
        { requiredKeys: ["type", "queue", "input"] },
      ),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  async (side, drawn) => {
    const nowMs = await side.now();
    await change(
      side,
      drawn.map(({ next, job, ...schedule }) => ({
        kind: "put",
        // A drawn record has no prototype, a kept one does.
        schedule: { ...schedule, job: { ...job }, next: tickOf(next, nowMs) },
      })),
    );
  },
);

const pauseOrResume = command(
  "pause or resume a schedule",
  fc.record({ name: fc.constantFrom(...NAMES), isPause: fc.boolean(), next: nextTick }),
  async (side, { name, isPause, next }) => {
    await change(side, [
      isPause
        ? { kind: "pause", name, by: "ops", reason: "r" }
        : { kind: "resume", name, next: tickOf(next, await side.now()) },
    ]);
  },
);

const remove = command("remove a schedule", fc.constantFrom(...NAMES), (side, name) =>
  change(side, [{ kind: "remove", name }]),
);

/** As a scheduler fires it; now and then with an old word, as one does that comes too late. */
const fire = command(
  "fire a schedule",
  fc.record({
    which: pick,
    ticks: fc.integer({ min: 0, max: 3 }),
    next: nextTick,
    missed: fc.nat(3),
    isSkippedWhileActive: fc.boolean(),
    isLate: fc.constantFrom(false, false, false, true),
  }),
  async (side, drawn) => {
    const known = pickSchedule(side, drawn.which);
    if (known === undefined) return;
    const nowMs = await side.now();
    const dueAtMs = known.next?.dueAtMs ?? 0;
    const tick: TickCommand = {
      name: known.name,
      revision: known.revision - (drawn.isLate && drawn.which % 2 === 0 ? 1 : 0),
      dueAtMs: dueAtMs - (drawn.isLate && drawn.which % 2 === 1 ? 1_000 : 0),
      fire: Array.from({ length: drawn.ticks }, (_, count) => ({
        id: side.identify(known.job).id,
        dueAtMs: dueAtMs + count * 1_000,
      })),
      next: tickOf(drawn.next, nowMs),
      missed: drawn.missed,
      isSkippedWhileActive: drawn.isSkippedWhileActive,
    };
    const expected = tickModel(side.model, tick, nowMs);
    const [reply] = await side.store.tick({ ticks: [tick] });
    assert.ok(reply !== undefined);
    assert.deepEqual(comparable(reply), comparable(expected));
  },
);

function pickSchedule({ model }: Side, which: number): ScheduleRecord | undefined {
  const schedules = [...model.schedules.values()];
  return schedules[which % Math.max(1, schedules.length)];
}

function comparable(reply: Awaited<ReturnType<Side["store"]["tick"]>>[number]): object {
  return reply.accepted ? { ...reply, jobs: reply.jobs.map(withoutDue) } : reply;
}

/** Firing comes most often; a store without schedules is spared them. */
export const scheduleCommands: readonly ReturnType<typeof command>[] = [
  put,
  put,
  pauseOrResume,
  remove,
  fire,
  fire,
  fire,
].map((each) =>
  each.map((made) => ({
    ...made,
    toString: () => made.toString(),
    check: () => true,
    run: async (model, side) => {
      if (side.store.capabilities.has("schedules")) await made.run(model, side);
    },
  })),
);
