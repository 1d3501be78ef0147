// When to look again: a worker that asks learns when time alone will make something claimable.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { offerOf, outcomes } from "./worker.ts";
import { MINUTE_MS, SLACK_MS } from "./world.ts";

/** Too early is allowed, too late never; but a store that says "now" all the time would be polling. */
function assertLookAgain(lookAgainInMs: number | null, dueInMs: number): void {
  assert.ok(lookAgainInMs !== null, "there is something to wait for");
  assert.ok(
    lookAgainInMs <= dueInMs && lookAgainInMs >= dueInMs - SLACK_MS,
    `look again in ${lookAgainInMs} ms; due in at most ${dueInMs} ms`,
  );
}

export const lookAgainTopic: Topic = {
  name: "look again",
  cases: [
    {
      name: "is null where nothing waits for its time",
      async run({ worker, enqueue }) {
        const { exchange } = await worker();
        assert.equal((await exchange([], { capacity: 1 })).lookAgainInMs, null);
        await enqueue({});
        assert.equal((await exchange([], { capacity: 2 })).lookAgainInMs, null);
      },
    },
    {
      name: "tells when the first of the jobs that wait is due, over all offers",
      async run({ worker, enqueue }) {
        await enqueue({ type: "a", delayMs: 5 * MINUTE_MS }, { type: "b", delayMs: 3 * MINUTE_MS });
        await enqueue({ type: "a", delayMs: 9 * MINUTE_MS });
        const { exchange } = await worker();
        const ask = { capacity: 1, offers: [offerOf("a"), offerOf("b"), offerOf("c")] };
        assertLookAgain((await exchange([], ask)).lookAgainInMs, 3 * MINUTE_MS);
      },
    },
    {
      name: "comes nearer as time passes, and then the job is claimed",
      async run({ worker, enqueue, advance }) {
        const [id] = await enqueue({ delayMs: 5 * MINUTE_MS });
        const { exchange } = await worker();
        assertLookAgain((await exchange([], { capacity: 1 })).lookAgainInMs, 5 * MINUTE_MS);
        await advance(3 * MINUTE_MS);
        assertLookAgain((await exchange([], { capacity: 1 })).lookAgainInMs, 2 * MINUTE_MS);
        await advance(2 * MINUTE_MS);
        const { claimed, lookAgainInMs } = await exchange([], { capacity: 2 });
        assert.deepEqual(
          { ids: claimed.map((job) => job.id), lookAgainInMs },
          { ids: [id], lookAgainInMs: null },
        );
      },
    },
    {
      name: "knows of a retry and a snooze that the same call settled",
      isAboutOrder: true,
      async run({ worker, enqueue }) {
        await enqueue({}, {});
        const { claim, exchange } = await worker();
        const [first, second] = await claim();
        assert.ok(first !== undefined && second !== undefined);
        const { lookAgainInMs } = await exchange(
          [
            { id: first.id, token: first.token, outcome: outcomes.retry(7 * MINUTE_MS) },
            { id: second.id, token: second.token, outcome: outcomes.snooze(4 * MINUTE_MS) },
          ],
          { capacity: 1 },
        );
        assertLookAgain(lookAgainInMs, 4 * MINUTE_MS);
      },
    },
    {
      name: "knows of a job that came after the last look",
      async run({ worker, enqueue }) {
        const { exchange } = await worker();
        await exchange([], { capacity: 1 });
        await enqueue({ delayMs: 20 * MINUTE_MS });
        await exchange([], { capacity: 1 });
        await enqueue({ delayMs: 2 * MINUTE_MS });
        assertLookAgain((await exchange([], { capacity: 1 })).lookAgainInMs, 2 * MINUTE_MS);
      },
    },
  ],
};
