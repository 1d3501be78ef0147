// The Redis store is a store: the conformance suite on a single server.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onRedis } from "./redis-harness.ts";

describeStore("Redis", onRedis(), { describe, test });
