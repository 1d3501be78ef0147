// Delays: jobs wait for their time by the store's clock, and then come in their turn.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS } from "./world.ts";

export const delaysTopic: Topic = {
  name: "delays",
  cases: [
    {
      name: "hold a job back until its time, not longer",
      async run({ enqueue, worker, advance, record }) {
        const [id = ""] = await enqueue({ delayMs: 10 * MINUTE_MS });
        const { claim, claimOne } = await worker();
        assert.deepEqual(await claim(), []);
        await advance(8 * MINUTE_MS);
        assert.deepEqual(await claim(), []);
        assert.equal((await record(id)).state, "scheduled");
        await advance(2 * MINUTE_MS);
        assert.equal((await claimOne()).id, id);
      },
    },
    {
      name: "may be given as a time",
      async run({ enqueue, worker, advance, now }) {
        const nowMs = await now();
        const [id = ""] = await enqueue({ runAtMs: nowMs + HOUR_MS });
        const { claim, claimOne } = await worker();
        await advance(HOUR_MS - 2 * MINUTE_MS);
        assert.deepEqual(await claim(), []);
        await advance(2 * MINUTE_MS);
        assert.equal((await claimOne()).id, id);
      },
    },
    {
      name: "put a job among the others by when it was due",
      isAboutOrder: true,
      async run({ enqueue, worker, advance }) {
        const [late = "", early = ""] = await enqueue(
          { delayMs: 20 * MINUTE_MS },
          { delayMs: 5 * MINUTE_MS },
        );
        await advance(10 * MINUTE_MS);
        const [between = ""] = await enqueue({});
        await advance(15 * MINUTE_MS);
        const [last = ""] = await enqueue({});
        const claimed = await (await worker()).claim();
        assert.deepEqual(
          claimed.map(({ id }) => id),
          [early, between, late, last],
        );
      },
    },
    {
      name: "let a head start count from when the job is due",
      needs: ["priorities"],
      isAboutOrder: true,
      async run({ enqueue, worker, advance }) {
        const [ahead = ""] = await enqueue({ delayMs: 10 * MINUTE_MS, headStartMs: 5 * MINUTE_MS });
        await advance(4 * MINUTE_MS);
        const [before = ""] = await enqueue({});
        await advance(3 * MINUTE_MS);
        const [behind = ""] = await enqueue({});
        await advance(3 * MINUTE_MS);
        const claimed = await (await worker()).claim();
        assert.deepEqual(
          claimed.map(({ id }) => id),
          [before, ahead, behind],
        );
      },
    },
    {
      name: "of many jobs that end at one moment leave none behind",
      async run({ enqueueMany, worker, advance }) {
        const ids = await enqueueMany(700, { delayMs: MINUTE_MS });
        await advance(MINUTE_MS);
        const { claim } = await worker();
        const claimed: string[] = [];
        for (let round = 0; round < 7; round += 1) {
          claimed.push(...(await claim({ capacity: 100 })).map(({ id }) => id));
        }
        assert.deepEqual([...claimed].sort(), ids);
      },
    },
    {
      name: "of a retry and of a snooze hold the job back just so",
      isAboutOrder: true,
      async run({ enqueue, worker, advance }) {
        await enqueue({}, {});
        const { claim, claimOne, settle } = await worker();
        const [first, second] = await claim();
        assert.ok(first !== undefined && second !== undefined);
        assert.deepEqual(await settle(outcomes.retry(10 * MINUTE_MS), first), ["scheduled"]);
        assert.deepEqual(await settle(outcomes.snooze(5 * MINUTE_MS), second), ["scheduled"]);
        assert.deepEqual(await claim(), []);
        await advance(5 * MINUTE_MS);
        assert.equal((await claimOne()).id, second.id);
        assert.deepEqual(await claim(), []);
        await advance(5 * MINUTE_MS);
        assert.equal((await claimOne()).id, first.id);
      },
    },
  ],
};
