// How the suites open the Redis store: on the servers that all of them share.
import { inject } from "vitest";
import { CAPABILITIES } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { partitionOf } from "../../src/stores/redis/layout.ts";
import { type StoreHarness, createTestClock } from "../../src/testing/index.ts";

/** No claim of these suites goes on without a partition: what is claimed would depend on how busy the machine is. */
const PATIENCE_MS = 10_000;

/** On a server that is known by the time when a store is opened. */
export function onRedisAt(url: () => string): StoreHarness {
  const clock = createTestClock();
  return {
    open: ({ namespace }) =>
      openRedisStore({ url: url(), namespace, clock, patienceMs: PATIENCE_MS }),
    advance: clock.advance,
    isShared: true,
    capabilities: CAPABILITIES,
  };
}

/** On one server. */
export function onRedis(): StoreHarness {
  const url = inject("redisUrl");
  return onRedisAt(() => url);
}

/** On a cluster of three primaries and three replicas. */
export function onRedisCluster(): StoreHarness {
  const url = inject("redisClusterUrl");
  return onRedisAt(() => url);
}

/** Partitions of every queue, one for each primary of the cluster. */
const PARTITIONS = 3;

/** On that cluster, with every queue cut in partitions. */
export function onPartitionedRedisCluster(): StoreHarness {
  const url = `${inject("redisClusterUrl")}?partitions=*:${PARTITIONS}`;
  return {
    ...onRedisAt(() => url),
    // First in, first out holds within a partition.
    keepsOrderOf: (id) => partitionOf(id, PARTITIONS) === 0,
  };
}
