// By hand: retrying jobs that ended, and removing jobs.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { FAILURE, offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, assertFields, assertNear } from "./world.ts";

export const byHandTopic: Topic = {
  name: "by hand",
  cases: [
    {
      name: "a failed job is made ready again, with a fresh set of attempts and its history",
      async run({ store, enqueue, worker, record, now, advance }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        await settle(outcomes.retry(0), await claimOne());
        await settle(outcomes.failed(), await claimOne());
        await advance(HOUR_MS);
        assert.deepEqual(await store.retry({ ids: [id] }), [{ changed: true, state: "ready" }]);
        const kept = await record(id);
        assertNear(kept.dueAtMs, await now(), "dueAtMs");
        assertFields(kept, {
          state: "ready",
          attempts: 0,
          crashes: 0,
          error: FAILURE,
          finishedAtMs: null,
          removeAtMs: null,
        });
        assert.equal(kept.history.length, 2);
        const again = await claimOne();
        assert.deepEqual([again.id, again.attempt], [id, 1]);
        await settle(outcomes.succeeded("1"), again);
        assertFields(await record(id), { state: "succeeded", attempts: 1, error: null });
      },
    },
    {
      name: "a cancelled job is made ready again, and runs",
      async run({ store, enqueue, worker, record }) {
        const [id = ""] = await enqueue({ delayMs: HOUR_MS });
        await store.cancel({ ids: [id], reason: "oops" });
        await store.retry({ ids: [id] });
        assertFields(await record(id), { state: "ready", cancelRequest: null });
        const { claimOne, settle } = await worker();
        assert.deepEqual(await settle(outcomes.retry(MINUTE_MS), await claimOne()), ["scheduled"]);
      },
    },
    {
      name: "other jobs are not retried, and their state is told",
      isAboutOrder: true,
      async run({ store, enqueue, worker, job }) {
        const [ended = "", running = "", ready = "", scheduled = ""] = await enqueue(
          {},
          {},
          {},
          { delayMs: HOUR_MS },
        );
        const { claimOne, settle, claim } = await worker();
        await settle(outcomes.succeeded(), await claimOne());
        await claimOne();
        assert.deepEqual(
          await store.retry({ ids: [ended, running, ready, scheduled, job().id] }),
          ["succeeded", "running", "ready", "scheduled", null].map((state) => ({
            changed: false,
            state,
          })),
        );
        assert.deepEqual(
          (await claim()).map(({ id }) => id),
          [ready],
        );
      },
    },
    {
      name: "jobs that do not run are removed, with all that is kept of them",
      isAboutOrder: true,
      needs: ["tags"],
      async run({ store, enqueue, worker, advance }) {
        const ids = await enqueue({}, {}, { tags: ["t"] }, { delayMs: MINUTE_MS, tags: ["t"] });
        const [failed = "", running = "", ready = "", scheduled = ""] = ids;
        const { claimOne, settle, claim } = await worker();
        await settle(outcomes.failed(), await claimOne());
        await claimOne();
        assert.deepEqual(await store.remove({ ids: [scheduled, running, ready, failed, ready] }), [
          { changed: true, state: "scheduled" },
          { changed: false, state: "running" },
          { changed: true, state: "ready" },
          { changed: true, state: "failed" },
          { changed: false, state: null },
        ]);
        await advance(HOUR_MS);
        assert.deepEqual(await claim(), []);
        const { jobs } = await store.list({ filter: {}, limit: 10 });
        assert.deepEqual(
          jobs.map(({ id }) => id),
          [running],
        );
        assert.deepEqual((await store.list({ filter: { tag: "t" }, limit: 10 })).jobs, []);
        const [queue] = await store.queues();
        assert.deepEqual(
          {
            running: queue?.counts.running,
            ready: queue?.counts.ready,
            failed: queue?.counts.failed,
          },
          { running: 1, ready: 0, failed: 0 },
        );
      },
    },
    {
      name: "a job that was removed and comes again under its id runs once, as what it is now",
      async run({ store, enqueue, enqueueMany, job, worker, record }) {
        const offers = [offerOf("mail"), offerOf("mail", "letter")];
        for (const capacity of [1, 10]) {
          for (const type of ["mail", "letter"]) {
            const again = job();
            await store.enqueue({ jobs: [again] });
            const [other = ""] = await enqueue({});
            await store.remove({ ids: [again.id] });
            await store.enqueue({ jobs: [{ ...again, type }] });
            await store.remove({ ids: [again.id] });
            const [reply] = await store.enqueue({ jobs: [{ ...again, type }] });
            assert.equal(reply?.isNew, true);
            const [last = ""] = await enqueueMany(1);
            const listed = await store.list({ filter: { states: ["ready"] }, limit: 10 });
            assert.deepEqual(
              listed.jobs.map(({ id }) => id).sort(),
              [again.id, other, last].sort(),
            );
            const one = await worker({ offers });
            const claimed = [];
            for (let calls = 0; calls < 5; calls += 1) {
              claimed.push(...(await one.claim({ capacity })));
            }
            assert.deepEqual(claimed.map(({ id }) => id).sort(), [again.id, other, last].sort());
            assert.equal(claimed.find(({ id }) => id === again.id)?.type, type);
            assertFields(await record(again.id), { state: "running", type });
            await one.settle(outcomes.succeeded(), ...claimed);
            const [queue] = await store.queues();
            assertFields(queue?.counts ?? {}, { ready: 0, running: 0 });
            await store.remove({ ids: claimed.map(({ id }) => id) });
            await one.attachment.close();
          }
        }
      },
    },
    {
      name: "a job that failed while it ran beside others does not haunt them when it is retried",
      async run({ store, enqueueMany, worker }) {
        const ids = await enqueueMany(3);
        const { claim, settle } = await worker();
        const claimed = await claim();
        await settle(outcomes.failed(), ...claimed);
        await store.retry({ ids });
        assert.deepEqual((await claim()).map(({ id }) => id).sort(), ids);
      },
    },
  ],
};
