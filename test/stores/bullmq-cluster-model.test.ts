// The BullMQ store does what the reference model does: on a real cluster.
import { onBullmqCluster } from "./bullmq-harness.ts";
import { testAgainstModel } from "./model/run.ts";

testAgainstModel("BullMQ on a Cluster", onBullmqCluster(), 15);
