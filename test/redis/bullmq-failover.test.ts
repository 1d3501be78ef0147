// The primary under a BullMQ store dies in the middle of work: jobs go on at its successor, none lost.
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { type Millrace, defineJob, openMillrace } from "../../src/index.ts";
import { startRedisCluster } from "../servers/redis-cluster.ts";
import type { RedisServer } from "../servers/redis-server.ts";
import { startRedisPair, startSentinel } from "../servers/redis-sentinel.ts";

const TIMEOUT_MS = 180_000;
/** A failover takes seconds; on a busy machine, several times as many. */
const WITHIN = { timeout: 120_000 };
const BEFORE = 200;
const AFTER = 50;

/** Work under way while a primary dies: what ran, by number. */
async function workThrough(store: string, primary: () => Promise<RedisServer>): Promise<Millrace> {
  const ran = new Set<number>();
  const work = defineJob({
    name: "work",
    input: z.object({ number: z.number() }),
    concurrency: 5,
    async run({ input }) {
      await pause(5);
      ran.add(input.number);
    },
  });
  const mill = await openMillrace({
    store,
    jobs: [work],
    logger: false,
    worker: { leaseDuration: "2s", sweepInterval: "500ms" },
  });
  await mill.enqueueMany(
    work,
    Array.from({ length: BEFORE }, (_, number) => ({ number })),
  );
  // What the primary alone has is lost with it, here as with BullMQ itself.
  const doomed = await primary();
  await untilReplicated(doomed);
  await mill.start();
  await expect.poll(() => ran.size).toBeGreaterThan(0);
  expect(ran.size).toBeLessThan(BEFORE);
  await doomed.kill();
  for (let number = BEFORE; number < BEFORE + AFTER; number += 1) {
    await expect.poll(async () => (await mill.enqueue(work, { number })).isNew, WITHIN).toBe(true);
  }
  await expect.poll(() => ran.size, WITHIN).toBe(BEFORE + AFTER);
  await expect
    .poll(async () => (await mill.queues())[0]?.counts, WITHIN)
    .toMatchObject({ ready: 0, scheduled: 0, running: 0, failed: 0 });
  return mill;
}

/**
 * WAIT would not do: it speaks of the writes of its own connection, and this one made none. A replica is sent what was
 * written since its first copy only once it asked for it, up to a second later.
 */
async function untilReplicated({ client }: RedisServer): Promise<void> {
  const offsetIn = async (pattern: RegExp): Promise<number> =>
    Number(pattern.exec(await client.info("replication"))?.[1]);
  const written = await offsetIn(/master_repl_offset:(\d+)/);
  await expect
    .poll(() => offsetIn(/slave0:.*offset=(\d+)/), WITHIN)
    .toBeGreaterThanOrEqual(written);
}

test("behind a Sentinel", { timeout: TIMEOUT_MS }, async () => {
  await using ending = new AsyncDisposableStack();
  const { primary, replica } = ending.use(await startRedisPair());
  const sentinel = ending.use(await startSentinel(primary));
  const mill = await workThrough(`bullmq+${sentinel.url}`, async () => primary);
  expect(await sentinel.primaryPort()).toBe(replica.port);
  await mill.close();
});

test("on a Cluster", { timeout: TIMEOUT_MS }, async () => {
  await using ending = new AsyncDisposableStack();
  const cluster = await startRedisCluster({ primaries: 3 });
  ending.defer(() => cluster.stop());
  let dead: RedisServer | undefined;
  const mill = await workThrough(`bullmq+${cluster.url}`, async () => {
    for (const node of await cluster.primaries()) {
      // All queues are on the primary of the prefix.
      if ((await node.client.dbsize()) > 0) return (dead = node);
    }
    throw new Error("no primary has keys");
  });
  expect(await cluster.primaries()).not.toContain(dead);
  await mill.close();
});
