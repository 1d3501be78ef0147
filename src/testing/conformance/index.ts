// The door of the conformance suite: what makes a store a store.
import { begunTopic } from "./begun.ts";
import { byHandTopic } from "./by-hand.ts";
import { cancelTopic } from "./cancel.ts";
import { claimTopic } from "./claim.ts";
import { concurrencyTopic } from "./concurrency.ts";
import { crashesTopic } from "./crashes.ts";
import { delaysTopic } from "./delays.ts";
import { drainTopic } from "./drain.ts";
import { enqueueTopic } from "./enqueue.ts";
import { eventsTopic } from "./events.ts";
import { expiryTopic } from "./expiry.ts";
import { figuresTopic } from "./figures.ts";
import { type StoreHarness, type TestApi, type Topic, reasonToSkip } from "./harness.ts";
import { idempotencyTopic } from "./idempotency.ts";
import { keysTopic } from "./keys.ts";
import { leasesTopic } from "./leases.ts";
import { lifeTopic } from "./life.ts";
import { limitsTopic } from "./limits.ts";
import { listingTopic } from "./listing.ts";
import { lookAgainTopic } from "./look-again.ts";
import { namespacesTopic } from "./namespaces.ts";
import { ordersTopic } from "./orders.ts";
import { placesTopic } from "./places.ts";
import { queuesTopic } from "./queues.ts";
import { reportTopic } from "./report.ts";
import { retentionTopic } from "./retention.ts";
import { runLifeTopic } from "./run-life.ts";
import { runsTopic } from "./runs.ts";
import { schedulesTopic } from "./schedules.ts";
import { searchTopic } from "./search.ts";
import { settleTopic } from "./settle.ts";
import { ticksTopic } from "./ticks.ts";
import { typesTopic } from "./types.ts";
import { uniqueTopic } from "./unique.ts";
import { valuesTopic } from "./values.ts";
import { wakeUpsTopic } from "./wake-ups.ts";
import { withWorld } from "./world.ts";

export type { Need, StoreCase, StoreHarness, TestApi, Topic } from "./harness.ts";
export type { World } from "./world.ts";

/** Every statement about stores, by topic. */
export const STORE_TOPICS: readonly Topic[] = [
  enqueueTopic,
  valuesTopic,
  claimTopic,
  lookAgainTopic,
  settleTopic,
  delaysTopic,
  cancelTopic,
  reportTopic,
  idempotencyTopic,
  byHandTopic,
  ordersTopic,
  searchTopic,
  placesTopic,
  retentionTopic,
  expiryTopic,
  leasesTopic,
  crashesTopic,
  eventsTopic,
  listingTopic,
  queuesTopic,
  drainTopic,
  typesTopic,
  schedulesTopic,
  ticksTopic,
  runsTopic,
  runLifeTopic,
  begunTopic,
  figuresTopic,
  limitsTopic,
  keysTopic,
  uniqueTopic,
  namespacesTopic,
  wakeUpsTopic,
  concurrencyTopic,
  lifeTopic,
];

/**
 * Declares the whole suite for one store. A case that does not apply is declared as skipped, with its reason.
 *
 * @example
 * import { describe, test } from "vitest";
 * describeStore("my store", { open, advance, isShared: true, capabilities: ["logs"] }, { describe, test });
 */
export function describeStore(name: string, harness: StoreHarness, api: TestApi): void {
  api.describe(`${name} as a store`, () => {
    for (const topic of STORE_TOPICS) {
      api.describe(topic.name, () => {
        for (const storeCase of topic.cases) {
          const reason = reasonToSkip(storeCase, harness);
          const run = (): Promise<void> => withWorld(harness, storeCase);
          if (reason === undefined) api.test(storeCase.name, run);
          else api.test.skip(`${storeCase.name} (skipped: ${reason})`, run);
        }
      });
    }
    api.test("can do what its harness says, and every skip names a case", async () => {
      await withWorld(harness, {
        run: async ({ store }) => checkHarness(harness, store.capabilities),
      });
    });
  });
}

function checkHarness(harness: StoreHarness, capabilities: ReadonlySet<string>): void {
  const said = [...harness.capabilities].sort().join(", ");
  const has = [...capabilities].sort().join(", ");
  if (said !== has) throw new Error(`the harness says "${said}", the store "${has}"`);
  const names = new Set(STORE_TOPICS.flatMap(({ cases }) => cases.map((each) => each.name)));
  const unknown = Object.keys(harness.skip ?? {}).filter((each) => !names.has(each));
  if (unknown.length > 0) throw new Error(`no such cases to skip: ${unknown.join("; ")}`);
}
