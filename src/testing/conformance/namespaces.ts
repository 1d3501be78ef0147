// Namespaces: environments and applications in one place that see nothing of each other.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS } from "./world.ts";

export const namespacesTopic: Topic = {
  name: "namespaces",
  cases: [
    {
      name: "keep jobs, queues, types, pauses and workers apart",
      needs: ["second-object"],
      async run({ store, openElsewhere, enqueue, worker, putType, job }) {
        const elsewhere = await openElsewhere();
        const ids = await enqueue({}, {});
        await putType();
        await store.setPaused({ queue: "paused", paused: true, by: "ops", reason: "r" });
        const here = await worker();
        assert.deepEqual(await elsewhere.get({ ids }), [null, null]);
        assert.deepEqual(await elsewhere.list({ filter: {}, limit: 10 }), { jobs: [] });
        assert.deepEqual(await elsewhere.queues(), []);
        assert.deepEqual(await elsewhere.types(), []);
        assert.deepEqual(await elsewhere.workers(), []);
        const there = await worker({ store: elsewhere });
        assert.deepEqual(await there.claim(), []);
        await elsewhere.enqueue({ jobs: [job({ type: "mail" })] });
        assert.equal((await there.claim()).length, 1);
        assert.equal((await here.claim()).length, 2);
        assert.deepEqual(
          (await store.workers()).map(({ id }) => id),
          [here.id],
        );
      },
    },
    {
      name: "may hold jobs of one id, and keys of one name",
      needs: ["second-object"],
      async run({ store, openElsewhere, job, worker, sweep, advance }) {
        const elsewhere = await openElsewhere();
        const same = job({ idempotency: { key: "k", rememberMs: HOUR_MS } });
        await store.enqueue({ jobs: [{ ...same, input: '"here"' }] });
        const [reply] = await elsewhere.enqueue({ jobs: [{ ...same, input: '"there"' }] });
        assert.equal(reply?.isNew, true);
        const here = await worker({ leaseDurationMs: HOUR_MS });
        const claimed = await here.claimOne();
        assert.equal(claimed.input, '"here"');
        const there = await worker({ store: elsewhere, leaseDurationMs: HOUR_MS });
        assert.deepEqual(await there.trySettle(outcomes.failed(), claimed), [
          { accepted: false, why: "stale" },
        ]);
        assert.deepEqual(await elsewhere.cancel({ ids: [same.id], reason: "r" }), [
          { changed: true, state: "cancelled" },
        ]);
        assert.deepEqual(await elsewhere.remove({ ids: [same.id] }), [
          { changed: true, state: "cancelled" },
        ]);
        await advance(2 * HOUR_MS);
        assert.deepEqual((await sweep(elsewhere)).deadWorkers, [there.id]);
        const [record] = await store.get({ ids: [same.id] });
        assert.equal(record?.state, "running");
        assert.deepEqual((await sweep()).deadWorkers, [here.id]);
      },
    },
  ],
};
