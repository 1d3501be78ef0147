// A primary that a Sentinel watches: the store finds it, and its successor.
import { defineJob, openMillrace } from "millrace";
import { expect, test } from "vitest";
import { startRedisPair, startSentinel } from "../servers/redis-sentinel.ts";

/** A failover by a Sentinel takes seconds; on a busy machine, several times as many. */
const WITHIN = { timeout: 90_000 };

const double = defineJob({ name: "double", run: ({ input }) => Number(input) * 2 });

test(
  "work goes on at the replica that a Sentinel promotes, without a restart",
  { timeout: 180_000 },
  async () => {
    await using servers = new AsyncDisposableStack();
    const { primary, replica } = servers.use(await startRedisPair());
    const sentinel = servers.use(await startSentinel(primary));

    await using mill = await openMillrace({ store: sentinel.url, jobs: [double], logger: false });
    await mill.start();
    const before = await mill.enqueue(double, 1);
    expect(await before.result()).toBe(2);
    // What only the primary has would be lost with it: see durability `replicated`. WAIT is about the writes of its own
    // connection, so there must be one.
    await primary.client.set("after the job", 1);
    await primary.client.wait(1, 0);

    await primary.kill();
    await expect.poll(() => sentinel.primaryPort(), WITHIN).toBe(replica.port);
    const after = await mill.enqueue(double, 21);
    expect(await after.result({ timeout: "50s" })).toBe(42);
    expect(await mill.job(before.id)).toMatchObject({ state: "succeeded", result: 2 });
    expect(await mill.describe()).toMatchObject({ kind: "redis", location: sentinel.url });
  },
);
