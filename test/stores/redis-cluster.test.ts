// The Redis store is a store: the conformance suite on a real cluster.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onRedisCluster } from "./redis-harness.ts";

describeStore("Redis Cluster", onRedisCluster(), { describe, test });
