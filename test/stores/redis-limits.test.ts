// Limits on Redis where something goes wrong: nothing is counted twice, no place is lost, nobody sleeps beside work.
import { Redis } from "ioredis";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { ClaimedJob, LimitDeclaration, NewJob } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { outcomes } from "../../src/testing/conformance/worker.ts";
import { MINUTE_MS, type World, withWorld } from "../../src/testing/conformance/world.ts";
import { TcpProxy } from "../chaos/harness/tcp-proxy.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const keyOf = ({ namespace }: World, name: string): string => `{mr1|${namespace}|mail|0}${name}`;

function of(customer: string, onLimit?: "cancel-oldest"): Partial<NewJob> {
  return { keys: [{ limit: "customer", key: customer, ...(onLimit ? { onLimit } : {}) }] };
}

const ONE_EACH: LimitDeclaration = { name: "customer", concurrency: 1, rate: null };

describe("a place under a key", () => {
  test("is free again after a program that knows no limits settled its job", async () => {
    await withWorld(harness, {
      run: async (world) => {
        await world.putType({ limits: [ONE_EACH] });
        await world.enqueueMany(2, of("a"));
        const { claim, claimOne } = await world.worker();
        const { id } = await claimOne();
        expect(await claim()).toEqual([]);
        // What such a program does: the running entry goes, and what is kept of limits stays.
        await server.hdel(keyOf(world, "r"), Buffer.from(id.replaceAll("-", ""), "hex"));
        await world.sweep();
        expect(await claim()).toHaveLength(1);
      },
    });
  });
});

test.each([
  { what: "under a key", limit: ONE_EACH },
  { what: "of the whole queue", limit: { name: "queue", concurrency: 1, rate: null } },
])(
  "a place $what that became free wakes another worker, where the one that settles takes nothing",
  async ({ limit }) => {
    await withWorld(harness, {
      run: async (world) => {
        await world.putType({ limits: [limit] });
        await world.enqueueMany(2, of("a"));
        const [one, other] = [await world.worker(), await world.worker()];
        const job = await one.claimOne();
        expect(await other.claim()).toEqual([]);
        const before = other.wakes();
        await one.settle(outcomes.succeeded(), job);
        await expect.poll(other.wakes).toBeGreaterThan(before);
        expect(await other.claim()).toHaveLength(1);
      },
    });
  },
);

test("jobs that are enqueued where a limit holds them wake nobody", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await world.putType({ limits: [ONE_EACH] });
      await world.enqueueMany(2, of("a"));
      const { claim, wakes } = await world.worker();
      expect(await claim()).toHaveLength(1);
      expect(await claim()).toEqual([]);
      const before = wakes();
      await world.enqueueMany(10, of("a"));
      await world.enqueueMany(1, of("b"));
      await expect.poll(wakes).toBeGreaterThan(before);
      expect(wakes()).toBe(before + 1);
    },
  });
});

test("a job whose place was taken is cancelled by a sweep, where its successor's process died", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await world.putType({ limits: [ONE_EACH] });
      const [first = ""] = await world.enqueue(of("a", "cancel-oldest"));
      // The script's part of an enqueue, without what the process does after it.
      const id = Buffer.from(first.replaceAll("-", ""), "hex");
      const standing = Buffer.concat([Buffer.from("Scustomer\u0001a\0"), id]);
      expect(await server.zrem(keyOf(world, "q"), standing)).toBe(1);
      const timer = Buffer.concat([Buffer.from("d"), id]);
      await server.zadd(keyOf(world, "x"), await world.now(), timer);
      await world.enqueue(of("a", "cancel-oldest"));
      expect((await world.record(first)).state).toBe("ready");
      await world.sweep();
      expect((await world.record(first)).state).toBe("cancelled");
      expect(await server.zscore(keyOf(world, "x"), timer.toString("binary"))).toBeNull();
    },
  });
});

test("a change whose process died before it told the queue is told by a sweep", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await world.putType({ limits: [ONE_EACH] });
      await world.enqueueMany(3, of("a"));
      const { claim } = await world.worker();
      expect(await claim()).toHaveLength(1);
      const change = { bounds: { concurrency: 3, rate: null }, by: "ops", atMs: 1 };
      const limits = `{mr1|${world.namespace}}b`;
      await server.hset(limits, "mail\0customer", JSON.stringify(change));
      await server.hincrby(limits, "", 1);
      expect(await claim()).toEqual([]);
      await world.sweep();
      expect(await claim()).toHaveLength(2);
    },
  });
});

test("calls whose replies were lost, sent again, count nothing twice and lose no place", async () => {
  const { hostname, port } = new URL(inject("redisUrl"));
  await using proxy = await TcpProxy.start({ host: hostname, port: Number(port) });
  const url = `redis://${hostname}:${proxy.port}`;
  await withWorld(
    { ...harness, open: ({ namespace }) => openRedisStore({ url, namespace }) },
    {
      run: async (world) => {
        const rate = { limit: 13, perMs: 60 * MINUTE_MS };
        await world.putType({ limits: [{ name: "queue", concurrency: 3, rate }, ONE_EACH] });
        for (const customer of ["a", "b", "c"]) await world.enqueueMany(10, of(customer));
        const { claim, settle } = await world.worker();
        // The first call learns the lanes.
        await settle(outcomes.succeeded(), ...(await claim({ capacity: 1 })));
        for (let round = 0; round < 4; round += 1) {
          proxy.loseReplies(1);
          const claimed = await claim();
          expect(claimed).toHaveLength(3);
          proxy.loseReplies(1);
          await settle(outcomes.succeeded(), ...claimed);
        }
        await expect.poll(() => proxy.lost).toBe(8);
        // All of the rate's starts are used, and no more.
        expect(await claim()).toEqual([]);
        const keys = ["a", "b", "c"].map((key) => ({ limit: "customer", key }));
        const limits = await world.store.limits({ queue: "mail", keys });
        expect(limits.map(({ running }) => running)).toEqual([0, 0, 0, 0, 0]);
      },
    },
  );
});

test("a place that whoever made it free takes again wakes nobody", async () => {
  await withWorld(harness, {
    run: async (world) => {
      await world.putType({ limits: [ONE_EACH] });
      await world.enqueueMany(5, of("a"));
      const [one, other] = [await world.worker(), await world.worker()];
      let job = await one.claimOne();
      expect(await other.claim()).toEqual([]);
      const before = other.wakes();
      for (let at = 0; at < 3; at += 1) {
        const { claimed } = await one.exchange(
          [{ id: job.id, token: job.token, outcome: outcomes.succeeded() }],
          { capacity: 1 },
        );
        expect(claimed).toHaveLength(1);
        job = claimed[0] ?? job;
      }
      // A wake-up is a message: what was sent before is there once this one is.
      await one.settle(outcomes.succeeded(), job);
      await expect.poll(other.wakes).toBe(before + 1);
      expect(await other.claim()).toHaveLength(1);
    },
  });
});

/** Numbers below 1 that a seed decides. */
function numbersOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

test.each([
  { seed: 1, keys: 40, most: 1 },
  { seed: 2, keys: 40, most: 3 },
  { seed: 3, keys: 12, most: 2 },
  { seed: 4, keys: 90, most: 100 },
])(
  "claims of any size take what may start under $keys keys, $most of each at most, in fair turns (seed $seed)",
  async ({ seed, keys, most }) => {
    await withWorld(harness, {
      run: async (world) => {
        const next = numbersOf(seed);
        const pick = (below: number): number => Math.floor(next() * below);
        await world.putType({ limits: [{ name: "customer", concurrency: most, rate: null }] });
        const { claim, settle } = await world.worker();
        const waiting = new Map<string, number>();
        const keyOfJob = new Map<string, string>();
        const running: ClaimedJob[] = [];
        const add = async (): Promise<void> => {
          const jobs = Array.from({ length: 1 + pick(60) }, () => {
            const key = `c${pick(keys)}`;
            const job = world.job(of(key));
            keyOfJob.set(job.id, key);
            waiting.set(key, (waiting.get(key) ?? 0) + 1);
            return job;
          });
          await world.store.enqueue({ jobs });
        };
        const runningOf = (key: string): number =>
          running.filter(({ id }) => keyOfJob.get(id) === key).length;
        const roomOf = (key: string): number =>
          Math.min(waiting.get(key) ?? 0, most - runningOf(key));
        const takeSome = async (capacity: number): Promise<void> => {
          const may = new Map([...waiting.keys()].map((key) => [key, roomOf(key)]));
          const startable = [...may.values()].reduce((sum, room) => sum + room, 0);
          const claimed = await claim({ capacity });
          expect(claimed).toHaveLength(Math.min(capacity, startable));
          const took = new Map<string, number>();
          for (const job of claimed) {
            const key = keyOfJob.get(job.id) ?? "";
            took.set(key, (took.get(key) ?? 0) + 1);
            waiting.set(key, (waiting.get(key) ?? 0) - 1);
          }
          running.push(...claimed);
          const turns = Math.max(0, ...took.values());
          for (const [key, room] of may) {
            expect(took.get(key) ?? 0, key).toBeLessThanOrEqual(room);
            expect(took.get(key) ?? 0, key).toBeGreaterThanOrEqual(Math.min(room, turns - 1));
          }
        };
        for (let round = 0; round < 30; round += 1) {
          if (round < 20) await add();
          await takeSome(1 + pick(30));
          const ended = running.splice(0, pick(running.length + 1));
          if (ended.length > 0) await settle(outcomes.succeeded(), ...ended);
        }
        while (running.length > 0 || [...waiting.values()].some((count) => count > 0)) {
          await takeSome(1 + pick(30));
          await settle(outcomes.succeeded(), ...running.splice(0));
        }
        const limits = await world.store.limits({
          queue: "mail",
          keys: [...waiting.keys()].map((key) => ({ limit: "customer", key })),
        });
        expect(limits.filter((limit) => limit.running > 0)).toEqual([]);
        // Nothing is left of gates and groups.
        const left = Object.entries(await server.hgetall(keyOf(world, "g")));
        const counters = left.filter(([field]) => field.startsWith("w"));
        expect(counters.map(([, jobs]) => jobs)).toEqual(["0", "0"]);
        expect(left.length - counters.length).toBeLessThanOrEqual(3);
        expect(await server.zcard(keyOf(world, "q"))).toBe(1);
        expect(await server.zcard(keyOf(world, "k"))).toBe(1);
      },
    });
  },
);

describe("a queue in partitions", () => {
  const url = `${inject("redisUrl")}?partitions=cut:3,*:2`;

  test("refuses a limit, for it can't be counted over them", async () => {
    await withWorld(
      { ...harness, open: ({ namespace }) => openRedisStore({ url, namespace }) },
      {
        run: async ({ store, putType, job }) => {
          const cut = { name: "cut", limits: [ONE_EACH] };
          await expect(putType(cut)).rejects.toMatchObject({ code: "UNSUPPORTED" });
          const limits = [{ name: "queue", bounds: { concurrency: 1, rate: null } }];
          const set = store.setLimits({ queue: "cut", limits, by: "ops" });
          await expect(set).rejects.toThrow("was cut into 3 partitions");
          // Turns need no count over all of them.
          await putType({
            name: "cut",
            limits: [{ name: "customer", concurrency: null, rate: null }],
          });
          await store.enqueue({ jobs: [job({ type: "cut", ...of("a") })] });
        },
      },
    );
  });

  test("is held in all of them by a handler that pushes back, and released in all", async () => {
    await withWorld(
      { ...harness, open: ({ namespace }) => openRedisStore({ url, namespace }) },
      {
        run: async ({ store, enqueueMany, worker }) => {
          await enqueueMany(20, { type: "cut" });
          const offers = [{ queue: "cut", type: "cut", capacity: 100 }];
          const { claim, exchange, wakes } = await worker({ offers });
          const [job] = await claim({ capacity: 1 });
          const pushBack = { limit: "queue", delayMs: 60 * MINUTE_MS };
          const outcome = { kind: "snooze", delayMs: 60 * MINUTE_MS, pushBack } as const;
          await exchange([{ id: job?.id ?? "", token: job?.token ?? "", outcome }], undefined);
          expect(await claim()).toEqual([]);
          const before = wakes();
          expect(await store.releaseHold({ queue: "cut" })).not.toEqual({ heldUntilMs: null });
          await expect.poll(wakes).toBeGreaterThan(before);
          const ids: string[] = [];
          await expect
            .poll(async () => {
              ids.push(...(await claim()).map(({ id }) => id));
              return ids.length;
            })
            .toBe(19);
        },
      },
    );
  });

  test("is not made of one that has limits, unless it is named", async () => {
    await withWorld(
      { ...harness, open: ({ namespace }) => openRedisStore({ url, namespace }) },
      {
        run: async ({ putType, enqueueMany, worker }) => {
          await putType({ limits: [{ name: "queue", concurrency: 3, rate: null }] });
          await enqueueMany(20);
          const { claim } = await worker();
          expect(await claim({ capacity: 20 })).toHaveLength(3);
        },
      },
    );
  });
});
