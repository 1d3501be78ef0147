// How the suites open the Redis store.
import { afterAll } from "vitest";
import { CAPABILITIES } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { type StoreHarness, createTestClock } from "../../src/testing/index.ts";
import { startRedisCluster } from "../servers/redis-cluster.ts";
import { startRedis } from "../servers/redis-server.ts";

function harness(url: string): StoreHarness {
  const clock = createTestClock();
  return {
    open: ({ namespace }) => openRedisStore({ url, namespace, clock }),
    advance: clock.advance,
    isShared: true,
    capabilities: CAPABILITIES,
  };
}

/** One server for all cases of a test file. */
export async function onRedis(): Promise<StoreHarness> {
  const server = await startRedis();
  afterAll(() => server.stop());
  return harness(server.url);
}

/** A cluster of three primaries and three replicas for all cases of a test file. */
export async function onRedisCluster(): Promise<StoreHarness> {
  const cluster = await startRedisCluster();
  afterAll(() => cluster.stop());
  return harness(cluster.url);
}
