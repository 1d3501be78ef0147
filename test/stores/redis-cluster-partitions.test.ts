// The Redis store is a store: the conformance suite on a real cluster, with every queue cut in partitions.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onPartitionedRedisCluster } from "./redis-harness.ts";

describeStore("Redis Cluster with partitions", onPartitionedRedisCluster(), {
  describe,
  test,
});
