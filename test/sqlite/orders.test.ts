// Orders on many jobs that wait: what finding the next ones costs.
import { expect, it } from "vitest";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";
import type { JobFilter, NewJob, Store } from "../../src/core/store.ts";
import { newJob } from "./place.ts";

const JOBS = 16_000;
/** Most jobs of one call that keeps new ones. */
const AT_A_TIME = 1_000;
/** By state it took two to five times as long as by tag, and eleven to nineteen where the rows were sorted outside of it. */
const MOST_TIMES = 8;

async function keepJobs(store: Store, fields: Partial<NewJob>): Promise<void> {
  for (let from = 0; from < JOBS; from += AT_A_TIME) {
    await store.enqueue({ jobs: Array.from({ length: AT_A_TIME }, () => newJob(fields)) });
  }
}

/** Cancels all that a filter fits, and gives how long it took, in milliseconds. */
async function cancelAll(store: Store, filter: JobFilter): Promise<number> {
  const startedAtMs = performance.now();
  const order = { kind: "cancel", reason: "" } as const;
  let changed = 0;
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const step = await store.changeMatching({ filter, order, limit: 500, ...from });
    changed += step.changed;
    ({ cursor } = step);
  } while (cursor !== undefined);
  expect(changed).toBe(JOBS);
  return performance.now() - startedAtMs;
}

it("cancelling what waits is found by its state about as fast as by a tag", async () => {
  const store = await openSqliteStore({ path: ":memory:", namespace: "test" });
  try {
    const types = [
      { type: "mail", queue: "mail" },
      { type: "bill", queue: "bill", keys: [{ limit: "customer", key: "a" }] },
      { type: "call", queue: "call", delayMs: 3_600_000 },
    ];
    await keepJobs(store, { type: "tagged", queue: "tagged", tags: ["a"] });
    const byTagMs = await cancelAll(store, { type: "tagged", tag: "a" });
    for (const fields of types) {
      await keepJobs(store, fields);
      const filter = { type: fields.type, states: ["ready", "scheduled"] } as const;
      expect(await cancelAll(store, filter)).toBeLessThan(MOST_TIMES * byTagMs);
    }
  } finally {
    await store.close();
  }
});
