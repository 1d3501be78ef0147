// Limits over all workers: how many run, how fast they start, and what is changed while work goes on.
import assert from "node:assert/strict";
import type { StoreCase, Topic } from "./harness.ts";
import { limitOf, limited, of, ofCustomer, ofQueue } from "./limit-cases.ts";
import { HOUR_MS, MINUTE_MS, SLACK_MS, eventually } from "./world.ts";
import { FAILURE, offerOf, outcomes } from "./worker.ts";

const ofWholeQueues: readonly StoreCase[] = [
  limited(
    "a queue runs no more jobs than its limit, over all workers",
    [ofQueue({ concurrency: 3 })],
    async (world) => {
      await world.enqueueMany(10);
      const [one, other] = [await world.worker(), await world.worker()];
      const first = await one.claim({ capacity: 2 });
      const second = await other.claim({ capacity: 10 });
      assert.deepEqual([first.length, second.length], [2, 1]);
      assert.equal((await one.claim()).length, 0);
      await other.settle(outcomes.succeeded(), ...second);
      assert.equal((await one.claim()).length, 1);
      assert.equal((await limitOf(world, "queue"))?.running, 3);
    },
  ),
  limited(
    "an exchange that settles may start others in their place",
    [ofQueue({ concurrency: 2 })],
    async ({ enqueueMany, worker }) => {
      await enqueueMany(4);
      const only = await worker();
      const claimed = await only.claim();
      assert.equal(claimed.length, 2);
      const settlements = claimed.map(({ id, token }) => ({
        id,
        token,
        outcome: outcomes.succeeded(),
      }));
      assert.equal((await only.exchange(settlements, { capacity: 9 })).claimed.length, 2);
    },
  ),
  limited(
    "types of one queue share its limit",
    [ofQueue({ concurrency: 3 })],
    async ({ enqueueMany, worker }) => {
      await enqueueMany(4);
      await enqueueMany(4, { type: "letter", queue: "mail" });
      const offers = [offerOf("mail"), offerOf("mail", "letter")];
      assert.equal((await (await worker()).claim({ offers })).length, 3);
    },
  ),
  limited(
    "a job given back, retried, put off or cancelled frees its place",
    [ofQueue({ concurrency: 1 })],
    async ({ store, enqueueMany, worker, putType, sweep, advance }) => {
      await putType({ limits: [ofQueue({ concurrency: 1 })], cancelGraceMs: MINUTE_MS });
      await enqueueMany(6);
      const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
      for (const outcome of [
        outcomes.retry(HOUR_MS),
        outcomes.snooze(HOUR_MS),
        outcomes.failed(FAILURE),
        outcomes.cancelled(FAILURE),
      ]) {
        await only.settle(outcome, await only.claimOne());
      }
      await only.settle(outcomes.release(), await only.claimOne());
      const running = await only.claimOne();
      await store.cancel({ ids: [running.id], reason: "r" });
      await advance(2 * MINUTE_MS);
      await sweep();
      await only.claimOne();
    },
  ),
  limited(
    "the jobs of a dead worker free their places with the sweep",
    [ofQueue({ concurrency: 2 })],
    async ({ enqueueMany, worker, advance, sweep }) => {
      await enqueueMany(4);
      const dead = await worker({ leaseDurationMs: MINUTE_MS });
      assert.equal((await dead.claim()).length, 2);
      await advance(2 * MINUTE_MS);
      await sweep();
      const next = await worker();
      assert.equal((await next.claim()).length, 2);
    },
  ),
  limited(
    "a limit of none starts nothing until it is raised, which wakes the workers",
    [ofQueue({ concurrency: 0 })],
    async (world) => {
      await world.enqueueMany(2);
      const only = await world.worker();
      assert.deepEqual(await only.claim(), []);
      const before = only.wakes();
      const bounds = { concurrency: 1, rate: null };
      await world.store.setLimits({
        queue: "mail",
        limits: [{ name: "queue", bounds }],
        by: "ops",
      });
      await eventually(() => only.wakes() > before, "the worker should be woken");
      assert.equal((await only.claim()).length, 1);
    },
  ),
];

const rates: readonly StoreCase[] = [
  limited(
    "a rate lets so many start within its time, and says when to look again",
    [ofQueue({ rate: { limit: 3, perMs: HOUR_MS } })],
    async ({ enqueueMany, worker, advance }) => {
      await enqueueMany(10);
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      assert.equal((await only.claim({ capacity: 2 })).length, 2);
      await advance(30 * MINUTE_MS);
      const { claimed, lookAgainInMs } = await only.exchange([], { capacity: 10 });
      assert.equal(claimed.length, 1);
      assert.ok(lookAgainInMs !== null && Math.abs(lookAgainInMs - 30 * MINUTE_MS) <= SLACK_MS);
      await advance(31 * MINUTE_MS);
      assert.equal((await only.claim()).length, 2);
      assert.equal((await only.claim()).length, 0);
      await advance(30 * MINUTE_MS);
      assert.equal((await only.claim()).length, 1);
    },
  ),
  limited(
    "a rate of each key holds one key and not the others",
    [ofCustomer({ rate: { limit: 2, perMs: HOUR_MS } })],
    async ({ enqueueMany, worker, advance }) => {
      await enqueueMany(5, of("a"));
      await enqueueMany(1, of("b"));
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      assert.equal((await only.claim()).length, 3);
      const { claimed, lookAgainInMs } = await only.exchange([], {});
      assert.deepEqual(claimed, []);
      assert.ok(lookAgainInMs !== null && Math.abs(lookAgainInMs - HOUR_MS) <= SLACK_MS);
      await advance(61 * MINUTE_MS);
      assert.equal((await only.claim()).length, 2);
    },
  ),
  limited(
    "a key whose one place is free again waits for its rate, and is looked at when that lets it",
    [ofCustomer({ concurrency: 1, rate: { limit: 1, perMs: 30 * MINUTE_MS } })],
    async ({ enqueueMany, worker, advance }) => {
      await enqueueMany(4, of("a"));
      for (const ends of [true, false, true]) {
        const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
        const job = await only.claimOne({ capacity: 2 });
        const other = await worker({ leaseDurationMs: 100 * HOUR_MS });
        assert.deepEqual(await other.claim(), []);
        if (ends) await only.settle(outcomes.succeeded(), job);
        await only.attachment.close();
        const { claimed, lookAgainInMs } = await other.exchange([], {});
        assert.deepEqual(claimed, []);
        assert.ok(lookAgainInMs !== null && Math.abs(lookAgainInMs - 30 * MINUTE_MS) <= SLACK_MS);
        await advance(31 * MINUTE_MS);
      }
    },
  ),
  limited(
    "a limit that is changed is looked at when its rate, as it is now, lets the next one start",
    [ofCustomer({ concurrency: 1, rate: { limit: 1, perMs: HOUR_MS } })],
    async ({ store, enqueueMany, worker, advance }) => {
      await enqueueMany(4, of("a"));
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      await only.claimOne({ capacity: 2 });
      for (const minutes of [50, 40]) {
        const bounds = { concurrency: 2, rate: { limit: 1, perMs: minutes * MINUTE_MS } };
        await store.setLimits({ queue: "mail", limits: [{ name: "customer", bounds }], by: "ops" });
        const { claimed, lookAgainInMs } = await only.exchange([], {});
        assert.deepEqual(claimed, []);
        const expectedMs = minutes * MINUTE_MS;
        assert.ok(lookAgainInMs !== null && Math.abs(lookAgainInMs - expectedMs) <= SLACK_MS);
      }
      await advance(41 * MINUTE_MS);
      assert.equal((await only.claim()).length, 1);
    },
  ),
  limited("a handler that pushes back holds its whole queue", [], async (world) => {
    const { enqueueMany, worker, advance, store } = world;
    await enqueueMany(3);
    const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
    const job = await only.claimOne();
    const pushBack = { limit: "queue", delayMs: HOUR_MS };
    await only.settle({ kind: "retry", error: FAILURE, delayMs: HOUR_MS, pushBack }, job);
    const { claimed, lookAgainInMs } = await only.exchange([], {});
    assert.deepEqual(claimed, []);
    assert.ok(lookAgainInMs !== null && lookAgainInMs <= HOUR_MS + SLACK_MS);
    const [held] = await store.limits({});
    assert.ok(held?.queue === "mail" && held.pushedBackUntilMs !== null);
    await advance(61 * MINUTE_MS);
    assert.equal((await only.claim()).length, 3);
  }),
  limited(
    "a handler that pushes back on a key holds that key alone",
    [ofCustomer()],
    async ({ enqueueMany, worker, advance }) => {
      await enqueueMany(3, of("a"));
      await enqueueMany(2, of("b"));
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      const job = await only.claimOne();
      const pushBack = { limit: "customer", delayMs: HOUR_MS };
      await only.settle({ kind: "snooze", delayMs: HOUR_MS, pushBack }, job);
      assert.equal((await only.claim()).length, 2);
      await advance(61 * MINUTE_MS);
      assert.equal((await only.claim()).length, 3);
    },
  ),
];

const PUSHED_BACK = { kind: "snooze", delayMs: 2 * HOUR_MS } as const;

const releases: readonly StoreCase[] = [
  limited("a queue that a handler holds goes on once it is released", [], async (world) => {
    const { enqueueMany, worker, store } = world;
    await enqueueMany(3);
    await enqueueMany(2, of("a"));
    const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
    const job = await only.claimOne();
    const pushBack = { limit: "queue", delayMs: HOUR_MS };
    await only.settle({ ...PUSHED_BACK, pushBack }, job);
    assert.deepEqual(await only.claim(), []);
    const until = (await limitOf(world, "queue"))?.pushedBackUntilMs;
    const before = only.wakes();
    assert.deepEqual(await store.releaseHold({ queue: "mail" }), { heldUntilMs: until });
    await eventually(() => only.wakes() > before, "the worker should be woken");
    assert.equal(await limitOf(world, "queue"), undefined);
    assert.equal((await only.claim()).length, 4);
    assert.deepEqual(await store.releaseHold({ queue: "mail" }), { heldUntilMs: null });
  }),
  limited(
    "a key that a handler holds goes on once it is released, and others stay held",
    [ofCustomer()],
    async (world) => {
      const { enqueueMany, worker, store } = world;
      for (const customer of ["a", "b"]) await enqueueMany(3, of(customer, { tags: [customer] }));
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      const jobs = await only.claim({ capacity: 2 });
      const pushBack = { limit: "customer", delayMs: HOUR_MS };
      await only.settle({ ...PUSHED_BACK, pushBack }, ...jobs);
      assert.deepEqual(await only.claim(), []);
      const before = only.wakes();
      const key = { limit: "customer", key: "a" };
      assert.notEqual((await store.releaseHold({ queue: "mail", key })).heldUntilMs, null);
      await eventually(() => only.wakes() > before, "the worker should be woken");
      const claimed = await only.claim();
      assert.deepEqual(
        claimed.flatMap(({ tags }) => tags),
        ["a", "a"],
      );
      assert.equal((await limitOf(world, "customer", "a"))?.pushedBackUntilMs, null);
      assert.notEqual((await limitOf(world, "customer", "b"))?.pushedBackUntilMs, null);
    },
  ),
  limited(
    "a released key keeps its rate, whose time lets the next one start",
    [ofCustomer({ rate: { limit: 1, perMs: 30 * MINUTE_MS } })],
    async ({ enqueueMany, worker, store, advance }) => {
      await enqueueMany(3, of("a"));
      const only = await worker({ leaseDurationMs: 100 * HOUR_MS });
      const pushBack = { limit: "customer", delayMs: 3 * HOUR_MS };
      await only.settle({ ...PUSHED_BACK, pushBack }, await only.claimOne());
      assert.deepEqual(await only.claim(), []);
      await store.releaseHold({ queue: "mail", key: { limit: "customer", key: "a" } });
      const { claimed, lookAgainInMs } = await only.exchange([], {});
      assert.deepEqual(claimed, []);
      assert.ok(lookAgainInMs !== null && lookAgainInMs <= 30 * MINUTE_MS + SLACK_MS);
      await advance(31 * MINUTE_MS);
      assert.equal((await only.claim()).length, 1);
    },
  ),
];

/** Cases about limits of queues, and about rates. */
export const limitsTopic: Topic = {
  name: "limits",
  cases: [...ofWholeQueues, ...rates, ...releases],
};
