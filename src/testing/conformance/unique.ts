// Uniqueness: one job of a key while it stands, and the newest input for one that has not started.
import assert from "node:assert/strict";
import type { UniqueWhile } from "../../core/flow.ts";
import type { EnqueueReply, NewJob } from "../../core/store.ts";
import type { StoreCase, Topic } from "./harness.ts";
import { HOUR_MS, MINUTE_MS, type World, assertNear } from "./world.ts";
import { outcomes } from "./worker.ts";

const NEEDS = ["unique"] as const;
const CALLERS = 100;

function unique(during: UniqueWhile, key = "k"): Pick<NewJob, "unique"> {
  return { unique: { key, while: during } };
}

async function enqueueOne({ store, job }: World, options: Partial<NewJob>): Promise<EnqueueReply> {
  const [reply] = await store.enqueue({ jobs: [job(options)] });
  assert.ok(reply);
  return reply;
}

const standing: readonly StoreCase[] = [
  {
    name: "a job stands for its key until it is over",
    needs: NEEDS,
    async run(world) {
      const { worker } = world;
      const first = await enqueueOne(world, unique("unfinished"));
      const stands = { id: first.id, isNew: false, because: "unique" as const };
      assert.equal(first.isNew, true);
      assert.deepEqual(await enqueueOne(world, unique("unfinished")), {
        ...stands,
        state: "ready",
      });
      const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
      await only.settle(outcomes.retry(0), await only.claimOne());
      const claimed = await only.claimOne();
      assert.deepEqual(await enqueueOne(world, unique("unfinished")), {
        ...stands,
        state: "running",
      });
      await only.settle(outcomes.succeeded(), claimed);
      assert.equal((await enqueueOne(world, unique("unfinished"))).isNew, true);
    },
  },
  {
    name: "a job stands for its key while it waits, or while it runs",
    needs: NEEDS,
    async run(world) {
      const { worker } = world;
      const only = await worker();
      await enqueueOne(world, unique("waiting", "w"));
      assert.equal((await enqueueOne(world, unique("waiting", "w"))).isNew, false);
      await only.claimOne();
      assert.equal((await enqueueOne(world, unique("waiting", "w"))).isNew, true);
      await only.settle(outcomes.succeeded(), await only.claimOne());
      await enqueueOne(world, unique("running", "r"));
      assert.equal((await enqueueOne(world, unique("running", "r"))).isNew, true);
      await only.claimOne();
      assert.equal((await enqueueOne(world, unique("running", "r"))).isNew, false);
    },
  },
  {
    name: "a job that is cancelled, removed or lost with its retention stands no longer",
    needs: NEEDS,
    async run(world) {
      const { store, worker } = world;
      const cancelled = await enqueueOne(world, unique("unfinished"));
      await store.cancel({ ids: [cancelled.id], reason: "r" });
      const removed = await enqueueOne(world, unique("unfinished"));
      assert.equal(removed.isNew, true);
      await store.remove({ ids: [removed.id] });
      assert.equal((await enqueueOne(world, unique("unfinished"))).isNew, true);
      const only = await worker();
      await only.settle(outcomes.succeeded("1", { ageMs: 0, count: 0 }), await only.claimOne());
      assert.equal((await enqueueOne(world, unique("unfinished"))).isNew, true);
    },
  },
  {
    name: "keys of other types and other keys are others",
    needs: NEEDS,
    async run(world) {
      await enqueueOne(world, unique("unfinished"));
      const isNew = async (options: Partial<NewJob>): Promise<boolean> =>
        (await enqueueOne(world, options)).isNew;
      assert.equal(await isNew(unique("unfinished", "other")), true);
      assert.equal(await isNew({ ...unique("unfinished"), type: "post" }), true);
      assert.equal(await isNew({}), true);
    },
  },
  {
    name: "of many callers at once one makes the job, and all get its id",
    needs: NEEDS,
    async run(world) {
      const { store, job } = world;
      const jobs = Array.from({ length: CALLERS }, () => job(unique("unfinished")));
      const replies = await Promise.all(jobs.map((each) => store.enqueue({ jobs: [each] })));
      const told = replies.flat();
      assert.equal(told.filter(({ isNew }) => isNew).length, 1);
      assert.equal(new Set(told.map(({ id }) => id)).size, 1);
      const { jobs: kept } = await store.list({ filter: {}, limit: 10 });
      assert.equal(kept.length, 1);
    },
  },
  {
    name: "of many callers over two store objects one makes the job",
    needs: ["unique", "second-object"],
    async run(world) {
      const { store, job, openSecond } = world;
      const stores = [store, await openSecond()];
      const replies = await Promise.all(
        Array.from({ length: CALLERS }, (_, caller) =>
          (stores[caller % 2] ?? store).enqueue({ jobs: [job(unique("unfinished"))] }),
        ),
      );
      const told = replies.flat();
      assert.equal(told.filter(({ isNew }) => isNew).length, 1);
      assert.equal(new Set(told.map(({ id }) => id)).size, 1);
    },
  },
  {
    name: "the same enqueue again finds its own job",
    needs: NEEDS,
    async run({ store, job }) {
      const one = job(unique("unfinished"));
      await store.enqueue({ jobs: [one] });
      const [again] = await store.enqueue({ jobs: [one] });
      assert.deepEqual([again?.id, again?.isNew], [one.id, false]);
    },
  },
];

/** Far apart, so that the time a case takes does not matter. */
const WAIT = { waitMs: 10 * MINUTE_MS, longestMs: 25 * MINUTE_MS };

function debounced(input: string): Partial<NewJob> {
  return {
    input,
    delayMs: 10 * MINUTE_MS,
    unique: { key: "k", while: "waiting", debounce: WAIT },
  };
}

const debouncing: readonly StoreCase[] = [
  {
    name: "the newest input wins, and puts the job off up to its longest wait",
    needs: NEEDS,
    async run(world) {
      const { record, advance } = world;
      const first = await enqueueOne(world, debounced('"1"'));
      const { enqueuedAtMs } = await record(first.id);
      for (const [input, dueInMs] of [
        ['"2"', 18],
        ['"3"', 25],
      ] as const) {
        await advance(8 * MINUTE_MS);
        const reply = await enqueueOne(world, debounced(input));
        assert.deepEqual([reply.id, reply.isNew, reply.because], [first.id, false, "debounced"]);
        const kept = await record(first.id);
        assert.equal(kept.input, input);
        assert.equal(kept.state, "scheduled");
        assertNear(kept.dueAtMs, enqueuedAtMs + dueInMs * MINUTE_MS, "dueAtMs");
      }
    },
  },
  {
    name: "a debounced job runs once with the newest input, and the next one is new",
    needs: NEEDS,
    async run(world) {
      const { worker, advance } = world;
      const long = JSON.stringify("x".repeat(5_000));
      await enqueueOne(world, debounced('"1"'));
      await enqueueOne(world, debounced(long));
      await enqueueOne(world, debounced('"3"'));
      const { id } = await enqueueOne(world, debounced(long));
      await advance(11 * MINUTE_MS);
      const only = await worker();
      const claimed = await only.claimOne();
      assert.deepEqual([claimed.id, claimed.input], [id, long]);
      assert.equal((await enqueueOne(world, debounced('"5"'))).isNew, true);
    },
  },
];

/** Cases about uniqueness. */
export const uniqueTopic: Topic = { name: "uniqueness", cases: [...standing, ...debouncing] };
