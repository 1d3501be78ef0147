// Retention: finished jobs are kept as long, and as many, as was said, and not more.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import type { Retention } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { KEEP, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, type World, eventually } from "./world.ts";

/** Enqueues jobs and ends them all, in order. */
async function finishMany(
  { enqueueMany, worker }: World,
  count: number,
  retention = KEEP,
): Promise<readonly JobId[]> {
  const ids = await enqueueMany(count);
  const { claim, settle } = await worker();
  const claims = [...(await claim())].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const claimed of claims) await settle(outcomes.succeeded("1", retention), claimed);
  return ids;
}

const of = (ageMs: number): Retention => ({ ageMs, count: 100 });

async function keptOf({ store }: World, ids: readonly JobId[]): Promise<readonly JobId[]> {
  const records = await store.get({ ids });
  return records.flatMap((record) => (record === null ? [] : [record.id]));
}

export const retentionTopic: Topic = {
  name: "retention",
  cases: [
    {
      name: "by age removes what is older, by the word of each settlement",
      async run(world) {
        const { advance, sweep } = world;
        const short = await finishMany(world, 3, { ageMs: 10 * MINUTE_MS, count: 100 });
        const long = await finishMany(world, 2, { ageMs: HOUR_MS, count: 100 });
        await advance(8 * MINUTE_MS);
        await sweep();
        assert.equal((await keptOf(world, short)).length, 3);
        await advance(2 * MINUTE_MS);
        await sweep();
        assert.deepEqual(await keptOf(world, short), []);
        assert.deepEqual(await keptOf(world, long), long);
        await advance(HOUR_MS);
        await sweep();
        assert.deepEqual(await keptOf(world, long), []);
        assert.deepEqual((await world.store.list({ filter: {}, limit: 10 })).jobs, []);
      },
    },
    {
      name: "by count keeps those of a type and outcome that finished last",
      async run(world) {
        const { putType, enqueue, worker, sweep, advance } = world;
        const three = { ageMs: 1_000 * HOUR_MS, count: 3 };
        await putType({
          retention: { succeeded: three, failed: { ...three, count: 1 }, cancelled: three },
        });
        const succeeded = await finishMany(world, 7, three);
        const [other = ""] = await enqueue({ type: "other" }, {}, {});
        const { claimOne, settle } = await worker();
        const [first, second] = [await claimOne(), await claimOne()];
        await settle(outcomes.failed(), first);
        await advance(1_000);
        await settle(outcomes.failed(), second);
        // The store does this by itself, or in its sweep.
        await eventually(async () => {
          await sweep();
          return (await keptOf(world, succeeded)).length === 3;
        }, "the count should hold");
        assert.deepEqual(await keptOf(world, succeeded), succeeded.slice(4));
        assert.deepEqual(await keptOf(world, [first.id, second.id, other]), [second.id, other]);
      },
    },
    {
      name: "of a job that the store itself ends is the type's, or its own",
      async run(world) {
        const { store, putType, enqueue, advance, sweep } = world;
        await putType({
          retention: { succeeded: KEEP, failed: of(10 * MINUTE_MS), cancelled: of(20 * MINUTE_MS) },
        });
        const own = { succeeded: KEEP, failed: of(40 * MINUTE_MS), cancelled: of(50 * MINUTE_MS) };
        const expired = await enqueue({ expireAfterMs: 1 }, { expireAfterMs: 1, retention: own });
        const cancelled = await enqueue({}, { retention: own });
        await advance(1_000);
        await sweep();
        await store.cancel({ ids: cancelled, reason: "r" });
        const [e1, e2, c1, c2] = await store.get({ ids: [...expired, ...cancelled] });
        const keptFor = [e1, e2, c1, c2].map(
          (record) => (record?.removeAtMs ?? 0) - (record?.finishedAtMs ?? 0),
        );
        assert.deepEqual(
          keptFor.map((ms) => ms / MINUTE_MS),
          [10, 40, 20, 50],
        );
      },
    },
    {
      name: "of a type that nobody made known has an end, too",
      async run({ store, enqueue }) {
        const [id = ""] = await enqueue({ type: "unheard-of" });
        await store.cancel({ ids: [id], reason: "r" });
        const [kept] = await store.get({ ids: [id] });
        assert.ok((kept?.removeAtMs ?? 0) > (kept?.finishedAtMs ?? 0));
      },
    },
    {
      name: "is carried out in bounded steps, and each says whether more is to do",
      async run(world) {
        const { store, advance } = world;
        await finishMany(world, 25, { ageMs: MINUTE_MS, count: 1_000 });
        await advance(2 * MINUTE_MS);
        const removed: number[] = [];
        let more = true;
        while (more && removed.length < 100) {
          const step = await store.sweep({ limit: 10 });
          removed.push(step.removed);
          ({ more } = step);
        }
        assert.ok(
          removed.every((count) => count <= 10),
          `steps of at most 10: ${removed.join(", ")}`,
        );
        assert.equal(
          removed.reduce((sum, count) => sum + count, 0),
          25,
        );
      },
    },
    {
      name: "does not begin for a job that is retried by hand",
      async run(world) {
        const { store, enqueue, worker, advance, sweep } = world;
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        await settle(outcomes.failed(undefined, { ageMs: MINUTE_MS, count: 5 }), await claimOne());
        await store.retry({ ids: [id] });
        await advance(HOUR_MS);
        await sweep();
        assert.deepEqual(await keptOf(world, [id]), [id]);
      },
    },
  ],
};
