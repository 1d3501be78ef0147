// How the suites open the BullMQ store: on the servers that all of them share.
import { afterAll, inject } from "vitest";
import type { Capability } from "../../src/core/index.ts";
import { openBullmqStore } from "../../src/stores/bullmq/index.ts";
import { type StoreHarness, createTestClock } from "../../src/testing/index.ts";

const CAPABILITIES: readonly Capability[] = [
  "cancel-running",
  "logs",
  "tags",
  "events",
  "schedules",
];

/** What BullMQ does otherwise, by case. */
const SKIPPED: Readonly<Record<string, string>> = {
  "are listed while jobs or a pause are kept of them, and no longer":
    "for BullMQ a queue exists for good once it had a job or a pause, and may be another program's",
  "put a job among the others by when it was due":
    "BullMQ puts a delayed job behind those that wait when its time has come",
  "of many jobs does not hide those behind them, and is swept in bounded steps":
    "a claim that meets expired jobs ends them itself, so that the sweep finds fewer",
  "by workers that had only begun are not what fails a job":
    "under load only workers that have just begun are idle, and none is made to drain",
};

/** What BullMQ chooses otherwise when it hands out jobs. */
const DIFFERENCES: NonNullable<StoreHarness["differences"]> = {
  "delayed-go-last":
    "BullMQ puts a job whose time has come, or that was given back, at an end of its list",
  "holds-what-does-not-fit":
    "BullMQ hands out a queue's next job whatever its type: one that does not fit goes back behind a delay",
  "takes-no-heed-of-age":
    "under load only workers that have just begun are idle, and none is made to drain",
};

function harness(url: string): StoreHarness {
  const clock = createTestClock();
  const offset = new Float64Array(clock.offset);
  // BullMQ's time is that of the process: whoever moves it moves the process's clock.
  const realNow = Date.now;
  Date.now = () => realNow() + Math.round(offset[0] ?? 0);
  afterAll(() => {
    Date.now = realNow;
  });
  return {
    open: ({ namespace }) => openBullmqStore({ url, namespace, clock }),
    advance: clock.advance,
    isShared: true,
    capabilities: CAPABILITIES,
    skip: SKIPPED,
    differences: DIFFERENCES,
  };
}

/** On one server. */
export function onBullmq(): StoreHarness {
  return harness(`bullmq+${inject("redisUrl")}`);
}

/** On a cluster of three primaries and three replicas. */
export function onBullmqCluster(): StoreHarness {
  return harness(`bullmq+${inject("redisClusterUrl")}`);
}
