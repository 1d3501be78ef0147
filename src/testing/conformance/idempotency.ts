// Idempotency keys: one job per type and key, for as long as the key is remembered.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS } from "./world.ts";

const idempotency = { key: "order-7", rememberMs: 10 * MINUTE_MS };

export const idempotencyTopic: Topic = {
  name: "idempotency keys",
  cases: [
    {
      name: "give the job that stands, and the one given is not kept",
      async run({ store, job, worker }) {
        const first = job({ idempotency, input: '"first"' });
        const second = job({ idempotency, input: '"second"' });
        await store.enqueue({ jobs: [first] });
        assert.deepEqual(await store.enqueue({ jobs: [second] }), [
          { id: first.id, state: "ready", isNew: false },
        ]);
        assert.deepEqual(await store.get({ ids: [second.id] }), [null]);
        const claimed = await (await worker()).claim();
        assert.deepEqual(
          claimed.map(({ id, input }) => ({ id, input })),
          [{ id: first.id, input: '"first"' }],
        );
      },
    },
    {
      name: "hold within one call, and when the very call is repeated",
      async run({ store, job }) {
        const jobs = [job({ idempotency }), job({ idempotency }), job({})];
        const [first, , plain] = jobs;
        const expected = (isNew: boolean): readonly object[] => [
          { id: first?.id, state: "ready", isNew },
          { id: first?.id, state: "ready", isNew: false },
          { id: plain?.id, state: "ready", isNew },
        ];
        assert.deepEqual(await store.enqueue({ jobs }), expected(true));
        assert.deepEqual(await store.enqueue({ jobs }), expected(false));
      },
    },
    {
      name: "are apart for each type, and the same over queues",
      async run({ store, job }) {
        const replies = await store.enqueue({
          jobs: [
            job({ type: "a", queue: "one", idempotency }),
            job({ type: "b", queue: "one", idempotency }),
            job({ type: "a", queue: "two", idempotency }),
            job({ type: "a", queue: "one", idempotency: { ...idempotency, key: "order-8" } }),
          ],
        });
        assert.deepEqual(
          replies.map(({ isNew }) => isNew),
          [true, true, false, true],
        );
      },
    },
    {
      name: "are remembered when the job has ended, and when it is no longer kept",
      async run({ store, job, worker }) {
        const first = job({ idempotency });
        const other = job({ idempotency: { ...idempotency, key: "order-8" } });
        await store.enqueue({ jobs: [first, other] });
        const { settle, claim } = await worker();
        for (const claimed of await claim()) {
          const isFirst = claimed.id === first.id;
          const outcome = isFirst ? outcomes.failed() : outcomes.succeeded("1", REMOVE_AT_ONCE);
          await settle(outcome, claimed);
        }
        assert.deepEqual(
          await store.enqueue({
            jobs: [job({ idempotency }), job({ idempotency: { ...idempotency, key: "order-8" } })],
          }),
          [
            { id: first.id, state: "failed", isNew: false },
            { id: other.id, state: null, isNew: false },
          ],
        );
        assert.deepEqual(await claim(), []);
      },
    },
    {
      name: "are forgotten when their time is over, counted from the enqueue",
      async run({ store, job, advance }) {
        const first = job({ idempotency, delayMs: HOUR_MS });
        await store.enqueue({ jobs: [first] });
        await advance(8 * MINUTE_MS);
        assert.equal((await store.enqueue({ jobs: [job({ idempotency })] }))[0]?.isNew, false);
        await advance(2 * MINUTE_MS);
        const next = job({ idempotency });
        assert.deepEqual(await store.enqueue({ jobs: [next] }), [
          { id: next.id, state: "ready", isNew: true },
        ]);
        assert.deepEqual(
          (await store.enqueue({ jobs: [job({ idempotency })] })).map(({ id }) => id),
          [next.id],
        );
      },
    },
    {
      name: "make one job of many calls at one moment",
      async run({ store, job }) {
        const replies = await Promise.all(
          Array.from({ length: 100 }, () => store.enqueue({ jobs: [job({ idempotency })] })),
        );
        assert.equal(new Set(replies.flat().map(({ id }) => id)).size, 1);
        assert.equal(replies.flat().filter(({ isNew }) => isNew).length, 1);
      },
    },
    {
      name: "make one job of calls through two store objects",
      needs: ["second-object"],
      async run({ store, job, openSecond }) {
        const second = await openSecond();
        const replies = await Promise.all(
          Array.from({ length: 40 }, (_, index) =>
            (index % 2 === 0 ? store : second).enqueue({ jobs: [job({ idempotency })] }),
          ),
        );
        assert.equal(new Set(replies.flat().map(({ id }) => id)).size, 1);
      },
    },
  ],
};
