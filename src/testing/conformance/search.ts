// Search: jobs by everything that is known of them, and orders on all that a filter fits, in bounded steps.
import assert from "node:assert/strict";
import { fingerprintOf } from "../../core/fingerprint.ts";
import { type JobId, idTimeMs } from "../../core/ids.ts";
import type { JobOrder } from "../../core/orders.ts";
import type { ChangeStep, JobFilter, NewJob } from "../../core/store.ts";
import { retryByHand } from "../../core/transitions.ts";
import type { Topic } from "./harness.ts";
import { FAILURE, outcomes } from "./worker.ts";
import { HOUR_MS, type World } from "./world.ts";

/** Ids of all jobs that a filter fits, by pages of two. */
async function find({ store }: World, filter: JobFilter): Promise<readonly JobId[]> {
  const ids: JobId[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      filter,
      limit: 2,
      ...(cursor === undefined ? {} : { cursor }),
    });
    ids.push(...page.jobs.map(({ id }) => id));
    ({ cursor } = page);
  } while (cursor !== undefined);
  return ids.sort();
}

/** Carries an order out on all that a filter fits, in small steps. */
async function changeAll(
  { store }: World,
  filter: JobFilter,
  order: JobOrder | null,
  limit = 3,
): Promise<{ readonly sum: Omit<ChangeStep, "cursor" | "unindexed">; readonly steps: number }> {
  const sum = { matched: 0, changed: 0, examined: 0 };
  let steps = 0;
  let cursor: string | undefined;
  do {
    const step: ChangeStep = await store.changeMatching({
      filter,
      order,
      limit,
      changedBefore: sum.changed,
      ...(cursor === undefined ? {} : { cursor }),
    });
    assert.ok(step.matched <= limit, "a step stays within its limit");
    for (const name of ["matched", "changed", "examined"] as const) sum[name] += step[name];
    steps += 1;
    ({ cursor } = step);
  } while (cursor !== undefined && steps < 1_000);
  assert.equal(cursor, undefined, "the steps should end");
  return { sum, steps };
}

const keyed = (key: string): Pick<NewJob, "idempotency"> => ({
  idempotency: { key, rememberMs: HOUR_MS },
});

const OTHER = {
  name: "TypeError",
  message: "no order 17",
  stack: "TypeError: x\n    at pay (b.js:1:2)",
};

export const searchTopic: Topic = {
  name: "search",
  cases: [
    {
      name: "finds jobs by fields of their input",
      needs: ["bulk"],
      async run(world) {
        const [a = "", b = "", c = ""] = await world.enqueue(
          { input: '{"order":{"customer":"x","n":1}}' },
          { input: '{"order":{"customer":"x","n":2}}', type: "b", queue: "mail" },
          { input: '{"order":{"customer":"y","n":1},"rush":true}' },
          { input: "[1,2]" },
          { input: "null" },
        );
        assert.deepEqual(await find(world, { input: { "order.customer": "x" } }), [a, b]);
        assert.deepEqual(await find(world, { input: { "order.customer": "x", "order.n": 1 } }), [
          a,
        ]);
        assert.deepEqual(await find(world, { type: "b", input: { "order.n": 2 } }), [b]);
        assert.deepEqual(await find(world, { input: { rush: true } }), [c]);
        assert.deepEqual(await find(world, { input: { "order.n": "1" } }), []);
        assert.equal((await find(world, { input: { "1": 2 } })).length, 1);
      },
    },
    {
      name: "finds jobs by the fingerprint of their error, whatever numbers it holds",
      isAboutOrder: true,
      needs: ["bulk"],
      async run(world) {
        const ids = await world.enqueueMany(6);
        const { claim, settle } = await world.worker();
        const claimed = await claim();
        await settle(outcomes.failed(), ...claimed.slice(0, 2));
        await settle(outcomes.failed(OTHER), ...claimed.slice(2, 3));
        await settle(
          outcomes.failed({ ...OTHER, message: "no order 4711" }),
          ...claimed.slice(3, 4),
        );
        await settle(outcomes.retry(HOUR_MS, OTHER), ...claimed.slice(4, 5));
        const fingerprint = fingerprintOf(OTHER);
        assert.deepEqual(await find(world, { fingerprint }), ids.slice(2, 5));
        assert.deepEqual(await find(world, { fingerprint, states: ["failed"] }), ids.slice(2, 4));
        assert.deepEqual(
          await find(world, { fingerprint: fingerprintOf(FAILURE) }),
          ids.slice(0, 2),
        );
        assert.deepEqual(await find(world, { fingerprint, type: "other" }), []);
        await world.store.retry({ ids: [ids[2] ?? ""] });
        assert.equal(
          (await find(world, { fingerprint })).length,
          3,
          "a retry keeps the last error",
        );
        await settle(outcomes.succeeded(), ...(await claim()));
        assert.deepEqual(await find(world, { fingerprint }), ids.slice(3, 5));
      },
    },
    {
      name: "finds jobs by idempotency key, and by a tag and more",
      needs: ["bulk", "tags"],
      async run(world) {
        const [a = "", b = "", c = ""] = await world.enqueue(
          keyed("one"),
          { ...keyed("one"), type: "b", queue: "mail" },
          { ...keyed("two"), tags: ["t"] },
          { tags: ["t"] },
        );
        assert.deepEqual(await find(world, { key: "one" }), [a, b]);
        assert.deepEqual(await find(world, { key: "one", type: "b" }), [b]);
        assert.deepEqual(await find(world, { key: "two", tag: "t" }), [c]);
        assert.deepEqual(await find(world, { key: "none" }), []);
      },
    },
    {
      name: "finds jobs by the times of their ids and ends",
      isAboutOrder: true,
      needs: ["bulk"],
      async run(world) {
        const ids = await world.enqueueMany(4);
        const [first = "", , , last = ""] = ids;
        const at = idTimeMs(last);
        assert.deepEqual(await find(world, { createdFromMs: idTimeMs(first) }), ids);
        assert.deepEqual(await find(world, { createdFromMs: at + 60_000 }), []);
        assert.deepEqual(await find(world, { createdBeforeMs: idTimeMs(first) }), []);
        assert.deepEqual(await find(world, { createdBeforeMs: at + 1, states: ["ready"] }), ids);
        const { claimOne, settle } = await world.worker();
        await settle(outcomes.failed(), await claimOne());
        const nowMs = await world.now();
        await world.advance(10 * HOUR_MS);
        await settle(outcomes.failed(), await claimOne());
        const failed = ["failed"] as const;
        assert.deepEqual(await find(world, { states: failed, finishedBeforeMs: nowMs + HOUR_MS }), [
          first,
        ]);
        assert.deepEqual(await find(world, { finishedFromMs: nowMs + HOUR_MS }), [ids[1]]);
        assert.deepEqual(
          await find(world, { finishedFromMs: nowMs - HOUR_MS, finishedBeforeMs: nowMs + HOUR_MS }),
          [first],
        );
      },
    },
    {
      name: "refuses a filter that can't be meant",
      needs: ["bulk"],
      async run({ store }) {
        const refused = (filter: JobFilter) =>
          assert.rejects(store.list({ filter, limit: 1 }), { code: "INVALID_ARGUMENT" });
        await refused({ fingerprint: "nope" });
        await refused({ createdFromMs: Number.NaN });
        await refused({ input: { a: {} as never } });
      },
    },
    {
      name: "counts what a filter fits, and changes nothing",
      needs: ["bulk", "tags"],
      async run(world) {
        await world.enqueueMany(10, { tags: ["t"], input: '{"n":1}' });
        await world.enqueueMany(5);
        const before = await world.store.list({ filter: {}, limit: 100 });
        for (const [filter, matched] of [
          [{}, 15],
          [{ tag: "t" }, 10],
          [{ input: { n: 1 } }, 10],
          [{ states: ["ready"] }, 15],
          [{ states: ["failed"] }, 0],
          [{ queue: "none" }, 0],
        ] as const) {
          for (const limit of [1, 4, 10_000]) {
            const { sum } = await changeAll(world, filter, null, limit);
            assert.deepEqual(
              { matched: sum.matched, changed: sum.changed },
              { matched, changed: 0 },
            );
          }
        }
        assert.deepEqual(await world.store.list({ filter: {}, limit: 100 }), before);
      },
    },
    {
      name: "retries what a filter fits, each once, in steps that can be left off",
      needs: ["bulk"],
      async run(world) {
        const { store, enqueueMany, worker } = world;
        const ids = await enqueueMany(10);
        await enqueueMany(2, { type: "b" });
        const { claim, settle } = await worker();
        const claimed = await claim();
        await settle(outcomes.failed(), ...claimed);
        const filter = { states: ["failed"], type: "mail" } as const;
        const first = await store.changeMatching({ filter, order: { kind: "retry" }, limit: 4 });
        assert.deepEqual(
          { matched: first.matched, changed: first.changed },
          { matched: 4, changed: 4 },
        );
        assert.deepEqual(await find(world, { states: ["ready"], type: "mail" }), ids.slice(6));
        const { sum } = await changeAll(world, filter, { kind: "retry" });
        assert.equal(sum.changed, 6);
        assert.deepEqual((await claim()).map(({ id }) => id).sort(), ids);
      },
    },
    {
      name: "retries what a filter fits, whatever is kept of it, as each would be retried by itself",
      needs: ["bulk", "limits"],
      async run(world) {
        const { store, enqueue, worker } = world;
        const ids = await enqueue(
          {},
          { headStartMs: HOUR_MS, expireAfterMs: HOUR_MS },
          { tags: ["blue"], ...keyed("one") },
          { keys: [{ limit: "customer", key: "a" }] },
          { input: JSON.stringify({ text: "x".repeat(5_000) }) },
          {},
          { delayMs: HOUR_MS },
        );
        const { claim, settle } = await worker();
        const claimed = await claim();
        const reports = claimed
          .slice(0, 1)
          .map(({ id, token }) => ({ id, token, progress: "0.5" }));
        await store.report({ reports });
        await settle(outcomes.failed(), ...claimed);
        await store.cancel({ ids: ids.slice(6), reason: "not wanted" });
        const before = await store.get({ ids });
        const { sum } = await changeAll(
          world,
          { states: ["failed", "cancelled"] },
          { kind: "retry" },
        );
        assert.equal(sum.changed, ids.length);
        const after = await store.get({ ids });
        for (const [place, job] of before.entries()) {
          assert.ok(job !== null);
          const dueAtMs = after[place]?.dueAtMs ?? 0;
          const expected = retryByHand(job, dueAtMs);
          assert.deepEqual(after[place], expected.kind === "changed" ? expected.job : null);
        }
        assert.deepEqual((await claim()).map((job) => job.id).sort(), [...ids].sort());
      },
    },
    {
      name: "brings what a filter fits back at a rate that goes on from step to step",
      needs: ["bulk"],
      async run(world) {
        const ids = await world.enqueueMany(7);
        const { claim, settle } = await world.worker();
        await settle(outcomes.failed(), ...(await claim()));
        const everyMs = HOUR_MS;
        await changeAll(world, { states: ["failed"] }, { kind: "retry", everyMs });
        const kept = await world.store.get({ ids });
        const due = kept.map((job) => job?.dueAtMs ?? 0).sort((left, right) => left - right);
        for (const [index, dueAtMs] of due.entries()) {
          const gapMs = dueAtMs - (due[index - 1] ?? dueAtMs - everyMs);
          assert.ok(gapMs >= everyMs, `job ${index} should come an hour after the one before`);
        }
        assert.equal((await claim()).length, 1);
      },
    },
    {
      name: "counts the jobs of a retry at a rate from the time that it is told, in every step",
      needs: ["bulk"],
      async run(world) {
        const ids = await world.enqueueMany(7);
        const { claim, settle } = await world.worker();
        await settle(outcomes.failed(), ...(await claim()));
        const fromMs = (await world.now()) - HOUR_MS;
        const order = { kind: "retry", everyMs: 2 * HOUR_MS, fromMs } as const;
        await changeAll(world, { states: ["failed"] }, order);
        const kept = await world.store.get({ ids });
        const due = kept.map((job) => job?.dueAtMs ?? 0).sort((left, right) => left - right);
        const expected = ids.map((_, place) => fromMs + place * 2 * HOUR_MS);
        assert.deepEqual(due.slice(1), expected.slice(1));
        assert.equal((await claim()).length, 1);
      },
    },
    {
      name: "moves what a filter fits, but for what runs or ended",
      needs: ["bulk", "requeue"],
      async run(world) {
        const { enqueueMany, worker } = world;
        await enqueueMany(6);
        const { claimOne, settle } = await worker();
        await claimOne();
        await settle(outcomes.succeeded(), await claimOne());
        const { sum } = await changeAll(world, { queue: "mail" }, { kind: "move", queue: "slow" });
        assert.deepEqual(
          { matched: sum.matched, changed: sum.changed },
          { matched: 6, changed: 4 },
        );
        assert.equal((await find(world, { queue: "slow" })).length, 4);
      },
    },
    {
      name: "carries every order out on what a filter fits, but for what its state does not allow",
      needs: ["bulk"],
      async run(world) {
        const { enqueueMany, worker, store } = world;
        await enqueueMany(6);
        const { claimOne, settle } = await worker();
        const running = await claimOne();
        await settle(outcomes.succeeded(), await claimOne());
        const all = { queue: "mail" };
        const later = await changeAll(world, all, { kind: "reschedule", delayMs: HOUR_MS });
        assert.equal(later.sum.changed, 4);
        assert.equal((await find(world, { states: ["scheduled"] })).length, 4);
        await changeAll(world, all, { kind: "prioritize", headStartMs: 5 });
        const cancelled = await changeAll(world, {}, { kind: "cancel", reason: "r" });
        assert.equal(cancelled.sum.changed, 5);
        assert.equal((await find(world, { states: ["cancelled"] })).length, 4);
        const removed = await changeAll(world, {}, { kind: "remove" });
        assert.equal(removed.sum.changed, 5);
        assert.deepEqual(await find(world, {}), [running.id]);
        assert.equal(
          (await store.queues()).find(({ name }) => name === "mail")?.counts.cancelled,
          0,
        );
      },
    },
  ],
};
