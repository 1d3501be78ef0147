// What a job costs, by the server's own counts: a regression shows here without a clock.
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineJob, openMillrace } from "millrace";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { createTestClock } from "../../src/testing/index.ts";
import { REMOVE_AT_ONCE, offerOf, outcomes } from "../../src/testing/conformance/worker.ts";
import { type World, withWorld } from "../../src/testing/conformance/world.ts";
import { CAPABILITIES } from "../../src/core/index.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

// A server of its own: what others do would be counted too.
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

interface Counts {
  /** Calls of scripts, each a round trip. */
  readonly calls: number;
  /** Commands, those that scripts call included and the calls themselves too. */
  readonly commands: number;
}

async function countsSince(act: () => Promise<void>): Promise<Counts> {
  const before = await counts();
  await act();
  const after = await counts();
  return { calls: after.calls - before.calls, commands: after.commands - before.commands };
}

async function counts(): Promise<Counts> {
  const stats = await server.client.info("commandstats");
  const sum = { calls: 0, commands: 0 };
  for (const [, name = "", count] of stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)) {
    if (name === "info") continue;
    if (name === "evalsha" || name === "eval") sum.calls += Number(count);
    sum.commands += Number(count);
  }
  return sum;
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const clock = createTestClock();
  const harness = {
    open: ({ namespace }: { readonly namespace: string }) =>
      openRedisStore({ url: server.url, namespace, clock }),
    advance: clock.advance,
    isShared: true,
    capabilities: CAPABILITIES,
  };
  await withWorld(harness, { run });
}

/** About a dozen where all jobs are in one shard; each further one takes three. */
const MOST_COMMANDS_AN_EXCHANGE = 24;
const EXCHANGES_COUNTED = 4;

test("an exchange is one round trip, and as many commands for a hundred plain jobs as for ten", async () => {
  await inWorld(async ({ enqueueMany, worker }) => {
    await enqueueMany(600);
    const { claim, exchange, settle } = await worker();
    for (const size of [10, 100]) {
      let claimed = await claim({ capacity: size });
      const counted: Counts[] = [];
      // The keeper, a thread with a connection of its own, may make a call of its own meanwhile: hardly in all of them.
      for (let times = 0; times < EXCHANGES_COUNTED; times += 1) {
        const settlements = claimed.map(({ id, token }) => ({
          id,
          token,
          outcome: outcomes.succeeded("1", REMOVE_AT_ONCE),
        }));
        counted.push(
          await countsSince(async () => {
            claimed = (await exchange(settlements, { capacity: size })).claimed;
          }),
        );
        expect(claimed).toHaveLength(size);
      }
      expect(Math.min(...counted.map(({ calls }) => calls))).toBe(1);
      expect(Math.min(...counted.map(({ commands }) => commands))).toBeLessThanOrEqual(
        MOST_COMMANDS_AN_EXCHANGE,
      );
      await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...claimed);
    }
  });
});

test("a bulk of 1,000 is four round trips, and less than a command in twenty jobs", async () => {
  await inWorld(async ({ enqueueMany }) => {
    await enqueueMany(1);
    const { calls, commands } = await countsSince(async () => {
      await enqueueMany(1_000);
    });
    expect(calls).toBe(4);
    expect(commands).toBeLessThanOrEqual(50);
  });
});

test("callers of one moment share a round trip", async () => {
  await inWorld(async ({ store, job, enqueueMany }) => {
    await enqueueMany(1);
    const { calls } = await countsSince(async () => {
      await Promise.all(Array.from({ length: 100 }, () => store.enqueue({ jobs: [job()] })));
    });
    expect(calls).toBe(1);
  });
});

test("of many queues that have work an exchange asks those that give it a good share", async () => {
  await inWorld(async ({ store, job, worker }) => {
    const queues = Array.from({ length: 32 }, (_, index) => `queue-${index}`);
    for (const type of queues) {
      await store.enqueue({ jobs: Array.from({ length: 50 }, () => job({ type })) });
    }
    const { claim } = await worker({ offers: queues.map((queue) => offerOf(queue)) });
    // The first finds out which have work.
    await claim({ capacity: 100 });
    // What comes by the clock (looks after dead workers, registrations) can only add: the fewest of several count.
    let calls = Number.POSITIVE_INFINITY;
    for (let times = 0; times < 5; times += 1) {
      const counted = await countsSince(async () => {
        expect(await claim({ capacity: 100 })).toHaveLength(100);
      });
      calls = Math.min(calls, counted.calls);
    }
    expect(calls).toBeLessThanOrEqual(6);
  });
});

/** Beside two reads of each job: shards, indexes, the page of ids. */
const MOST_COMMANDS_A_RETRY = 60;

test("a bulk of failed jobs is made ready again by few commands beside those that read it", async () => {
  await inWorld(async ({ store, enqueueMany, worker }) => {
    const count = 200;
    await enqueueMany(count);
    const { claim, settle } = await worker();
    await settle(outcomes.failed(), ...(await claim({ capacity: count })));
    const { commands } = await countsSince(async () => {
      const filter = { states: ["failed" as const] };
      const { changed } = await store.changeMatching({
        filter,
        order: { kind: "retry" },
        limit: count,
      });
      expect(changed).toBe(count);
    });
    expect(commands).toBeLessThanOrEqual(2 * count + MOST_COMMANDS_A_RETRY);
    expect(await claim({ capacity: count })).toHaveLength(count);
  });
});

test("a job that comes to a worker that waits costs two round trips: it is claimed as it is enqueued", async () => {
  const jobs = 50;
  let ran = Promise.withResolvers<void>();
  const plain = defineJob({
    name: "plain",
    retention: { succeeded: "remove" },
    run: () => ran.resolve(),
  });
  await using mill = await openMillrace({
    store: server.url,
    namespace: "lone",
    jobs: [plain],
    logger: false,
    worker: { concurrency: 1, leaseDuration: "1h", sweepInterval: "1h", pollInterval: "1h" },
  });
  await mill.start();
  const enqueueAll = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) {
      ran = Promise.withResolvers();
      await mill.enqueue(plain, {});
      // Not by its result: while somebody follows nothing is handed over.
      await ran.promise;
    }
  };
  await enqueueAll(1);
  const { calls } = await countsSince(() => enqueueAll(jobs));
  expect(calls).toBeLessThanOrEqual(jobs * 2 + BESIDE_JOBS);
});

/** Round trips beside the jobs: attaching, types, the last looks that find nothing. */
const BESIDE_JOBS = 20;

test.each([
  { concurrency: 1, jobs: 200, leastCallsAJob: 1, callsAJob: 1, commandsAJob: 16 },
  // One to settle a hundred; where jobs end fast another, beside it, to claim the next ahead, half a hundred at least.
  { concurrency: 100, jobs: 2_000, leastCallsAJob: 0.01, callsAJob: 0.03, commandsAJob: 0.4 },
])(
  "a worker at concurrency $concurrency costs $callsAJob round trips and $commandsAJob commands a job",
  async ({ concurrency, jobs, leastCallsAJob, callsAJob, commandsAJob }) => {
    const finished = Promise.withResolvers<void>();
    let ran = 0;
    const plain = defineJob({
      name: "plain",
      retention: { succeeded: "remove" },
      run: () => {
        ran += 1;
        if (ran === jobs) finished.resolve();
      },
    });
    await using mill = await openMillrace({
      store: server.url,
      namespace: `c${concurrency}`,
      jobs: [plain],
      logger: false,
      // Nothing that comes by the clock is counted.
      worker: { concurrency, leaseDuration: "1h", sweepInterval: "1h", pollInterval: "1h" },
    });
    await mill.enqueueMany(
      plain,
      Array.from({ length: jobs }, () => ({})),
    );
    const { calls, commands } = await countsSince(async () => {
      await mill.start();
      await finished.promise;
      await mill.stop();
    });
    expect(calls).toBeGreaterThanOrEqual(jobs * leastCallsAJob);
    expect(calls).toBeLessThanOrEqual(jobs * callsAJob + BESIDE_JOBS);
    expect(commands).toBeLessThanOrEqual(jobs * commandsAJob + BESIDE_JOBS * 10);
  },
);
