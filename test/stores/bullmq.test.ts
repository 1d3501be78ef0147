// The BullMQ store is a store: the conformance suite on a single server.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onBullmq } from "./bullmq-harness.ts";

describeStore("BullMQ", onBullmq(), { describe, test });
