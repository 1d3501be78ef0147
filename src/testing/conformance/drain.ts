// Draining: a queue that takes nothing new in, while what is there runs out.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { beginRun, say, step } from "./run-cases.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, SLACK_MS, assertNear } from "./world.ts";

const DOOR = { queue: "mail", by: "ops", reason: "moving house" };

export const drainTopic: Topic = {
  name: "draining queues",
  cases: [
    {
      name: "refuse new jobs, and say by whom, why and since when",
      needs: ["drain"],
      async run({ store, enqueue, job, now }) {
        const [kept = ""] = await enqueue({});
        await store.setPaused({ ...DOOR, draining: true });
        const [queue] = await store.queues();
        assertNear(queue?.draining?.atMs ?? null, await now(), "draining.atMs");
        assert.deepEqual(
          { by: queue?.draining?.by, paused: queue?.paused },
          { by: "ops", paused: null },
        );
        const [other, refused, again] = [job({ type: "b" }), job(), { ...job(), id: kept }];
        const plain = job({ tags: ["t"], delayMs: HOUR_MS });
        const replies = await store.enqueue({ jobs: [refused, other, again, plain] });
        assert.deepEqual(replies, [
          { id: refused.id, state: null, isNew: false, because: "draining" },
          { id: other.id, state: "ready", isNew: true },
          { id: kept, state: "ready", isNew: false },
          { id: plain.id, state: null, isNew: false, because: "draining" },
        ]);
        assert.deepEqual(await store.get({ ids: [refused.id, plain.id] }), [null, null]);
        await store.setPaused({ ...DOOR, draining: false });
        const [taken] = await store.enqueue({ jobs: [refused] });
        assert.equal(taken?.isNew, true);
        assert.equal((await store.queues())[0]?.draining, null);
      },
    },
    {
      name: "run out, retries and what is scheduled included",
      needs: ["drain"],
      async run({ store, enqueue, worker, advance }) {
        const [failing = "", later = ""] = await enqueue({}, { delayMs: HOUR_MS });
        await store.setPaused({ ...DOOR, draining: true });
        const { claimOne, settle } = await worker({ leaseDurationMs: 100 * HOUR_MS });
        await settle(outcomes.retry(0), await claimOne());
        await settle(outcomes.failed(), await claimOne());
        assert.deepEqual(await store.retry({ ids: [failing] }), [
          { changed: true, state: "ready" },
        ]);
        await settle(outcomes.succeeded(), await claimOne());
        await advance(HOUR_MS + SLACK_MS);
        assert.equal((await claimOne()).id, later);
      },
    },
    {
      name: "remember keys for nothing that they refused",
      needs: ["drain"],
      async run({ store, job }) {
        const keyed = () => job({ idempotency: { key: "k", rememberMs: HOUR_MS } });
        await store.setPaused({ ...DOOR, draining: true });
        const [refused] = await store.enqueue({ jobs: [keyed()] });
        assert.equal(refused?.because, "draining");
        await store.setPaused({ ...DOOR, draining: false });
        const [taken] = await store.enqueue({ jobs: [keyed()] });
        assert.equal(taken?.isNew, true);
        await store.setPaused({ ...DOOR, draining: true });
        const [standing] = await store.enqueue({ jobs: [keyed()] });
        assert.deepEqual(standing, { id: taken?.id, state: "ready", isNew: false });
      },
    },
    {
      name: "are a matter apart from paused ones",
      needs: ["drain"],
      async run({ store, enqueue, worker, job }) {
        await enqueue({});
        await store.setPaused({ ...DOOR, paused: true, draining: true });
        const { claim } = await worker();
        assert.deepEqual(await claim(), []);
        await store.setPaused({ ...DOOR, paused: false });
        assert.equal((await claim()).length, 1);
        assert.equal((await store.enqueue({ jobs: [job()] }))[0]?.because, "draining");
      },
    },
    {
      name: "take in the steps of runs, which are no new work, and hand them over",
      needs: ["drain", "workflows"],
      async run(world) {
        const { owner, run } = await beginRun(world);
        await world.store.setPaused({ ...DOOR, queue: "step", draining: true });
        const [plain, tagged] = [step(world), step(world, { tags: ["t"], delayMs: HOUR_MS })];
        const mine = step(world, { token: "mine.1" });
        const children = [mine, plain, tagged];
        assert.ok((await say(world, owner, run, { entries: ["1"], children })).accepted);
        const kept = await world.store.get({ ids: children.map(({ id }) => id) });
        assert.deepEqual(
          kept.map((record) => record?.parent),
          children.map(() => run.id),
        );
        assert.equal((await world.store.enqueue({ jobs: [step(world)] }))[0]?.because, "draining");
      },
    },
    {
      name: "drain through one store object for all",
      needs: ["drain", "second-object"],
      async run({ store, openSecond, job }) {
        const second = await openSecond();
        await second.setPaused({ ...DOOR, draining: true });
        assert.equal((await store.enqueue({ jobs: [job()] }))[0]?.because, "draining");
      },
    },
  ],
};
