// Queues: their exact counts, and their pauses.
import assert from "node:assert/strict";
import type { JobState } from "../../core/job.ts";
import type { SetLimits } from "../../core/flow.ts";
import type { Topic } from "./harness.ts";
import { REMOVE_AT_ONCE, offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, type World, assertNear, eventually } from "./world.ts";

const namesOf = async ({ store }: World): Promise<readonly string[]> =>
  (await store.queues()).map(({ name }) => name);

const NONE: Readonly<Record<JobState, number>> = {
  scheduled: 0,
  ready: 0,
  running: 0,
  waiting: 0,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
};

async function countsOf(
  { store }: World,
  name = "mail",
): Promise<Readonly<Record<JobState, number>>> {
  const queue = (await store.queues()).find((each) => each.name === name);
  assert.ok(queue, `queue ${name} should be listed`);
  return queue.counts;
}

export const queuesTopic: Topic = {
  name: "queues",
  cases: [
    {
      name: "count their jobs by state, exactly, all along",
      async run(world) {
        const { store, enqueueMany, enqueue, worker, advance, sweep } = world;
        assert.deepEqual(await store.queues(), []);
        const ids = await enqueueMany(8);
        await enqueue({ delayMs: HOUR_MS }, { expireAfterMs: HOUR_MS, delayMs: HOUR_MS });
        assert.deepEqual(await countsOf(world), { ...NONE, ready: 8, scheduled: 2 });
        const { claim, settle } = await worker({ leaseDurationMs: 100 * HOUR_MS });
        const [a, b, c, d, e] = await claim({ capacity: 5 });
        assert.ok(a && b && c && d && e);
        const running = new Set([a, b, c, d, e].map(({ id }) => id));
        const [sixth = "", seventh = ""] = ids.filter((id) => !running.has(id));
        assert.deepEqual(await countsOf(world), { ...NONE, ready: 3, running: 5, scheduled: 2 });
        await settle(outcomes.succeeded(), a);
        await settle(outcomes.failed(), b);
        await settle(outcomes.cancelled(), c);
        await settle(outcomes.retry(HOUR_MS), d);
        await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), e);
        const ended = { ...NONE, succeeded: 1, failed: 1, cancelled: 1 };
        assert.deepEqual(await countsOf(world), { ...ended, ready: 3, scheduled: 3 });
        await store.cancel({ ids: [sixth], reason: "r" });
        await store.remove({ ids: [seventh, a.id] });
        await store.retry({ ids: [b.id] });
        assert.deepEqual(await countsOf(world), { ...NONE, cancelled: 2, ready: 2, scheduled: 3 });
        await advance(3 * HOUR_MS);
        await sweep();
        // Whether a job whose time has come is shown as ready before it is claimed is the store's choice.
        const { scheduled, ready, ...rest } = await countsOf(world);
        assert.deepEqual(
          { waits: scheduled + ready, ...rest },
          { waits: 4, running: 0, waiting: 0, succeeded: 0, failed: 1, cancelled: 2 },
        );
        assert.equal((await claim()).length, 4);
        assert.deepEqual(await countsOf(world), { ...NONE, running: 4, failed: 1, cancelled: 2 });
      },
    },
    {
      name: "count each queue for itself, whatever types share it",
      async run(world) {
        await world.enqueueMany(3, { type: "a", queue: "one" });
        await world.enqueueMany(2, { type: "b", queue: "one" });
        await world.enqueueMany(4, { type: "a", queue: "two" });
        const queues = await world.store.queues();
        const found = new Map(queues.map(({ name, counts }) => [name, counts.ready]));
        assert.deepEqual(
          found,
          new Map([
            ["one", 5],
            ["two", 4],
          ]),
        );
        assert.ok(queues.every(({ paused }) => paused === null));
      },
    },
    {
      name: "are listed without a job where a job type or a worker has them, by name",
      async run(world) {
        const { store, putType, worker } = world;
        const first = await worker({ offers: [offerOf("zeta", "mail"), offerOf("letters")] });
        const second = await worker({ offers: [offerOf("zeta", "mail")] });
        await putType({ name: "mail", queue: "letters" });
        await putType({ name: "alone" });
        const queues = await store.queues();
        assert.deepEqual(
          queues.map(({ name, counts, paused }) => ({ name, counts, paused })),
          ["alone", "letters", "zeta"].map((name) => ({ name, counts: NONE, paused: null })),
        );
        const updated = { ...second.description, queues: ["eta"] };
        await second.attachment.update({ worker: updated });
        await eventually(
          async () => (await namesOf(world)).includes("eta"),
          "the queue that a worker serves from now on should be listed",
        );
        await first.attachment.close();
        assert.deepEqual(await namesOf(world), ["alone", "eta", "letters"]);
      },
    },
    {
      name: "are listed while jobs or a pause are kept of them, and no longer",
      async run(world) {
        const { store, enqueue } = world;
        const [id = ""] = await enqueue({ queue: "jobs" });
        const door = { queue: "doors", by: "ops", reason: "r" };
        await store.setPaused({ ...door, paused: true });
        assert.deepEqual(await namesOf(world), ["doors", "jobs"]);
        await store.cancel({ ids: [id], reason: "r" });
        await store.setPaused({ ...door, paused: false });
        assert.deepEqual(await namesOf(world), ["jobs"]);
        await store.remove({ ids: [id] });
        assert.deepEqual(await namesOf(world), []);
        await store.setPaused({ ...door, paused: true });
        await enqueue({ queue: "jobs" });
        assert.deepEqual(await namesOf(world), ["doors", "jobs"]);
      },
    },
    {
      name: "are listed while they take nothing new in, and no longer",
      needs: ["drain"],
      async run(world) {
        const door = { queue: "doors", by: "ops", reason: "r" };
        await world.store.setPaused({ ...door, draining: true });
        assert.deepEqual(await namesOf(world), ["doors"]);
        await world.store.setPaused({ ...door, draining: false });
        assert.deepEqual(await namesOf(world), []);
      },
    },
    {
      name: "are listed while a limit of them is set, and no longer",
      needs: ["limits"],
      async run(world) {
        const bounds = { concurrency: 2, rate: null };
        const setLimits = async (limits: SetLimits["limits"]): Promise<void> =>
          world.store.setLimits({ queue: "slip", limits, by: "ops" });
        await setLimits([{ name: "queue", bounds }]);
        await setLimits([{ name: "customer", bounds }]);
        await setLimits([{ name: "queue", bounds: null }]);
        assert.deepEqual(await namesOf(world), ["slip"]);
        await setLimits([{ name: "customer", bounds: null }]);
        assert.deepEqual(await namesOf(world), []);
      },
    },
    {
      name: "that are paused give nothing to any worker, and the others go on",
      isAboutOrder: true,
      async run({ store, enqueueMany, worker }) {
        await enqueueMany(2, { type: "a" });
        await enqueueMany(2, { type: "b" });
        const { claim, exchange, claimOne } = await worker();
        const offers = [offerOf("a"), offerOf("b")];
        const running = await claimOne({ offers: [offerOf("a")] });
        await store.setPaused({ queue: "a", paused: true, by: "ops", reason: "outage" });
        const { settled, claimed } = await exchange(
          [{ id: running.id, token: running.token, outcome: outcomes.release() }],
          { offers, capacity: 10 },
        );
        assert.deepEqual(settled, [{ accepted: true, state: "ready" }]);
        assert.deepEqual(
          claimed.map(({ queue }) => queue),
          ["b", "b"],
        );
        await store.setPaused({ queue: "a", paused: false, by: "ops", reason: "over" });
        assert.equal((await claim({ offers })).length, 2);
      },
    },
    {
      name: "that are paused take jobs in, count them, and say who paused them and why",
      async run({ store, enqueue, worker, now }) {
        await store.setPaused({ queue: "mail", paused: true, by: "ops", reason: "outage" });
        const [before] = await store.queues();
        assert.equal(before?.name, "mail");
        assert.deepEqual(before.counts, NONE);
        await enqueue({}, { delayMs: HOUR_MS });
        assert.deepEqual(await (await worker()).claim(), []);
        const [queue] = await store.queues();
        assert.ok(queue?.paused);
        assertNear(queue.paused.atMs, await now(), "paused.atMs");
        assert.deepEqual(
          { by: queue.paused.by, reason: queue.paused.reason, counts: queue.counts },
          { by: "ops", reason: "outage", counts: { ...NONE, ready: 1, scheduled: 1 } },
        );
        await store.setPaused({ queue: "mail", paused: false, by: "ops", reason: "" });
        assert.equal((await store.queues())[0]?.paused, null);
      },
    },
    {
      name: "paused through one store object are paused for all",
      needs: ["second-object"],
      async run({ store, enqueue, worker, openSecond }) {
        const [id = ""] = await enqueue({});
        const { claim } = await worker();
        const second = await openSecond();
        await second.setPaused({ queue: "mail", paused: true, by: "ops", reason: "r" });
        assert.deepEqual(await claim(), []);
        assert.equal((await store.queues())[0]?.paused?.by, "ops");
        await second.setPaused({ queue: "mail", paused: false, by: "ops", reason: "r" });
        let claimed: readonly { readonly id: string }[] = [];
        await eventually(async () => {
          claimed = await claim();
          return claimed.length > 0;
        }, "the queue should go on");
        assert.equal(claimed[0]?.id, id);
      },
    },
  ],
};
