// The BullMQ store does what the reference model does: on a single server.
import { onBullmq } from "./bullmq-harness.ts";
import { testAgainstModel } from "./model/run.ts";

testAgainstModel("BullMQ", onBullmq(), 30);
