// Orders: what operators do to jobs by their ids, beyond cancelling, retrying and removing them.
import assert from "node:assert/strict";
import { idInQueue } from "../../core/ids.ts";
import type { JobOrder } from "../../core/orders.ts";
import type { Topic } from "./harness.ts";
import { offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, SLACK_MS, assertFields, assertNear } from "./world.ts";

const LONG = JSON.stringify({ text: "x".repeat(5_000) });

const to = (delayMs: number): JobOrder => ({ kind: "reschedule", delayMs });

export const ordersTopic: Topic = {
  name: "orders",
  cases: [
    {
      name: "a failed job is retried with another input",
      needs: ["bulk"],
      async run({ store, enqueue, worker, record }) {
        const [id = "", long = ""] = await enqueue({ input: '{"n":1}' }, { input: LONG });
        const { claim, settle } = await worker();
        await settle(outcomes.failed(), ...(await claim()));
        const retry = (input: string) =>
          store.change({ ids: [id], order: { kind: "retry", input } });
        assert.deepEqual(await retry(LONG), [{ changed: true, state: "ready" }]);
        await store.change({ ids: [long], order: { kind: "retry", input: "2" } });
        assertFields(await record(id), { state: "ready", attempts: 0, input: LONG });
        assertFields(await record(long), { state: "ready", input: "2" });
        const claimed = await claim();
        assert.deepEqual(new Map(claimed.map((job) => [job.id, job.input])).get(id), LONG);
        assert.deepEqual(new Map(claimed.map((job) => [job.id, job.input])).get(long), "2");
        await settle(outcomes.failed(), ...claimed);
        await retry("3");
        assert.equal((await record(id)).input, "3");
        await store.remove({ ids: [id, long] });
      },
    },
    {
      name: "many failed jobs come back at a rate",
      needs: ["bulk"],
      async run({ store, enqueueMany, enqueue, worker, record, now, advance }) {
        const ids = [...(await enqueueMany(3)), ...(await enqueue({ delayMs: HOUR_MS }))];
        const { claim, settle } = await worker();
        await settle(outcomes.failed(), ...(await claim()));
        const order = { kind: "retry", delayMs: HOUR_MS, everyMs: 10 * MINUTE_MS } as const;
        const replies = await store.change({ ids: [...ids].reverse(), order });
        const scheduled = { changed: true, state: "scheduled" };
        assert.deepEqual(replies, [
          { ...scheduled, changed: false },
          scheduled,
          scheduled,
          scheduled,
        ]);
        const nowMs = await now();
        for (const [place, id] of ids.slice(0, 3).reverse().entries()) {
          const kept = await record(id);
          assertFields(kept, { state: "scheduled", attempts: 0, finishedAtMs: null });
          assertNear(kept.dueAtMs, nowMs + HOUR_MS + place * 10 * MINUTE_MS, "dueAtMs");
        }
        assert.deepEqual(await claim(), []);
        await advance(HOUR_MS + SLACK_MS);
        assert.equal(
          (await claim()).length,
          2,
          "the first of them, and the one that was scheduled",
        );
      },
    },
    {
      name: "a job that waits gets another time",
      needs: ["bulk"],
      async run({ store, enqueue, worker, record, now, advance }) {
        const [early = "", late = "", bounded = ""] = await enqueue(
          { delayMs: HOUR_MS },
          {},
          { expireAfterMs: HOUR_MS },
        );
        const nowMs = await now();
        const change = (id: string, order: JobOrder) => store.change({ ids: [id], order });
        assert.deepEqual(await change(early, to(0)), [{ changed: true, state: "ready" }]);
        assert.deepEqual(await change(late, { kind: "reschedule", runAtMs: nowMs + 2 * HOUR_MS }), [
          { changed: true, state: "scheduled" },
        ]);
        await change(bounded, to(3 * HOUR_MS));
        assertFields(await record(late), { state: "scheduled", dueAtMs: nowMs + 2 * HOUR_MS });
        assertNear((await record(bounded)).expiresAtMs, nowMs + 4 * HOUR_MS, "expiresAtMs");
        const { claim, claimOne } = await worker({ leaseDurationMs: 100 * HOUR_MS });
        assert.equal((await claimOne()).id, early);
        assert.deepEqual(await claim(), []);
        assert.deepEqual(await change(early, to(0)), [{ changed: false, state: "running" }]);
        await advance(2 * HOUR_MS + SLACK_MS);
        assert.equal((await claimOne()).id, late);
        await advance(HOUR_MS);
        assert.equal((await claimOne()).id, bounded);
      },
    },
    {
      name: "a job that waits gets another head start",
      isAboutOrder: true,
      needs: ["bulk"],
      async run({ store, enqueueMany, enqueue, worker, record }) {
        const [first = "", second = "", third = ""] = await enqueueMany(3);
        const [scheduled = ""] = await enqueue({ delayMs: HOUR_MS });
        const order = { kind: "prioritize", headStartMs: 10 * MINUTE_MS } as const;
        assert.deepEqual(await store.change({ ids: [third, scheduled], order }), [
          { changed: true, state: "ready" },
          { changed: true, state: "scheduled" },
        ]);
        const back = { ...order, headStartMs: -10 * MINUTE_MS };
        await store.change({ ids: [first], order: back });
        assert.equal((await record(third)).headStartMs, 10 * MINUTE_MS);
        const { claim, settle } = await worker();
        const claimed = await claim();
        assert.deepEqual(
          claimed.map(({ id }) => id),
          [third, second, first],
        );
        await settle(outcomes.failed(), ...claimed);
        assert.deepEqual(await store.change({ ids: [first], order }), [
          { changed: false, state: "failed" },
        ]);
        await store.retry({ ids: [third, second, first] });
        assert.equal((await record(first)).headStartMs, -10 * MINUTE_MS);
      },
    },
    {
      name: "a job that waits moves to another queue, with all that is kept of it",
      needs: ["bulk", "requeue", "tags", "logs"],
      async run({ store, enqueue, worker, record, job }) {
        const idempotency = { key: "k", rememberMs: HOUR_MS };
        const [id = "", later = ""] = await enqueue(
          { tags: ["a", "b"], input: LONG, idempotency, headStartMs: MINUTE_MS },
          { delayMs: HOUR_MS },
        );
        const { claimOne, exchange } = await worker();
        const { token } = await claimOne();
        const logs = [{ level: "info" as const, message: "said", atMs: 1 }];
        await exchange([{ id, token, outcome: outcomes.retry(0), logs }]);
        const before = await record(id);
        const order = { kind: "move", queue: "slow" } as const;
        const moved = idInQueue(id, "slow");
        const movedLater = idInQueue(later, "slow");
        assert.deepEqual(await store.change({ ids: [id, later, id], order }), [
          { changed: true, state: "ready", id: moved },
          { changed: true, state: "scheduled", id: movedLater },
          { changed: false, state: null },
        ]);
        const kept = await record(moved);
        assertNear(kept.enqueuedAtMs, before.enqueuedAtMs, "enqueuedAtMs");
        const { enqueuedAtMs: _, ...rest } = { ...before, id: moved, queue: "slow" };
        assertFields(kept, rest);
        assert.equal((await record(movedLater)).state, "scheduled");
        assert.equal((await store.logs({ id: moved, limit: 9 }))[0]?.message, "said");
        const tagged = await store.list({ filter: { tag: "b" }, limit: 9 });
        assert.deepEqual(
          tagged.jobs.map((each) => each.id),
          [moved],
        );
        const again = job({ idempotency });
        assert.equal((await store.enqueue({ jobs: [again] }))[0]?.id, moved);
        const slow = await worker({ offers: [offerOf("slow", "mail")] });
        assert.deepEqual(
          (await slow.claim()).map((each) => each.id),
          [moved],
        );
        assert.deepEqual(
          await store.change({ ids: [moved], order: { kind: "move", queue: "x" } }),
          [{ changed: false, state: "running" }],
        );
      },
    },
    {
      name: "orders about one job twice, or about one that is not kept, are answered one by one",
      needs: ["bulk"],
      async run({ store, enqueue, job }) {
        const [id = ""] = await enqueue({});
        const order = { kind: "cancel", reason: "r" } as const;
        assert.deepEqual(await store.change({ ids: [id, job().id, id], order }), [
          { changed: true, state: "cancelled" },
          { changed: false, state: null },
          { changed: false, state: "cancelled" },
        ]);
        assert.deepEqual(await store.change({ ids: [id], order: { kind: "remove" } }), [
          { changed: true, state: "cancelled" },
        ]);
      },
    },
    {
      name: "a wrong order is refused",
      needs: ["bulk"],
      async run({ store }) {
        const refused = (order: JobOrder) =>
          assert.rejects(store.change({ ids: [], order }), { code: "INVALID_ARGUMENT" });
        await refused({ kind: "move", queue: "no such name" });
        await refused({ kind: "reschedule", delayMs: -1 });
        await refused({ kind: "prioritize", headStartMs: 1e15 });
        await refused({ kind: "retry", everyMs: Number.NaN });
      },
    },
  ],
};
