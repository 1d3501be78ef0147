// Enqueue: what is said of a job is kept, once, whatever is repeated.
import assert from "node:assert/strict";
import { MAX_ENQUEUE_BATCH } from "../../core/limits.ts";
import type { NewJob } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { MINUTE_MS, assertFields, assertNear } from "./world.ts";

export const enqueueTopic: Topic = {
  name: "enqueue",
  cases: [
    {
      name: "keeps a plain job, ready and due at once",
      async run({ store, job, now, record }) {
        const plain = job({ input: '{"n":1}' });
        assert.deepEqual(await store.enqueue({ jobs: [plain] }), [
          { id: plain.id, state: "ready", isNew: true },
        ]);
        const kept = await record(plain.id);
        assertNear(kept.enqueuedAtMs, await now(), "enqueuedAtMs");
        assert.equal(kept.dueAtMs, kept.enqueuedAtMs);
        assert.deepEqual(kept, {
          id: plain.id,
          type: "mail",
          queue: "mail",
          state: "ready",
          labels: [],
          tags: [],
          input: '{"n":1}',
          headStartMs: 0,
          attempts: 0,
          crashes: 0,
          enqueuedAtMs: kept.enqueuedAtMs,
          dueAtMs: kept.dueAtMs,
          expiresAtMs: null,
          startedAtMs: null,
          finishedAtMs: null,
          removeAtMs: null,
          worker: null,
          token: null,
          progress: null,
          result: null,
          error: null,
          cancelRequest: null,
          history: [],
          idempotencyKey: null,
          keys: [],
        });
      },
    },
    {
      name: "keeps all that is said of a job",
      needs: ["labels", "priorities", "tags"],
      async run({ store, job, record }) {
        const full = job({
          type: "report",
          queue: "slow",
          delayMs: MINUTE_MS,
          headStartMs: 5_000,
          expireAfterMs: 2 * MINUTE_MS,
          labels: ["gpu", "region=eu"],
          tags: ["customer 7", "é", "x:y"],
          idempotency: { key: "order 1", rememberMs: MINUTE_MS },
        });
        await store.enqueue({ jobs: [full] });
        const kept = await record(full.id);
        assertFields(kept, {
          type: "report",
          queue: "slow",
          state: "scheduled",
          headStartMs: 5_000,
          labels: ["gpu", "region=eu"],
          tags: ["customer 7", "é", "x:y"],
          dueAtMs: kept.enqueuedAtMs + MINUTE_MS,
          expiresAtMs: kept.enqueuedAtMs + 3 * MINUTE_MS,
          idempotencyKey: "order 1",
        });
      },
    },
    {
      name: "waits for a time that is said, and is ready where it is past",
      async run({ store, job, now, record }) {
        const nowMs = await now();
        const later = job({ runAtMs: nowMs + MINUTE_MS });
        const past = job({ runAtMs: nowMs - MINUTE_MS, expireAfterMs: MINUTE_MS });
        const replies = await store.enqueue({ jobs: [later, past] });
        assert.deepEqual(
          replies.map(({ state }) => state),
          ["scheduled", "ready"],
        );
        assert.equal((await record(later.id)).dueAtMs, nowMs + MINUTE_MS);
        const kept = await record(past.id);
        assert.equal(kept.dueAtMs, kept.enqueuedAtMs);
        assert.equal(kept.expiresAtMs, kept.enqueuedAtMs + MINUTE_MS);
      },
    },
    {
      name: "answers in the order of the jobs, over many queues",
      async run({ store, job }) {
        const jobs = Array.from({ length: 200 }, (_, index) =>
          job({ type: `type-${index % 50}`, ...(index % 3 === 0 ? { delayMs: MINUTE_MS } : {}) }),
        );
        assert.deepEqual(
          await store.enqueue({ jobs }),
          jobs.map(({ id, delayMs }) => ({
            id,
            state: delayMs === undefined ? "ready" : "scheduled",
            isNew: true,
          })),
        );
      },
    },
    {
      name: "makes nothing twice when a call is repeated, and leaves the first as it was",
      async run({ store, job, record }) {
        const first = job({ input: '"first"' });
        await store.enqueue({ jobs: [first] });
        for (const input of ['"second"', JSON.stringify("x".repeat(200_000))]) {
          assert.deepEqual(await store.enqueue({ jobs: [{ ...first, input }] }), [
            { id: first.id, state: "ready", isNew: false },
          ]);
        }
        assert.equal((await record(first.id)).input, '"first"');
        assert.equal((await store.list({ filter: {}, limit: 10 })).jobs.length, 1);
      },
    },
    {
      name: "makes nothing twice within one call",
      async run({ store, job }) {
        const twice = job();
        assert.deepEqual(
          (await store.enqueue({ jobs: [twice, job(), twice] })).map(({ isNew }) => isNew),
          [true, true, false],
        );
        assert.equal((await store.list({ filter: {}, limit: 10 })).jobs.length, 2);
      },
    },
    {
      name: "adds what is missing when part of a call is repeated",
      async run({ store, job }) {
        const jobs = Array.from({ length: 10 }, () => job());
        await store.enqueue({ jobs: jobs.slice(0, 6) });
        assert.deepEqual(
          (await store.enqueue({ jobs })).map(({ isNew }) => isNew),
          jobs.map((_, index) => index >= 6),
        );
      },
    },
    {
      name: "tells the state of a known job that runs or has ended, and does not run it again",
      isAboutOrder: true,
      async run({ store, job, worker }) {
        const jobs = [job(), job()];
        await store.enqueue({ jobs });
        const { claimOne, settle, claim } = await worker();
        await settle(outcomes.succeeded(), await claimOne());
        await claimOne();
        const replies = await store.enqueue({ jobs });
        assert.deepEqual(
          replies.map(({ state, isNew }) => ({ state, isNew })),
          [
            { state: "succeeded", isNew: false },
            { state: "running", isNew: false },
          ],
        );
        assert.deepEqual(await claim(), []);
      },
    },
    {
      name: "makes one job of many calls with one id at one moment",
      async run({ store, job }) {
        const one = job();
        const replies = await Promise.all(
          Array.from({ length: 50 }, () => store.enqueue({ jobs: [one] })),
        );
        assert.equal(replies.flat().filter(({ isNew }) => isNew).length, 1);
      },
    },
    {
      name: "keeps the largest batch, and answers an empty one",
      async run({ store, job, worker }) {
        const jobs: NewJob[] = Array.from({ length: MAX_ENQUEUE_BATCH }, () => job());
        const replies = await store.enqueue({ jobs });
        assert.ok(replies.every(({ isNew }) => isNew));
        assert.deepEqual(await store.enqueue({ jobs: [] }), []);
        const claimed = await (await worker()).claim();
        assert.deepEqual(
          claimed.map(({ id }) => id).sort(),
          jobs.map(({ id }) => id),
        );
      },
    },
    {
      name: "gives records in the order asked, null for those that are not kept",
      async run({ store, job, enqueue }) {
        const [first, second] = await enqueue({}, {});
        assert.ok(first !== undefined && second !== undefined);
        const records = await store.get({ ids: [second, job().id, first, second] });
        assert.deepEqual(
          records.map((record) => record?.id ?? null),
          [second, null, first, second],
        );
        assert.deepEqual(await store.get({ ids: [] }), []);
      },
    },
  ],
};
