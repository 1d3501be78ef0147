// The BullMQ store is a store: the conformance suite on a real cluster.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onBullmqCluster } from "./bullmq-harness.ts";

describeStore("BullMQ on a Cluster", onBullmqCluster(), { describe, test });
