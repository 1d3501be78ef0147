// Expiry: a job that was not started in time fails, and never starts.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, assertFields } from "./world.ts";

export const expiryTopic: Topic = {
  name: "expiry",
  cases: [
    {
      name: "keeps a job from being claimed, swept or not",
      isAboutOrder: true,
      async run({ enqueue, worker, advance }) {
        const [late = "", fresh = ""] = await enqueue({ expireAfterMs: 10 * MINUTE_MS }, {});
        await advance(10 * MINUTE_MS);
        const { claim } = await worker();
        assert.deepEqual(
          (await claim()).map(({ id }) => id),
          [fresh],
        );
        assert.ok(late !== fresh);
      },
    },
    {
      name: "lets a job start up to then",
      async run({ enqueue, worker, advance, sweep }) {
        const [id = ""] = await enqueue({ expireAfterMs: 10 * MINUTE_MS });
        await advance(8 * MINUTE_MS);
        assert.equal((await sweep()).expired, 0);
        assert.equal((await (await worker()).claimOne()).id, id);
      },
    },
    {
      name: "fails the job in the sweep",
      async run({ enqueue, advance, sweep, record }) {
        const ids = await enqueue(
          { expireAfterMs: MINUTE_MS },
          { delayMs: MINUTE_MS, expireAfterMs: MINUTE_MS },
          { expireAfterMs: HOUR_MS },
        );
        await advance(2 * MINUTE_MS);
        assert.equal((await sweep()).expired, 2);
        for (const id of ids.slice(0, 2)) {
          const kept = await record(id);
          assertFields(kept, { state: "failed", attempts: 0, history: [], startedAtMs: null });
          assert.equal(kept.error?.code, "JOB_EXPIRED");
        }
        assert.equal((await record(ids[2] ?? "")).state, "ready");
      },
    },
    {
      name: "never touches a job that runs, and ends one that waits for its next try",
      async run({ enqueue, worker, advance, sweep, record }) {
        const [id = ""] = await enqueue({ expireAfterMs: 10 * MINUTE_MS });
        const { claimOne, settle } = await worker({ leaseDurationMs: 10 * HOUR_MS });
        const claimed = await claimOne();
        await advance(HOUR_MS);
        assert.equal((await sweep()).expired, 0);
        assert.deepEqual(await settle(outcomes.retry(MINUTE_MS), claimed), ["scheduled"]);
        assert.equal((await sweep()).expired, 1);
        const kept = await record(id);
        assertFields(kept, { state: "failed", attempts: 1 });
        assert.equal(kept.error?.code, "JOB_EXPIRED");
      },
    },
    {
      name: "is over when a job is retried by hand",
      async run({ store, enqueue, worker, advance, sweep, record }) {
        const [id = ""] = await enqueue({ expireAfterMs: MINUTE_MS });
        await advance(2 * MINUTE_MS);
        await sweep();
        await store.retry({ ids: [id] });
        assertFields(await record(id), { state: "ready", expiresAtMs: null });
        await advance(HOUR_MS);
        assert.equal((await (await worker()).claimOne()).id, id);
      },
    },
    {
      name: "of many jobs does not hide those behind them, and is swept in bounded steps",
      async run({ store, enqueueMany, enqueue, worker, advance }) {
        await enqueueMany(300, { expireAfterMs: MINUTE_MS });
        const [behind = ""] = await enqueue({});
        await advance(2 * MINUTE_MS);
        assert.equal((await (await worker()).claimOne()).id, behind);
        const steps: number[] = [];
        let more = true;
        while (more && steps.length < 100) {
          const step = await store.sweep({ limit: 50 });
          steps.push(step.expired);
          ({ more } = step);
        }
        assert.ok(
          steps.every((count) => count <= 50),
          `steps of at most 50: ${steps.join(", ")}`,
        );
        assert.equal(
          steps.reduce((sum, count) => sum + count, 0),
          300,
        );
      },
    },
  ],
};
