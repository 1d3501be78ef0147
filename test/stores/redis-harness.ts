// How the suites open the Redis store: on the servers that all of them share.
import { inject } from "vitest";
import { CAPABILITIES } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { type StoreHarness, createTestClock } from "../../src/testing/index.ts";

function harness(url: string): StoreHarness {
  const clock = createTestClock();
  return {
    open: ({ namespace }) => openRedisStore({ url, namespace, clock }),
    advance: clock.advance,
    isShared: true,
    capabilities: CAPABILITIES.filter((each) => each !== "limits" && each !== "unique"),
  };
}

/** On one server. */
export function onRedis(): StoreHarness {
  return harness(inject("redisUrl"));
}

/** On a cluster of three primaries and three replicas. */
export function onRedisCluster(): StoreHarness {
  return harness(inject("redisClusterUrl"));
}
