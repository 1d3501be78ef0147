// Ticks: each enqueues its job once, however many fire it, and moves its schedule on in the same act.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import {
  commandFor,
  dueNames,
  dueSchedule,
  makeId,
  named,
  putOne,
  schedule,
  tick,
  tickAt,
} from "./schedule-cases.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, assertFields } from "./world.ts";

const needs = ["schedules"] as const;

export const ticksTopic: Topic = {
  name: "a tick",
  cases: [
    {
      name: "fires a job made of the schedule, ready at once, and moves its schedule on",
      needs: ["schedules", "priorities"],
      async run(world) {
        const { store, record, worker } = world;
        const job = {
          type: "mail",
          queue: "mail",
          input: '{"n":1}',
          tags: ["schedule:daily"],
          headStartMs: 1_000,
        };
        const due = await dueSchedule(world, { job });
        const command = commandFor(due);
        const [fired] = command.fire;
        assert.ok(fired);
        assert.deepEqual(await tick(store, command), {
          accepted: true,
          jobs: [{ id: fired.id, state: "ready", isNew: true }],
          skipped: 0,
        });
        assertFields(await record(fired.id), { ...job, state: "ready" });
        const after = await named(store);
        assertFields(after, { next: command.next, enqueued: 1, revision: due.revision });
        assert.deepEqual(
          { dueAtMs: after.last?.dueAtMs, jobId: after.last?.jobId },
          { dueAtMs: fired.dueAtMs, jobId: fired.id },
        );
        assert.deepEqual(await dueNames(store), []);
        const [claimed] = await (await worker()).claim();
        assert.equal(claimed?.id, fired.id);
      },
    },
    {
      name: "is fired once, of all who fire it at once, also after its job has ended and is gone",
      needs,
      async run(world) {
        const { store } = world;
        const due = await dueSchedule(world);
        const commands = Array.from({ length: 8 }, () => commandFor(due));
        const replies = await Promise.all(commands.map((command) => tick(store, command)));
        assert.equal(replies.filter(({ accepted }) => accepted).length, 1);
        const [{ jobs }] = [await store.list({ filter: { type: "mail" }, limit: 10 })];
        assert.equal(jobs.length, 1);
        await store.remove({ ids: jobs.map(({ id }) => id) });
        assert.deepEqual(await tick(store, commandFor(due)), { accepted: false, why: "stale" });
        assert.deepEqual((await store.list({ filter: { type: "mail" }, limit: 10 })).jobs, []);
      },
    },
    {
      name: "is fired once by two stores on the same data",
      needs: [...needs, "second-object"],
      async run(world) {
        const { store, openSecond } = world;
        const second = await openSecond();
        const due = await dueSchedule(world);
        assert.deepEqual(await named(second), due);
        const replies = await Promise.all(
          [store, second, store, second].map((each) => tick(each, commandFor(due))),
        );
        assert.equal(replies.filter(({ accepted }) => accepted).length, 1);
        assert.deepEqual(await named(second), await named(store));
      },
    },
    {
      name: "is followed by the next one when its job is removed before it ran",
      needs,
      async run(world) {
        const { store, advance } = world;
        const due = await dueSchedule(world);
        const command = commandFor(due);
        await tick(store, command);
        await store.remove({ ids: command.fire.map(({ id }) => id) });
        await advance(2 * HOUR_MS);
        assert.deepEqual(await dueNames(store), ["daily"]);
        assert.equal((await tick(store, commandFor(await named(store)))).accepted, true);
      },
    },
    {
      name: "of several in one act fire in order",
      needs,
      async run(world) {
        const { store } = world;
        const due = await dueSchedule(world);
        const dueAtMs = due.next?.dueAtMs ?? 0;
        const fire = [0, 1, 2].map((step) => ({
          id: makeId("mail"),
          dueAtMs: dueAtMs + step * 1_000,
        }));
        const reply = await tick(store, commandFor(due, { fire, missed: 4 }));
        assert.ok(reply.accepted);
        assert.deepEqual(
          reply.jobs.map(({ id }) => id),
          fire.map(({ id }) => id),
        );
        const after = await named(store);
        assertFields(after, { enqueued: 3, missed: 4 });
        assert.equal(after.last?.dueAtMs, dueAtMs + 2_000);
      },
    },
    {
      name: "is skipped while the last one's job is active, if told so, and the next fires when that has ended",
      needs,
      async run(world) {
        const { store, worker } = world;
        const due = await dueSchedule(world);
        await tick(store, commandFor(due, { next: tickAt((due.next?.dueAtMs ?? 0) + 1) }));
        const alone = commandFor(await named(store), {
          isSkippedWhileActive: true,
          next: tickAt((due.next?.dueAtMs ?? 0) + 2),
        });
        assert.deepEqual(await tick(store, alone), { accepted: true, jobs: [], skipped: 1 });
        assertFields(await named(store), { enqueued: 1, skipped: 1, next: alone.next });
        const running = await worker();
        const [claimed] = await running.claim();
        assert.ok(claimed);
        await running.settle(outcomes.succeeded(), claimed);
        const last = commandFor(await named(store), { isSkippedWhileActive: true });
        const reply = await tick(store, last);
        assert.ok(reply.accepted && reply.jobs.length === 1);
      },
    },
    {
      name: "is refused where the schedule was read before it was changed, paused or removed",
      needs,
      async run(world) {
        const { store } = world;
        const due = await dueSchedule(world);
        const changed = await putOne(
          store,
          schedule(due.next, { job: { ...due.job, input: "[]" } }),
        );
        assert.deepEqual(await tick(store, commandFor(due)), { accepted: false, why: "stale" });
        await store.changeSchedules({
          changes: [{ kind: "pause", name: "daily", by: "ops", reason: "why" }],
        });
        assert.deepEqual(await tick(store, commandFor(changed)), { accepted: false, why: "stale" });
        await store.changeSchedules({ changes: [{ kind: "remove", name: "daily" }] });
        assert.deepEqual(await tick(store, commandFor(changed)), { accepted: false, why: "gone" });
        assert.deepEqual((await store.list({ filter: {}, limit: 10 })).jobs, []);
      },
    },
  ],
};
