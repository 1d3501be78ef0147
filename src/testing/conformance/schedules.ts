// Schedules: kept once however often they are put, due at their time, paused, resumed and removed.
import assert from "node:assert/strict";
import type { ScheduleQuery } from "../../core/schedule-record.ts";
import type { Topic } from "./harness.ts";
import { dueNames, dueSchedule, named, put, putOne, schedule, tickAt } from "./schedule-cases.ts";
import { HOUR_MS, MINUTE_MS, assertFields, assertNear } from "./world.ts";

const needs = ["schedules"] as const;

export const schedulesTopic: Topic = {
  name: "schedules",
  cases: [
    {
      name: "are kept with all that was said of them",
      needs: ["schedules", "labels", "priorities"],
      async run({ store, now }) {
        const next = tickAt((await now()) + HOUR_MS, 500);
        const job = {
          type: "mail",
          queue: "post",
          input: '{"to":"all"}',
          headStartMs: 60_000,
          expireAfterMs: 5_000,
          labels: ["gpu"],
          tags: ["a", "b"],
          retention: {
            succeeded: { ageMs: 0, count: 0 },
            failed: { ageMs: 1_000, count: 5 },
            cancelled: { ageMs: 1_000, count: Number.POSITIVE_INFINITY },
          },
        };
        const wanted = schedule(next, { job });
        const record = await putOne(store, wanted);
        assertFields(record, {
          ...wanted,
          last: null,
          enqueued: 0,
          skipped: 0,
          missed: 0,
          paused: null,
        });
        assertNear(record.createdAtMs, await now(), "createdAtMs");
        assert.deepEqual(await named(store), record);
      },
    },
    {
      name: "put again unchanged stay as they are, their next tick included",
      needs,
      async run({ store, now }) {
        const first = await putOne(store, schedule(tickAt((await now()) + HOUR_MS)));
        const [again] = await store.changeSchedules({
          changes: [{ kind: "put", schedule: schedule(tickAt((await now()) + 2 * HOUR_MS)) }],
        });
        assert.deepEqual(again, { isChanged: false, schedule: first });
      },
    },
    {
      name: "put with another job keep their next tick, with another spec take the new one",
      needs,
      async run({ store, now }) {
        const nowMs = await now();
        const first = await putOne(store, schedule(tickAt(nowMs + HOUR_MS)));
        const later = tickAt(nowMs + 2 * HOUR_MS);
        const job = { ...first.job, input: "[]" };
        const second = await putOne(store, schedule(later, { job }));
        assertFields(second, { job, next: first.next });
        const third = await putOne(store, schedule(later, { job, spec: '{"every":1000}' }));
        assertFields(third, { next: later, createdAtMs: first.createdAtMs });
        assert.ok(third.revision > second.revision && second.revision > first.revision);
      },
    },
    {
      name: "are listed by name, page by page, and by type and queue",
      needs,
      async run({ store }) {
        const names = ["a", "b", "c", "d", "e"];
        await put(
          store,
          ...names.map((name, index) =>
            schedule(null, {
              name,
              job: { type: index < 2 ? "mail" : "post", queue: index < 4 ? "q" : "r", input: "{}" },
            }),
          ),
        );
        const page = async (query: Partial<ScheduleQuery & { kind: "page" }>) =>
          store.schedules({ kind: "page", filter: {}, limit: 2, ...query });
        const listed: string[] = [];
        let cursor: string | undefined;
        do {
          const found = await page(cursor === undefined ? {} : { cursor });
          assert.ok(found.schedules.length <= 2);
          listed.push(...found.schedules.map(({ name }) => name));
          ({ cursor } = found);
        } while (cursor !== undefined);
        assert.deepEqual(listed, names);
        const filtered = async (filter: { type?: string; queue?: string }) =>
          (await page({ filter, limit: 10 })).schedules.map(({ name }) => name);
        assert.deepEqual(await filtered({ type: "post" }), ["c", "d", "e"]);
        assert.deepEqual(await filtered({ queue: "r" }), ["e"]);
        assert.deepEqual(await filtered({ type: "post", queue: "q" }), ["c", "d"]);
      },
    },
    {
      name: "asked for by name come in the order asked, without those that are not kept",
      needs,
      async run({ store }) {
        await put(store, schedule(null, { name: "a" }), schedule(null, { name: "b" }));
        const { schedules } = await store.schedules({ kind: "named", names: ["b", "x", "a"] });
        assert.deepEqual(
          schedules.map(({ name }) => name),
          ["b", "a"],
        );
      },
    },
    {
      name: "are due from the time that their tick fires, first to fire first, and the next one is told",
      needs,
      async run({ store, now, advance }) {
        const nowMs = await now();
        await put(
          store,
          schedule(tickAt(nowMs + 20 * MINUTE_MS), { name: "second" }),
          schedule(tickAt(nowMs + 5 * MINUTE_MS, 5 * MINUTE_MS), { name: "first" }),
          schedule(tickAt(nowMs + 40 * MINUTE_MS), { name: "third" }),
          schedule(null, { name: "over" }),
        );
        const before = await store.schedules({ kind: "due", limit: 10 });
        assert.deepEqual(before.schedules, []);
        assertNear(before.lookAgainInMs, 10 * MINUTE_MS, "lookAgainInMs");
        await advance(30 * MINUTE_MS);
        const after = await store.schedules({ kind: "due", limit: 10 });
        assert.deepEqual(
          after.schedules.map(({ name }) => name),
          ["first", "second"],
        );
        assertNear(after.lookAgainInMs, 10 * MINUTE_MS, "lookAgainInMs");
        assertNear(after.nowMs, await now(), "nowMs");
        assert.equal((await store.schedules({ kind: "due", limit: 1 })).lookAgainInMs, 0);
        assert.deepEqual(await dueNames(store, 1), ["first"]);
      },
    },
    {
      name: "that are none need no look",
      needs,
      async run({ store }) {
        const { schedules, lookAgainInMs } = await store.schedules({ kind: "due", limit: 10 });
        assert.deepEqual({ schedules, lookAgainInMs }, { schedules: [], lookAgainInMs: null });
      },
    },
    {
      name: "are not due while paused, say who and why, and resume with the tick given",
      needs,
      async run(world) {
        const { store, now } = world;
        await dueSchedule(world);
        const [paused] = await store.changeSchedules({
          changes: [{ kind: "pause", name: "daily", by: "ops", reason: "migration" }],
        });
        assert.equal(paused?.isChanged, true);
        assertFields(paused?.schedule?.paused ?? assert.fail("a pause should be kept"), {
          by: "ops",
          reason: "migration",
        });
        const { schedules, lookAgainInMs } = await store.schedules({ kind: "due", limit: 10 });
        assert.deepEqual({ schedules, lookAgainInMs }, { schedules: [], lookAgainInMs: null });
        const next = tickAt((await now()) + HOUR_MS);
        const resume = { kind: "resume", name: "daily", next } as const;
        const [resumed] = await store.changeSchedules({ changes: [resume] });
        assertFields(resumed?.schedule ?? assert.fail("it should be kept"), { paused: null, next });
        const [again] = await store.changeSchedules({ changes: [resume] });
        assert.equal(again?.isChanged, false);
      },
    },
    {
      name: "stay paused when they are put again",
      needs,
      async run({ store }) {
        await put(store, schedule(null));
        await store.changeSchedules({
          changes: [{ kind: "pause", name: "daily", by: "ops", reason: "" }],
        });
        const changed = await putOne(store, schedule(tickAt(1), { spec: "{}" }));
        assert.equal(changed.paused?.by, "ops");
        assert.deepEqual(await dueNames(store), []);
      },
    },
    {
      name: "that are removed are gone, and say what they were",
      needs,
      async run(world) {
        const { store } = world;
        const due = await dueSchedule(world);
        const remove = { kind: "remove", name: "daily" } as const;
        assert.deepEqual(await store.changeSchedules({ changes: [remove] }), [
          { isChanged: true, schedule: due },
        ]);
        assert.deepEqual(await store.changeSchedules({ changes: [remove] }), [
          { isChanged: false, schedule: null },
        ]);
        assert.deepEqual(await dueNames(store), []);
        const { schedules } = await store.schedules({ kind: "page", filter: {}, limit: 10 });
        assert.deepEqual(schedules, []);
      },
    },
    {
      name: "of another namespace are not seen",
      needs,
      async run(world) {
        const { openElsewhere } = world;
        await dueSchedule(world);
        const elsewhere = await openElsewhere();
        assert.deepEqual(await dueNames(elsewhere), []);
        const { schedules } = await elsewhere.schedules({ kind: "named", names: ["daily"] });
        assert.deepEqual(schedules, []);
      },
    },
    {
      name: "are refused where a name, a tick or an input is wrong",
      needs,
      async run({ store }) {
        const long = JSON.stringify("x".repeat(300_000));
        for (const wrong of [
          schedule(null, { name: "" }),
          schedule({ dueAtMs: 0.5, fireAtMs: 1 }),
          schedule(null, { job: { type: "mail", queue: "mail", input: long } }),
        ]) {
          await assert.rejects(
            store.changeSchedules({ changes: [{ kind: "put", schedule: wrong }] }),
            { name: "MillraceError" },
          );
        }
      },
    },
  ],
};
