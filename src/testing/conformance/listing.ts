// Listing: jobs by what they are, newest first, in pages that miss and repeat nothing.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_PAGE } from "../../core/limits.ts";
import type { JobFilter } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, type World } from "./world.ts";

/** All jobs that a filter gives, page by page. */
async function listAll(
  { store }: World,
  filter: JobFilter,
  limit: number,
  betweenPages: () => Promise<unknown> = async () => undefined,
): Promise<readonly JobRecord[]> {
  const jobs: JobRecord[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 1_000; page += 1) {
    const found = await store.list({ filter, limit, ...(cursor === undefined ? {} : { cursor }) });
    assert.ok(found.jobs.length <= limit, "a page holds at most what was asked for");
    jobs.push(...found.jobs);
    if (found.cursor === undefined) return jobs;
    assert.ok(found.jobs.length > 0, "a page that has a next one is not empty");
    ({ cursor } = found);
    await betweenPages();
  }
  return assert.fail("the pages should end");
}

const idsOf = (jobs: readonly JobRecord[]): readonly JobId[] => jobs.map(({ id }) => id);

export const listingTopic: Topic = {
  name: "listing",
  cases: [
    {
      name: "gives the newest first, with their whole records",
      async run({ store, enqueue }) {
        const ids = await enqueue({ input: '"a"' }, { type: "b" }, { delayMs: HOUR_MS });
        const { jobs, cursor } = await store.list({ filter: {}, limit: 10 });
        assert.deepEqual(jobs, [...(await store.get({ ids }))].reverse());
        assert.equal(cursor, undefined);
      },
    },
    {
      name: "gives nothing where there is nothing",
      async run({ store }) {
        assert.deepEqual(await store.list({ filter: {}, limit: 10 }), { jobs: [] });
        assert.deepEqual(await store.list({ filter: { type: "none" }, limit: 10 }), { jobs: [] });
      },
    },
    {
      name: "goes through all pages, whatever their size",
      async run(world) {
        const ids = [
          ...(await world.enqueueMany(60)),
          ...(await world.enqueueMany(43, { type: "b" })),
        ];
        const newestFirst = [...ids].reverse();
        for (const limit of [1, 7, 43, 103, MAX_PAGE]) {
          assert.deepEqual(idsOf(await listAll(world, {}, limit)), newestFirst);
        }
      },
    },
    {
      name: "repeats and misses nothing while jobs come and go between pages",
      async run(world) {
        const { enqueueMany, store } = world;
        const ids = await enqueueMany(50);
        const removed = ids.slice(0, 5);
        let isFirst = true;
        const listed = await listAll(world, {}, 10, async () => {
          await enqueueMany(3);
          if (isFirst) await store.remove({ ids: removed });
          isFirst = false;
        });
        assert.deepEqual(idsOf(listed), ids.slice(5).reverse());
      },
    },
    {
      name: "filters by state",
      isAboutOrder: true,
      async run(world) {
        const { store, enqueue, worker } = world;
        const [s1 = "", f1 = "", running = "", ready = "", scheduled = ""] = await enqueue(
          {},
          {},
          {},
          {},
          { delayMs: HOUR_MS },
        );
        const { claimOne, settle } = await worker();
        await settle(outcomes.succeeded(), await claimOne());
        await settle(outcomes.failed(), await claimOne());
        await claimOne();
        const expected = { succeeded: [s1], failed: [f1], running: [running], ready: [ready] };
        for (const [state, ids] of Object.entries(expected)) {
          const filter = { states: [state as keyof typeof expected] };
          assert.deepEqual(idsOf(await listAll(world, filter, 2)), ids);
        }
        assert.deepEqual(idsOf(await listAll(world, { states: ["scheduled", "failed"] }, 1)), [
          scheduled,
          f1,
        ]);
        assert.deepEqual(await listAll(world, { states: ["waiting"] }, 5), []);
        assert.equal((await store.list({ filter: { states: [] }, limit: 9 })).jobs.length, 0);
      },
    },
    {
      name: "filters by type and by queue, and by all together",
      isAboutOrder: true,
      async run(world) {
        const { enqueue, worker } = world;
        const ids = await enqueue(
          { type: "a", queue: "one" },
          { type: "b", queue: "one" },
          { type: "a", queue: "two" },
          { type: "a", queue: "one" },
        );
        const [first, second, third, fourth] = ids;
        assert.deepEqual(idsOf(await listAll(world, { type: "a" }, 2)), [fourth, third, first]);
        assert.deepEqual(idsOf(await listAll(world, { queue: "one" }, 2)), [fourth, second, first]);
        assert.deepEqual(idsOf(await listAll(world, { type: "a", queue: "one" }, 1)), [
          fourth,
          first,
        ]);
        const { claimOne } = await worker();
        await claimOne({ offers: [offerOf("one", "a")] });
        const running: JobFilter = { type: "a", queue: "one", states: ["running"] };
        assert.deepEqual(idsOf(await listAll(world, running, 5)), [first]);
        assert.deepEqual(await listAll(world, { type: "a", queue: "three" }, 5), []);
      },
    },
    {
      name: "filters by tag, and by tag with the rest",
      needs: ["tags"],
      async run(world) {
        const { enqueue } = world;
        const [both = "", eu = "", us = "", other = ""] = await enqueue(
          { tags: ["eu", "urgent"] },
          { tags: ["eu"] },
          { tags: ["us"] },
          { type: "b", tags: ["eu"] },
        );
        assert.deepEqual(idsOf(await listAll(world, { tag: "eu" }, 1)), [other, eu, both]);
        assert.deepEqual(idsOf(await listAll(world, { tag: "us" }, 5)), [us]);
        assert.deepEqual(idsOf(await listAll(world, { tag: "eu", type: "mail" }, 5)), [eu, both]);
        const ready: JobFilter = { tag: "urgent", states: ["ready"], queue: "mail" };
        assert.deepEqual(idsOf(await listAll(world, ready, 5)), [both]);
        assert.deepEqual(await listAll(world, { tag: "e" }, 5), []);
        assert.deepEqual(await listAll(world, { tag: "eu", states: ["failed"] }, 5), []);
      },
    },
  ],
};
