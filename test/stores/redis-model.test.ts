// The Redis store does what the reference model does: on a single server.
import { testAgainstModel } from "./model/run.ts";
import { onRedis } from "./redis-harness.ts";

testAgainstModel("Redis", onRedis(), 60);
