// Jobs with keys on Redis by age: what lists them while they wait.
import { Redis } from "ioredis";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { LimitDeclaration, NewJob } from "../../src/core/index.ts";
import { outcomes } from "../../src/testing/conformance/worker.ts";
import { type World, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const keyOf = ({ namespace }: World, name: string): string => `{mr1|${namespace}|mail|0}${name}`;
const of = (customer: string): Partial<NewJob> => ({
  keys: [{ limit: "customer", key: customer }],
});
const ONE_EACH: LimitDeclaration = { name: "customer", concurrency: 1, rate: null };

/** Ids of the jobs that are ready, as they are listed. */
async function readyJobs({ store }: World, limit = 1_000): Promise<readonly string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const filter = { states: ["ready"] } as const;
    const page = await store.list({ filter, limit, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.jobs.map(({ id }) => id));
    ({ cursor } = page);
  } while (cursor !== undefined);
  return ids;
}

/** How many jobs that wait are in the index of a room. */
async function indexedJobs(world: World): Promise<number> {
  return server.zlexcount(keyOf(world, "i"), "[Bt", "(Bu");
}

describe("jobs with keys", () => {
  test("are listed while they wait, and forgotten when they are taken, also behind some that wait long", async () => {
    await withWorld(harness, {
      run: async (world) => {
        await world.putType({ limits: [ONE_EACH] });
        const held = [1, 2, 3].map(() => world.job(of("a")));
        const others = Array.from({ length: 600 }, (_, at) => world.job(of(`b${at}`)));
        await world.store.enqueue({ jobs: [...held, ...others] });
        const { claim, claimOne, settle } = await world.worker();
        const first = await claimOne();
        for (let round = 0; round < 6; round += 1) {
          await settle(outcomes.succeeded(), ...(await claim({ capacity: 100 })));
        }
        const waiting = held.map(({ id }) => id).filter((id) => id !== first.id);
        expect(await readyJobs(world)).toEqual(waiting.toReversed());
        // Beside what waits, the slack, and what one claim takes.
        expect(await server.llen(keyOf(world, "b"))).toBeLessThan(400);
        await settle(outcomes.succeeded(), first);
        await settle(outcomes.succeeded(), await claimOne());
        await settle(outcomes.succeeded(), await claimOne());
        expect(await readyJobs(world)).toEqual([]);
        expect(await indexedJobs(world)).toBe(0);
      },
    });
  });

  test("are listed in the order of their ids, in whatever order they come", async () => {
    await withWorld(harness, {
      run: async (world) => {
        const jobs = Array.from({ length: 9 }, (_, at) => world.job(of(`c${at % 2}`)));
        const [first, ...rest] = jobs.map(({ id }) => id);
        for (const at of [3, 0, 1, 5, 4, 8, 6, 2, 7]) {
          await world.store.enqueue({ jobs: jobs.slice(at, at + 1) });
        }
        expect(await readyJobs(world, 2)).toEqual([...rest.toReversed(), first]);
        const { claim } = await world.worker();
        expect(await claim({ capacity: 20 })).toHaveLength(9);
        expect(await readyJobs(world, 2)).toEqual([]);
        expect(await indexedJobs(world)).toBe(0);
      },
    });
  });

  test("that a program of before their list kept are listed, claimed and forgotten", async () => {
    await withWorld(harness, {
      run: async (world) => {
        const old = [world.job(of("a")), world.job(of("b"))];
        await world.store.enqueue({ jobs: old });
        // What such a program keeps: places in the index, and no list.
        await server.del(keyOf(world, "b"));
        for (const { id } of old) {
          const member = Buffer.concat([
            Buffer.from("Bt"),
            Buffer.from(id.replaceAll("-", ""), "hex"),
          ]);
          await server.zadd(keyOf(world, "i"), 0, member);
        }
        const added = world.job(of("a"));
        await world.store.enqueue({ jobs: [added] });
        const all = [...old, added].map(({ id }) => id);
        expect(await readyJobs(world)).toEqual(all.toReversed());
        const { claim } = await world.worker();
        const claimed = (await claim({ capacity: 10 })).map(({ id }) => id);
        expect(claimed.toSorted()).toEqual(all);
        expect(await readyJobs(world)).toEqual([]);
        expect(await indexedJobs(world)).toBe(0);
      },
    });
  });
});
