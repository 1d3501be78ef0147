// Concurrency: many callers at once, and each job still run once.
import assert from "node:assert/strict";
import type { Store } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { REMOVE_AT_ONCE, type StoreWorker, outcomes } from "./worker.ts";
import { type World, eventually } from "./world.ts";

const JOBS = 1_000;

/** Claims and settles until so many jobs were run in all; gives the ids in the order of their claims. */
async function work(by: StoreWorker, ran: string[], total: number): Promise<void> {
  let idleRounds = 0;
  while (ran.length < total && idleRounds < 2_000) {
    const claimed = await by.claim({ capacity: 20 });
    idleRounds = claimed.length === 0 ? idleRounds + 1 : 0;
    ran.push(...claimed.map(({ id }) => id));
    await by.settle(outcomes.succeeded(), ...claimed);
  }
}

async function shareWork({ store, worker, enqueueMany }: World, second: Store): Promise<void> {
  const ran: string[] = [];
  const workers = [await worker(), await worker({ store: second })];
  const enqueuing = (async () => {
    const ids: string[] = [];
    for (let batch = 0; batch < 10; batch += 1) ids.push(...(await enqueueMany(JOBS / 10)));
    return ids;
  })();
  await Promise.all(workers.flatMap((each) => [work(each, ran, JOBS), work(each, ran, JOBS)]));
  const ids = await enqueuing;
  assert.deepEqual([...ran].sort(), [...ids].sort());
  const [queue] = await store.queues();
  assert.deepEqual([queue?.counts.succeeded, queue?.counts.running], [JOBS, 0]);
}

export const concurrencyTopic: Topic = {
  name: "concurrency",
  cases: [
    {
      name: "two workers share 1,000 jobs, each run once",
      async run(world) {
        await shareWork(world, world.store);
      },
    },
    {
      name: "two workers on two store objects share 1,000 jobs, each run once",
      needs: ["second-object"],
      async run(world) {
        await shareWork(world, await world.openSecond());
      },
    },
    {
      name: "100 callers that enqueue one by one lose nothing",
      async run({ store, job, worker }) {
        const jobs = Array.from({ length: 500 }, () => job());
        await Promise.all(
          Array.from({ length: 100 }, async (_, caller) => {
            for (const each of jobs.slice(caller * 5, caller * 5 + 5)) {
              const [reply] = await store.enqueue({ jobs: [each] });
              assert.equal(reply?.isNew, true);
            }
          }),
        );
        assert.equal((await (await worker()).claim()).length, 500);
      },
    },
    {
      name: "claims at one moment never exceed what there is",
      async run({ enqueueMany, worker }) {
        const ids = await enqueueMany(30);
        const workers = [await worker(), await worker(), await worker()];
        const claims = await Promise.all(
          workers.flatMap((each) => Array.from({ length: 10 }, () => each.claim({ capacity: 4 }))),
        );
        const claimed = claims.flat().map(({ id }) => id);
        assert.deepEqual([...claimed].sort(), ids);
      },
    },
    {
      name: "everything at once ends with every job ended once",
      async run({ store, job, worker, record }) {
        const by = await worker();
        const jobs = Array.from({ length: 200 }, () => job());
        const settled: string[] = [];
        await Promise.all([
          ...jobs.map((each) => store.enqueue({ jobs: [each] })),
          ...Array.from({ length: 20 }, async () => {
            for (let round = 0; round < 10; round += 1) {
              const claimed = await by.claim({ capacity: 5 });
              await by.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...claimed);
              settled.push(...claimed.map(({ id }) => id));
            }
          }),
          ...Array.from({ length: 10 }, () => store.queues()),
          ...Array.from({ length: 10 }, () => store.list({ filter: {}, limit: 50 })),
          ...Array.from({ length: 10 }, () => store.sweep({ limit: 100 })),
        ]);
        await eventually(async () => {
          const claimed = await by.claim();
          await by.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...claimed);
          settled.push(...claimed.map(({ id }) => id));
          return settled.length >= jobs.length;
        }, "every job should run");
        assert.deepEqual([...settled].sort(), jobs.map(({ id }) => id).sort());
        await assert.rejects(record(jobs[0]?.id ?? ""), /should be kept/);
        const [queue] = await store.queues();
        assert.ok(queue === undefined || Object.values(queue.counts).every((count) => count === 0));
      },
    },
  ],
};
