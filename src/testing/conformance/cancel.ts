// Cancellation: of jobs that wait, at once; of jobs that run, by asking, and by force when nobody answers.
import assert from "node:assert/strict";
import { cancelError } from "../../core/transitions.ts";
import type { Topic } from "./harness.ts";
import { KEEP, REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, assertFields, eventually } from "./world.ts";

export const cancelTopic: Topic = {
  name: "cancelling",
  cases: [
    {
      name: "ends jobs that wait, at once and for good",
      async run({ store, enqueue, worker, record, advance }) {
        const ids = await enqueue({}, { delayMs: MINUTE_MS });
        assert.deepEqual(await store.cancel({ ids, reason: "no need" }), [
          { changed: true, state: "cancelled" },
          { changed: true, state: "cancelled" },
        ]);
        for (const id of ids) {
          const kept = await record(id);
          assertFields(kept, {
            state: "cancelled",
            error: cancelError("no need"),
            attempts: 0,
            history: [],
          });
          assert.equal(kept.cancelRequest?.reason, "no need");
          assert.equal(kept.finishedAtMs, kept.cancelRequest.atMs);
        }
        await advance(HOUR_MS);
        assert.deepEqual(await (await worker()).claim(), []);
      },
    },
    {
      name: "answers in the order of the ids, also for what it can't cancel",
      isAboutOrder: true,
      async run({ store, enqueue, worker, job }) {
        const [ended = "", waiting = ""] = await enqueue({}, {});
        const { claimOne, settle } = await worker();
        await settle(outcomes.succeeded(), await claimOne());
        const unknown = job().id;
        assert.deepEqual(
          await store.cancel({ ids: [unknown, waiting, ended, waiting], reason: "r" }),
          [
            { changed: false, state: null },
            { changed: true, state: "cancelled" },
            { changed: false, state: "succeeded" },
            { changed: false, state: "cancelled" },
          ],
        );
      },
    },
    {
      name: "removes at once where the type, or the job, keeps no cancelled ones",
      async run({ store, enqueue, putType }) {
        const none = { succeeded: KEEP, failed: KEEP, cancelled: REMOVE_AT_ONCE };
        await putType({ name: "mail", retention: none });
        const [byType = "", byJob = "", kept = ""] = await enqueue(
          { type: "mail" },
          { type: "other", retention: none },
          { type: "other" },
        );
        await store.cancel({ ids: [byType, byJob, kept], reason: "r" });
        const records = await store.get({ ids: [byType, byJob, kept] });
        assert.deepEqual(
          records.map((each) => each?.state ?? null),
          [null, null, "cancelled"],
        );
      },
    },
    {
      name: "asks the worker of a running job, which may still succeed first",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle, cancels } = await worker();
        const claimed = await claimOne();
        assert.deepEqual(await store.cancel({ ids: [id], reason: "changed my mind" }), [
          { changed: true, state: "running" },
        ]);
        await eventually(() => cancels.length > 0, "the worker should be asked");
        assert.deepEqual(cancels[0], { id, reason: "changed my mind" });
        const asked = await record(id);
        assertFields(asked, { state: "running", token: claimed.token, worker: asked.worker });
        assert.equal(asked.cancelRequest?.reason, "changed my mind");
        assert.deepEqual(await settle(outcomes.succeeded(), claimed), ["succeeded"]);
      },
    },
    {
      name: "ends when the worker says so",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record, sweep }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const claimed = await claimOne();
        await store.cancel({ ids: [id], reason: "enough" });
        await settle(outcomes.cancelled(cancelError("enough")), claimed);
        assertFields(await record(id), { state: "cancelled", error: cancelError("enough") });
        assert.equal((await sweep()).cancelled, 0);
      },
    },
    {
      name: "keeps the first reason when it is asked for again",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        await (await worker()).claimOne();
        await store.cancel({ ids: [id], reason: "first" });
        const first = await record(id);
        assert.deepEqual(await store.cancel({ ids: [id], reason: "second" }), [
          { changed: true, state: "running" },
        ]);
        assert.deepEqual(await record(id), first);
      },
    },
    {
      name: "reaches a worker on another store object",
      needs: ["cancel-running", "second-object"],
      async run({ enqueue, worker, openSecond }) {
        const [id = ""] = await enqueue({});
        const { claimOne, cancels } = await worker();
        await claimOne();
        const second = await openSecond();
        await second.cancel({ ids: [id], reason: "from afar" });
        await eventually(() => cancels.length > 0, "the worker should be asked");
        assert.deepEqual(cancels[0], { id, reason: "from afar" });
      },
    },
    {
      name: "outlives the try: a retry, a snooze or a release of a job to be cancelled ends it",
      needs: ["cancel-running"],
      async run({ store, enqueueMany, worker, record }) {
        const ids = await enqueueMany(3);
        const { claim, settle } = await worker();
        const claimed = await claim();
        await store.cancel({ ids, reason: "enough" });
        const ends = [outcomes.retry(MINUTE_MS), outcomes.snooze(MINUTE_MS), outcomes.release()];
        for (const [index, one] of claimed.entries()) {
          assert.deepEqual(await settle(ends[index] ?? outcomes.release(), one), ["cancelled"]);
          const kept = await record(one.id);
          assertFields(kept, { state: "cancelled", error: cancelError("enough"), attempts: 0 });
          assert.equal(kept.history.at(-1)?.outcome, "cancelled");
        }
        assert.deepEqual(await claim(), []);
      },
    },
    {
      name: "is carried out by the sweep once the grace of the type is over, and the late word refused",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record, advance, sweep, putType }) {
        await putType({ cancelGraceMs: 10 * MINUTE_MS });
        const [id = ""] = await enqueue({});
        const { claimOne, trySettle } = await worker();
        const claimed = await claimOne();
        await store.cancel({ ids: [id], reason: "enough" });
        await advance(8 * MINUTE_MS);
        assert.equal((await sweep()).cancelled, 0);
        assert.equal((await record(id)).state, "running");
        await advance(2 * MINUTE_MS);
        assert.equal((await sweep()).cancelled, 1);
        const kept = await record(id);
        assertFields(kept, {
          state: "cancelled",
          token: null,
          error: cancelError("enough"),
          attempts: 0,
        });
        assert.equal(kept.history.at(-1)?.outcome, "cancelled");
        assert.deepEqual(await trySettle(outcomes.succeeded(), claimed), [
          { accepted: false, why: "stale" },
        ]);
        const { token } = claimed;
        assert.deepEqual(await store.report({ reports: [{ id, token, progress: "1" }] }), [false]);
      },
    },
    {
      name: "of a job whose worker dies ends it, instead of running it again",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record, advance, sweep, putType }) {
        await putType({ cancelGraceMs: 100 * HOUR_MS });
        const [id = ""] = await enqueue({});
        await (await worker({ leaseDurationMs: HOUR_MS })).claimOne();
        await store.cancel({ ids: [id], reason: "enough" });
        await advance(2 * HOUR_MS);
        await sweep();
        assertFields(await record(id), { state: "cancelled", crashes: 0 });
        assert.deepEqual(await (await worker()).claim(), []);
      },
    },
    {
      name: "of a job whose worker leaves ends it, instead of giving it back",
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, record, putType }) {
        const cancelled = { ageMs: MINUTE_MS, count: 1_000 };
        await putType({ retention: { succeeded: KEEP, failed: KEEP, cancelled } });
        const [id = ""] = await enqueue({});
        const leaving = await worker();
        await leaving.claimOne();
        await store.cancel({ ids: [id], reason: "enough" });
        await leaving.attachment.close();
        const { state, finishedAtMs, removeAtMs } = await record(id);
        assert.equal(state, "cancelled");
        assert.equal((removeAtMs ?? 0) - (finishedAtMs ?? 0), MINUTE_MS);
      },
    },
    {
      name: "against claims at one moment leaves no job both cancelled and running",
      needs: ["cancel-running"],
      async run({ store, enqueueMany, worker }) {
        const ids = await enqueueMany(200);
        const { claim } = await worker();
        const claims: ReturnType<typeof claim>[] = [];
        const cancels: ReturnType<typeof store.cancel>[] = [];
        for (let index = 0; index < 20; index += 1) {
          claims.push(claim({ capacity: 5 }));
          cancels.push(
            store.cancel({ ids: ids.slice(index * 10, index * 10 + 10), reason: "race" }),
          );
        }
        const claimed = new Set((await Promise.all(claims)).flat().map(({ id }) => id));
        const replies = (await Promise.all(cancels)).flat();
        const records = await store.get({ ids });
        for (const [index, id] of ids.entries()) {
          const state = claimed.has(id) ? "running" : "cancelled";
          assert.equal(records[index]?.state, state);
          assert.equal(records[index].cancelRequest?.reason, "race");
          assert.equal(replies[index]?.changed, true);
        }
      },
    },
  ],
};
