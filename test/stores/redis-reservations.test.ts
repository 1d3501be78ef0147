// Keys that are taken in another slot than their job's: nothing stands for ever after a crash between the two.
import { Redis } from "ioredis";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { NewJob } from "../../src/core/index.ts";
import { keyPlaceOf, placeOfKey, uniquePlaceOf } from "../../src/stores/redis/layout.ts";
import { writeEntry } from "../../src/stores/redis/outbox.ts";
import { keyFieldOf, uniqueFieldOf } from "../../src/stores/redis/flow/reservations.ts";
import { REMOVE_AT_ONCE, outcomes } from "../../src/testing/conformance/worker.ts";
import { HOUR_MS, type World, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const unique: Partial<NewJob> = { unique: { key: "k", while: "unfinished" } };

interface KeyPlace {
  readonly field: string;
  readonly held: string;
  readonly outbox: string;
}

function placeOf({ namespace }: World, key = "k"): KeyPlace {
  const field = uniqueFieldOf({ queue: "mail", type: "mail" }, key);
  const [held = "", outbox = ""] = uniquePlaceOf(namespace, placeOfKey(field));
  return { field, held, outbox };
}

/** Does what the first of the two scripts does, as a process that died before the second. */
async function reserveAndDie(world: World): Promise<NewJob> {
  const job = world.job(unique);
  const { field, held, outbox } = placeOf(world);
  await server.zadd(held, 0, `${field}\0${job.id}`);
  await server.hset(outbox, job.id, writeEntry({ nonce: Buffer.alloc(12, 7), job }));
  return job;
}

/** The sweeps of all places of keys. */
async function sweepPlaces({ sweep }: World): Promise<void> {
  for (let place = 0; place < 16; place += 1) await sweep();
}

describe("a unique job whose process died before it was delivered", () => {
  test("is delivered by whoever enqueues one of its key, and stands", async () => {
    await withWorld(harness, {
      run: async (world) => {
        const dead = await reserveAndDie(world);
        const [reply] = await world.store.enqueue({ jobs: [world.job(unique)] });
        expect(reply).toEqual({ id: dead.id, state: "ready", isNew: false, because: "unique" });
        expect((await world.record(dead.id)).state).toBe("ready");
      },
    });
  });

  test("is delivered by a sweep", async () => {
    await withWorld(harness, {
      run: async (world) => {
        const dead = await reserveAndDie(world);
        await world.sweep();
        expect((await world.record(dead.id)).state).toBe("ready");
        expect(await server.hlen(placeOf(world).outbox)).toBe(0);
      },
    });
  });

  test("does not come to be where its queue drains, and its key is free again", async () => {
    await withWorld(harness, {
      run: async (world) => {
        const { store, job, sweep } = world;
        const dead = await reserveAndDie(world);
        const door = { queue: "mail", by: "ops", reason: "moving" };
        await store.setPaused({ ...door, draining: true });
        await sweep();
        await store.setPaused({ ...door, draining: false });
        const { held, outbox } = placeOf(world);
        expect([await server.zcard(held), await server.hlen(outbox)]).toEqual([0, 0]);
        const [reply] = await store.enqueue({ jobs: [job(unique)] });
        expect(reply?.isNew).toBe(true);
        expect(await store.get({ ids: [dead.id] })).toEqual([null]);
      },
    });
  });
});

test("an idempotency key of a job that a draining queue refused is free again", async () => {
  await withWorld(harness, {
    run: async ({ namespace, store, job }) => {
      const door = { queue: "mail", by: "ops", reason: "moving" };
      await store.setPaused({ ...door, draining: true });
      const keyed = job({ idempotency: { key: "k", rememberMs: HOUR_MS } });
      expect((await store.enqueue({ jobs: [keyed] }))[0]?.because).toBe("draining");
      for (const key of keyPlaceOf(namespace, placeOfKey(keyFieldOf("mail", "k")))) {
        expect(await server.exists(key)).toBe(0);
      }
    },
  });
});

test("keys of unique jobs that are over are forgotten, and those that stand are not", async () => {
  await withWorld(harness, {
    run: async (world) => {
      const { enqueue, worker } = world;
      const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
      await enqueue(...keys.map((key) => ({ unique: { key, while: "unfinished" as const } })));
      const { claim, settle } = await worker();
      const [kept, ...others] = await claim({ capacity: 20 });
      if (kept === undefined) throw new Error("jobs should be claimed");
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...others.slice(10));
      await settle(outcomes.failed(), ...others.slice(0, 10));
      await sweepPlaces(world);
      const places = new Set(keys.map((key) => placeOf(world, key).held));
      const held = await Promise.all([...places].map((place) => server.zrange(place, "0", "-1")));
      expect(held.flat().map((member) => member.slice(-36))).toEqual([kept.id]);
    },
  });
});
