// Leases: who is alive, and what becomes of the jobs of those who are not.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, assertFields, assertNear, eventually } from "./world.ts";

const STALE = { accepted: false, why: "stale" } as const;
/** Renewed by the store itself while a case runs. */
const SHORT_LEASE_MS = 600;
/** How often workers beat: twice a second. */
const BEAT_MS = 500;

export const leasesTopic: Topic = {
  name: "leases",
  cases: [
    {
      name: "are held by workers that are attached, and told with what they run",
      async run({ store, worker, enqueueMany, now }) {
        assert.deepEqual(await store.workers(), []);
        await enqueueMany(3);
        const attached = await worker({ labels: ["gpu"], leaseDurationMs: HOUR_MS });
        await attached.claim({ capacity: 2 });
        const [told, ...others] = await store.workers();
        assert.ok(told !== undefined && others.length === 0);
        const { attachedAtMs, leaseUntilMs, running, ...description } = told;
        assert.deepEqual(
          { description, running },
          { description: attached.description, running: 2 },
        );
        assertNear(attachedAtMs, await now(), "attachedAtMs");
        assertNear(leaseUntilMs, (await now()) + HOUR_MS, "leaseUntilMs");
        await attached.attachment.close();
        assert.deepEqual(await store.workers(), []);
      },
    },
    {
      name: "keep a worker's jobs its own, however long they run",
      async run({ worker, enqueue, advance, sweep, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker({ leaseDurationMs: 10 * HOUR_MS });
        const claimed = await claimOne();
        await advance(9 * HOUR_MS);
        const { deadWorkers, takenBack } = await sweep();
        assert.deepEqual({ deadWorkers, takenBack }, { deadWorkers: [], takenBack: 0 });
        assert.equal((await record(id)).state, "running");
        assert.deepEqual(await settle(outcomes.succeeded(), claimed), ["succeeded"]);
      },
    },
    {
      name: "that ended give the jobs to others, their tries not counted and their places kept",
      isAboutOrder: true,
      async run({ worker, enqueue, advance, sweep, record, store }) {
        const [id = "", next = ""] = await enqueue({}, {});
        const dead = await worker({ leaseDurationMs: HOUR_MS });
        const claimed = await dead.claimOne();
        const alive = await worker({ leaseDurationMs: 10 * HOUR_MS });
        await advance(2 * HOUR_MS);
        const swept = await sweep();
        assert.deepEqual(swept.deadWorkers, [dead.id]);
        assert.equal(swept.takenBack, 1);
        assert.deepEqual(
          (await store.workers()).map((each) => each.id),
          [alive.id],
        );
        const kept = await record(id);
        assertFields(kept, { state: "ready", attempts: 0, token: null });
        assert.equal(kept.history[0]?.outcome, "lost");
        assert.equal(kept.history[0].worker, dead.id);
        const again = await alive.claimOne();
        assert.deepEqual([again.id, again.attempt], [id, 1]);
        assert.notEqual(again.token, claimed.token);
        await alive.settle(outcomes.succeeded(), again);
        assert.equal((await alive.claimOne()).id, next);
        assert.equal((await sweep()).takenBack, 0);
      },
    },
    {
      name: "that ended void every claim: a late word changes nothing",
      async run({ worker, enqueue, advance, sweep, record, store }) {
        const [id = ""] = await enqueue({});
        const dead = await worker({ leaseDurationMs: HOUR_MS });
        const claimed = await dead.claimOne();
        await advance(2 * HOUR_MS);
        await sweep();
        const before = await record(id);
        assert.deepEqual(await dead.trySettle(outcomes.succeeded(), claimed), [STALE]);
        const { token } = claimed;
        assert.deepEqual(await store.report({ reports: [{ id, token, progress: "1" }] }), [false]);
        assert.deepEqual(await record(id), before);
      },
    },
    {
      name: "that ended let the word of a worker count as long as nobody took its jobs",
      async run({ worker, enqueue, advance }) {
        await enqueue({});
        const slow = await worker({ leaseDurationMs: HOUR_MS });
        const claimed = await slow.claimOne();
        await advance(2 * HOUR_MS);
        assert.deepEqual(await slow.settle(outcomes.succeeded(), claimed), ["succeeded"]);
      },
    },
    {
      name: "that ended leave no more to claim to the worker that held them",
      async run({ worker, enqueue, advance, sweep }) {
        const dead = await worker({ leaseDurationMs: HOUR_MS });
        await advance(2 * HOUR_MS);
        await sweep();
        const [id = ""] = await enqueue({});
        const claimed = await dead.claim().catch(() => []);
        assert.deepEqual(claimed, []);
        assert.equal((await (await worker()).claimOne()).id, id);
      },
    },
    {
      name: "are renewed by the store, without a word from the caller",
      async run({ worker, store }) {
        await worker({ leaseDurationMs: SHORT_LEASE_MS });
        const leaseUntilMs = async (): Promise<number> =>
          (await store.workers())[0]?.leaseUntilMs ?? 0;
        const first = await leaseUntilMs();
        assert.ok(first > 0);
        await eventually(
          async () => (await leaseUntilMs()) > first + SHORT_LEASE_MS,
          "the lease should be renewed",
        );
      },
    },
    {
      name: "are renewed while the caller's event loop is blocked",
      async run({ worker, enqueue, sweep, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle, losses } = await worker({ leaseDurationMs: SHORT_LEASE_MS });
        const claimed = await claimOne();
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * SHORT_LEASE_MS);
        assert.deepEqual((await sweep()).deadWorkers, []);
        assert.equal((await record(id)).state, "running");
        assert.deepEqual(losses, []);
        await settle(outcomes.succeeded(), claimed);
      },
    },
    {
      name: "are let go on purpose when the caller is silent beyond its deadline, and it is told",
      async run({ worker, enqueue, sweep, record }) {
        const [id = ""] = await enqueue({});
        const hung = await worker({ leaseDurationMs: SHORT_LEASE_MS });
        const claimed = await hung.claimOne();
        hung.attachment.heartbeat({ deadlineInMs: 50 });
        await eventually(async () => {
          await sweep();
          return (await record(id)).state === "ready";
        }, "the job should be given to others");
        await eventually(() => hung.losses.length > 0, "the worker should be told");
        assert.deepEqual(await hung.trySettle(outcomes.succeeded(), claimed), [STALE]);
      },
    },
    {
      name: "are kept when what has a deadline ends just then, and the caller's next beat says so",
      async run({ worker, store, sweep }) {
        const { attachment, losses } = await worker({ leaseDurationMs: SHORT_LEASE_MS });
        const isRenewedTo = async (untilMs: number): Promise<boolean> =>
          ((await store.workers())[0]?.leaseUntilMs ?? 0) >= untilMs;
        const until = (await store.workers())[0]?.leaseUntilMs ?? 0;
        attachment.heartbeat({ deadlineInMs: 50 });
        await eventually(
          () => isRenewedTo(until + BEAT_MS),
          "the lease should go on between two beats",
        );
        attachment.heartbeat({ deadlineInMs: null });
        await eventually(
          () => isRenewedTo(until + BEAT_MS + SHORT_LEASE_MS),
          "the lease should go on after the second beat",
        );
        assert.deepEqual((await sweep()).deadWorkers, []);
        assert.deepEqual(losses, []);
      },
    },
    {
      name: "are kept when the caller says in time that nothing has a deadline any longer",
      async run({ worker, store, sweep }) {
        const { attachment, losses } = await worker({ leaseDurationMs: SHORT_LEASE_MS });
        attachment.heartbeat({ deadlineInMs: 2 * SHORT_LEASE_MS });
        attachment.heartbeat({ deadlineInMs: null });
        const until = (await store.workers())[0]?.leaseUntilMs ?? 0;
        await eventually(
          async () => ((await store.workers())[0]?.leaseUntilMs ?? 0) > until + 3 * SHORT_LEASE_MS,
          "the lease should go on",
        );
        assert.deepEqual((await sweep()).deadWorkers, []);
        assert.deepEqual(losses, []);
      },
    },
    {
      name: "that others saw end are told to the worker as lost",
      async run({ worker, advance, sweep }) {
        const { id, losses } = await worker({ leaseDurationMs: SHORT_LEASE_MS });
        // The store may renew between the two: then once more.
        await eventually(async () => {
          await advance(HOUR_MS);
          return (await sweep()).deadWorkers.includes(id);
        }, "the lease should end");
        await eventually(() => losses.length > 0, "the worker should be told");
      },
    },
    {
      name: "that are given up make the jobs ready at once, their tries not counted",
      isAboutOrder: true,
      async run({ worker, enqueue, record, sweep }) {
        const [id = "", next = ""] = await enqueue({}, {});
        const leaving = await worker();
        const claimed = await leaving.claimOne();
        await leaving.attachment.close();
        await leaving.attachment.close();
        const kept = await record(id);
        assertFields(kept, { state: "ready", attempts: 0, crashes: 0, token: null });
        assert.equal(kept.history[0]?.outcome, "released");
        assert.deepEqual(await leaving.trySettle(outcomes.succeeded(), claimed), [STALE]);
        assert.deepEqual((await sweep()).deadWorkers, []);
        const claims = await (await worker()).claim();
        assert.deepEqual(
          claims.map((each) => each.id),
          [id, next],
        );
        assert.deepEqual(leaving.losses, []);
      },
    },
    {
      name: "of many jobs are taken back in bounded steps, none left behind",
      async run({ worker, enqueueMany, advance, store }) {
        const ids = await enqueueMany(120);
        const dead = await worker({ leaseDurationMs: HOUR_MS });
        await dead.claim();
        await advance(2 * HOUR_MS);
        let takenBack = 0;
        let more = true;
        for (let step = 0; more && step < 100; step += 1) {
          const swept = await store.sweep({ limit: 50 });
          assert.ok(swept.takenBack <= 50);
          takenBack += swept.takenBack;
          ({ more } = swept);
        }
        assert.equal(takenBack, 120);
        const records = await store.get({ ids });
        assert.ok(records.every((record) => record?.state === "ready"));
      },
    },
  ],
};
