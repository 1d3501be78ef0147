// What a Redis store keeps stays bounded: lanes, ended jobs, replies, whatever passes through.
import { Redis } from "ioredis";
import { afterAll, expect, inject, test } from "vitest";
import {
  FIXED_KEYS,
  LANE_IDLE_MS,
  LIMIT_KEYS,
  LIST_SLOTS,
  MAX_LANES,
} from "../../src/stores/redis/layout.ts";
import { REMOVE_AT_ONCE, offerOf, outcomes } from "../../src/testing/conformance/worker.ts";
import { MINUTE_MS, type World, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const metaOf = ({ namespace }: World): string => `{mr1|${namespace}|mail|0}m`;

async function fieldsOf(world: World, first: string): Promise<readonly string[]> {
  const fields = await server.hkeys(metaOf(world));
  return fields.filter((field) => field.startsWith(first));
}

/** Elements of each key of the room, the sentinel of each included. */
async function sizesOf({ namespace }: World): Promise<ReadonlyMap<string, number>> {
  const tag = `{mr1|${namespace}|mail|0}`;
  const sizes = new Map<string, number>();
  for (const key of await server.keys(`${tag.replace(/[[\]]/g, "\\$&")}*`)) {
    const counts = { hash: "hlen", zset: "zcard", list: "llen" } as const;
    const type = (await server.type(key)) as keyof typeof counts;
    sizes.set(key.slice(tag.length), await server[counts[type]](key));
  }
  return sizes;
}

/** Sweeps once lanes that are unused have been seen so, and again when that was long ago. */
async function forgetLanes({ sweep, advance }: World): Promise<void> {
  for (const waitMs of [0, LANE_IDLE_MS + MINUTE_MS]) {
    await advance(waitMs);
    // A sweep looks at some of them; their marks may grow the table meanwhile.
    for (let step = 0; step < 10; step += 1) await sweep();
  }
}

test("lanes that no job names any more are forgotten, and come back with the next job", async () => {
  await withWorld(harness, {
    run: async (world) => {
      const { enqueue, worker, putType } = world;
      await putType();
      const count = 40;
      await enqueue(...Array.from({ length: count }, (_, headStartMs) => ({ headStartMs })));
      const { claim, settle } = await worker();
      const claimed = await claim({ capacity: count });
      const [kept = claimed[0], ...others] = claimed;
      if (kept === undefined) throw new Error("jobs should be claimed");
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...others);
      expect(await fieldsOf(world, "d")).toHaveLength(count);
      await forgetLanes(world);
      // The one that runs is named by its job.
      expect(await fieldsOf(world, "d")).toHaveLength(1);
      expect((await world.record(kept.id)).headStartMs).toBe(count - 1);
      await settle(outcomes.failed(), kept);
      await forgetLanes(world);
      // The failed one names it still, and can be made ready again.
      expect(await fieldsOf(world, "d")).toHaveLength(1);
      await world.store.retry({ ids: [kept.id] });
      const [again] = await claim();
      expect(again?.id).toBe(kept.id);
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), again ?? kept);
      await forgetLanes(world);
      expect(await fieldsOf(world, "d")).toEqual([]);
      expect((await fieldsOf(world, "s")).filter((field) => /^s\d$/.test(field))).toEqual([]);

      const [late = ""] = await enqueue({ headStartMs: 7 });
      const [last] = await claim();
      expect(last?.id).toBe(late);
    },
  });
});

test("a worker that waits for a lane is woken when that comes back", async () => {
  await withWorld(harness, {
    run: async (world) => {
      const { enqueue, worker } = world;
      await enqueue({});
      const { claim, settle, wakes } = await worker();
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...(await claim()));
      expect(await claim()).toEqual([]);
      await forgetLanes(world);
      expect(await fieldsOf(world, "d")).toEqual([]);
      const before = wakes();
      await enqueue({});
      await expect.poll(wakes).toBeGreaterThan(before);
      expect(await claim()).toHaveLength(1);
    },
  });
});

test("more kinds of jobs than a queue may have are refused, and nothing of the call is kept", async () => {
  await withWorld(harness, {
    run: async ({ store, job, worker }) => {
      const one = (headStartMs: number) => job({ headStartMs });
      for (let from = 0; from < MAX_LANES; from += 1_000) {
        const jobs = Array.from({ length: 1_000 }, (_, index) => one(from + index));
        await store.enqueue({ jobs });
      }
      const [known, beyond] = [one(1), one(MAX_LANES)];
      await expect(store.enqueue({ jobs: [beyond, known] })).rejects.toMatchObject({
        code: "TOO_MANY",
      });
      expect(await store.get({ ids: [beyond.id, known.id] })).toEqual([null, null]);
      await store.enqueue({ jobs: [known] });
      // Of all of them the one with the longest head start is next.
      const { claimOne } = await worker({ offers: [offerOf("mail")] });
      expect((await claimOne()).type).toBe("mail");
    },
  });
});

test("of what has run, and was kept for its time, nothing is left", async () => {
  await withWorld(harness, {
    run: async (world) => {
      const { store, enqueue, enqueueMany, worker, follow, sweep, advance, putType } = world;
      const age = { ageMs: MINUTE_MS, count: 50 };
      await putType({ retention: { succeeded: age, failed: age, cancelled: age } });
      const { take } = await follow();
      await enqueueMany(300);
      const full = { tags: ["a", "b"], delayMs: 1, expireAfterMs: 100 * MINUTE_MS, headStartMs: 9 };
      const special = await enqueue(...Array.from({ length: 60 }, () => full));
      await advance(MINUTE_MS / 2);
      const { claim, settle } = await worker();
      const claimed = await claim({ capacity: 360 });
      const logs = [{ level: "info", message: "a line", atMs: 1 }] as const;
      await store.report({
        reports: claimed.map(({ id, token }) => ({ id, token, progress: "0.5", logs })),
      });
      await settle(outcomes.succeeded("7", REMOVE_AT_ONCE), ...claimed.slice(0, 100));
      await settle(outcomes.succeeded("7", age), ...claimed.slice(100, 200));
      await settle(outcomes.failed(undefined, age), ...claimed.slice(200, 300));
      await settle(outcomes.retry(), ...claimed.slice(300));
      await store.cancel({ ids: special, reason: "enough" });
      await take(300);
      await sweep();
      const { succeeded, failed, cancelled } = (await store.queues())[0]?.counts ?? {};
      expect(Math.max(succeeded ?? 0, failed ?? 0, cancelled ?? 0)).toBeLessThanOrEqual(50);
      await advance(2 * MINUTE_MS);
      await sweep();
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...(await claim({ capacity: 360 })));
      await forgetLanes(world);

      const {
        m: meta = 0,
        x: timers = 0,
        w: idle = 0,
        ...sizes
      } = Object.fromEntries(await sizesOf(world));
      const names = ["t", "r", "i", "u", "o", ...LIMIT_KEYS];
      for (let slot = 1; slot <= LIST_SLOTS; slot += 1) names.push(`l${slot}`);
      for (let shard = 1; shard <= 8; shard += 1) names.push(`j${shard}`);
      expect(sizes).toEqual(Object.fromEntries(names.map((name) => [name, 1])));
      expect(names.length + 3).toBe(FIXED_KEYS + LIST_SLOTS + 8 + LIMIT_KEYS.length);
      // Beside the sentinel the worker's lease, and its place among the idle.
      expect(timers).toBe(2);
      expect(idle).toBeLessThanOrEqual(2);
      // Settings and the few replies that may be asked for again: none of it grows with the jobs.
      expect(meta).toBeLessThan(25);
    },
  });
});

test("of keys whose jobs have run, and of limits that held them, nothing is left", async () => {
  await withWorld(harness, {
    run: async (world) => {
      const { store, job, worker, sweep, advance, putType } = world;
      const rate = { limit: 5, perMs: MINUTE_MS };
      await putType({ limits: [{ name: "customer", concurrency: 1, rate }] });
      const jobs = Array.from({ length: 120 }, (_, at) =>
        job({
          keys: [{ limit: "customer", key: `c${at % 40}`, onLimit: "cancel-oldest" }],
          ...(at % 3 === 0 ? { delayMs: MINUTE_MS / 2 } : {}),
        }),
      );
      await store.enqueue({ jobs });
      const { claim, settle } = await worker({ leaseDurationMs: 100 * MINUTE_MS });
      for (let round = 0; round < 6; round += 1) {
        await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...(await claim({ capacity: 50 })));
        await advance(MINUTE_MS);
      }
      const ends = (await store.list({ filter: {}, limit: 200 })).jobs;
      expect(new Set(ends.map(({ state }) => state))).toEqual(new Set(["cancelled"]));
      await store.remove({ ids: ends.map(({ id }) => id) });
      for (let step = 0; step < 10; step += 1) await sweep();
      const sizes = Object.fromEntries(await sizesOf(world));
      // Beside its sentinel the hash has the number of the next turn, where the next claim begins, and how many jobs are
      // in rows, in all and of the lane.
      expect({ k: sizes["k"], q: sizes["q"], g: sizes["g"] }).toEqual({ k: 1, q: 1, g: 5 });
      expect((await store.queues())[0]?.counts).toMatchObject({
        ready: 0,
        running: 0,
        scheduled: 0,
      });
    },
  });
});
