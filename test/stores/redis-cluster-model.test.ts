// The Redis store does what the reference model does: on a real cluster.
import { testAgainstModel } from "./model/run.ts";
import { onRedisCluster } from "./redis-harness.ts";

testAgainstModel("Redis Cluster", onRedisCluster(), 30);
