// Jobs under keys on Redis: the first of a group stand in its row, those behind them in a sorted set.
import { Redis } from "ioredis";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { JobId, NewJob } from "../../src/core/index.ts";
import { outcomes } from "../../src/testing/conformance/worker.ts";
import { MINUTE_MS, type World, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const keyOf = ({ namespace }: World, name: string): string => `{mr1|${namespace}|mail|0}${name}`;
const of = (customer: string): Partial<NewJob> => ({
  keys: [{ limit: "customer", key: customer }],
});
const limitEach = (world: World, concurrency: number): Promise<unknown> =>
  world.putType({ limits: [{ name: "customer", concurrency, rate: null }] });

/** Numbers below a bound that a seed decides. */
function picksOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** Jobs of rows, and those behind them. */
async function waiting(world: World): Promise<{ inRows: number; behind: number }> {
  const fields = await server.hgetallBuffer(keyOf(world, "g"));
  const rows = Object.entries(fields).filter(([field]) => field.startsWith("r"));
  const bytes = rows.reduce((sum, [, row]) => sum + row.length - row.indexOf(0, 7) - 1, 0);
  return { inRows: bytes / 22, behind: (await server.zcard(keyOf(world, "k"))) - 1 };
}

test.each([{ seed: 1 }, { seed: 2 }, { seed: 3 }])(
  "jobs of one key start by when they were due and then by their ids, whatever comes, goes and is cancelled (seed $seed)",
  async ({ seed }) => {
    await withWorld(harness, {
      isAboutOrder: true,
      run: async (world) => {
        const pick = picksOf(seed);
        await limitEach(world, 1_000);
        const { store } = world;
        const { claim, settle } = await world.worker();
        const due = new Map<JobId, number>();
        const ready = (nowMs: number): JobId[] =>
          [...due]
            .filter(([, dueAtMs]) => dueAtMs <= nowMs)
            .toSorted(([a, one], [b, other]) => one - other || (a < b ? -1 : 1))
            .map(([id]) => id);
        const add = async (): Promise<void> => {
          const jobs = Array.from({ length: 1 + pick(30) }, () =>
            world.job({ ...of("a"), delayMs: pick(2) * pick(4) * MINUTE_MS }),
          );
          await store.enqueue({ jobs: pick(2) === 0 ? jobs.toReversed() : jobs });
          for (const record of await store.get({ ids: jobs.map(({ id }) => id) })) {
            if (record !== null) due.set(record.id, record.dueAtMs);
          }
        };
        let mostInRows = 0;
        for (let round = 0; round < 40 || due.size > 0; round += 1) {
          if (round < 25) await add();
          const before = ready(await world.now());
          const gone = before[pick(before.length)];
          if (gone !== undefined && pick(3) === 0) {
            await store.cancel({ ids: [gone], reason: "no longer wanted" });
            due.delete(gone);
          }
          // By whole minutes, as the delays are: what is due does not hang on how long the test takes.
          await world.advance(pick(2) * MINUTE_MS);
          const expected = ready(await world.now());
          const capacity = 1 + pick(40);
          const claimed = await claim({ capacity });
          expect(claimed.map(({ id }) => id)).toEqual(expected.slice(0, capacity));
          for (const { id } of claimed) due.delete(id);
          await settle(outcomes.succeeded(), ...claimed);
          const { inRows, behind } = await waiting(world);
          mostInRows = Math.max(mostInRows, inRows);
          expect(inRows + behind).toBe(Math.max(0, expected.length - capacity));
          expect((await store.queues())[0]?.counts.ready).toBe(inRows + behind);
        }
        expect(mostInRows).toBeGreaterThan(0);
      },
    });
  },
);

test("a key with many jobs keeps few of them in its row", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await limitEach(world, 1);
      const ids = await world.enqueueMany(100, of("a"));
      expect(await waiting(world)).toEqual({ inRows: 8, behind: 92 });
      const { claimOne, settle } = await world.worker();
      const order: JobId[] = [];
      for (let at = 0; at < 100; at += 1) {
        const job = await claimOne();
        order.push(job.id);
        expect((await waiting(world)).inRows).toBeLessThanOrEqual(9);
        await settle(outcomes.succeeded(), job);
      }
      expect(order).toEqual(ids);
      expect(await waiting(world)).toEqual({ inRows: 0, behind: 0 });
    },
  });
});

test("how many of its key come before a job is known in its row and behind it", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await limitEach(world, 1);
      const ids = await world.enqueueMany(20, of("a"));
      const [, third, ...others] = ids.slice(1);
      await world.store.cancel({ ids: [third ?? ""], reason: "no longer wanted" });
      const places = await world.store.places({ ids: [ids[0] ?? "", ids[1] ?? "", ...others] });
      expect(places.map((place) => place?.ahead)).toEqual(
        Array.from({ length: 19 }, (_, at) => at),
      );
    },
  });
});

describe("what an older program left", () => {
  test("groups whose jobs all wait in the sorted set go on in order, also parked ones", async () => {
    await withWorld(harness, {
      run: async (world) => {
        await limitEach(world, 1);
        const { claim, settle } = await world.worker();
        const ids = { a: [] as readonly JobId[], b: [] as readonly JobId[] };
        ids.a = await world.enqueueMany(12, of("a"));
        const [held] = await claim({ capacity: 1 });
        // Finds no place for another of the key, which parks it.
        expect(await claim({ capacity: 1 })).toEqual([]);
        ids.b = await world.enqueueMany(12, of("b"));
        await writeOldRows(world);
        expect(await waiting(world)).toMatchObject({ behind: 23 });
        if (held !== undefined) await settle(outcomes.succeeded(), held);
        const order = { a: [held?.id], b: [] as JobId[] };
        for (let round = 0; round < 12; round += 1) {
          const claimed = await claim({ capacity: 2 });
          for (const { id } of claimed) order[ids.a.includes(id) ? "a" : "b"].push(id);
          await settle(outcomes.succeeded(), ...claimed);
        }
        expect(order).toEqual(ids);
      },
    });
  });
});

/** Puts all jobs of rows behind them, and writes turns and where groups are parked as they were before there were rows. */
async function writeOldRows(world: World): Promise<void> {
  const gates = keyOf(world, "g");
  for (const [field, row] of Object.entries(await server.hgetallBuffer(gates))) {
    if (field.startsWith("w")) await server.hset(gates, field, 0);
    if (!field.startsWith("r")) continue;
    const from = row.indexOf(0, 7) + 1;
    for (let at = from; at < row.length; at += 22) {
      const group = Buffer.from(`${field.slice(1)}\0`);
      await server.zadd(keyOf(world, "k"), 0, Buffer.concat([group, row.subarray(at, at + 22)]));
    }
    await server.hset(gates, field, Buffer.concat([row.subarray(0, 6), row.subarray(7, from - 1)]));
  }
}

test("a sweep puts a gate right that counts more jobs than run, and lets go who was parked there", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await limitEach(world, 2);
      await world.enqueueMany(3, of("a"));
      const { claim } = await world.worker();
      expect(await claim({ capacity: 1 })).toHaveLength(1);
      const gate = await server.hgetBuffer(keyOf(world, "g"), "gcustomer\u0001a");
      await server.hset(
        keyOf(world, "g"),
        "gcustomer\u0001a",
        Buffer.concat([Buffer.from([0, 0, 0, 2]), (gate ?? Buffer.alloc(0)).subarray(4)]),
      );
      expect(await claim({ capacity: 5 })).toEqual([]);
      await world.sweep();
      expect(await claim({ capacity: 5 })).toHaveLength(1);
    },
  });
});
