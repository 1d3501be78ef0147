// Turns of keys on a file: kept from one process to the next, and taken over from the version before.
import { expect, it } from "vitest";
import type { Store } from "../../src/core/store.ts";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema.ts";
import { type TestWorker, attachWorker, eachInPlace, newJob } from "./place.ts";

const each = eachInPlace();

/** The version in which each group that had its turn went behind all others. */
const BEFORE_ROUNDS = 6;
const CUSTOMERS = ["a", "b", "c"] as const;

async function enqueueEach(store: Store, count: number): Promise<void> {
  for (const customer of CUSTOMERS) {
    const job = { keys: [{ limit: "customer", key: customer }], tags: [customer] };
    await store.enqueue({ jobs: Array.from({ length: count }, () => newJob(job)) });
  }
}

/** Whose jobs a worker is given, as it asks for one after the other. */
async function customersOf(worker: TestWorker, count: number): Promise<readonly string[]> {
  const customers: string[] = [];
  for (let call = 0; call < count; call += 1) {
    const claimed = await worker.claim({ capacity: 1 });
    customers.push(...claimed.flatMap(({ tags }) => tags));
  }
  return customers;
}

it("turns go on where they were when the file is opened again", async () => {
  const { place, store } = each();
  await enqueueEach(store, 5);
  expect(await customersOf(await attachWorker(store), 2)).toEqual(["a", "b"]);
  await store.close();
  const again = await place.open();
  expect(await customersOf(await attachWorker(again), 3)).toEqual(["c", "a", "b"]);
});

it("turns go on where another process left them", async () => {
  const { place, store } = each();
  const other = await place.open();
  await enqueueEach(store, 5);
  const [one, two] = [await attachWorker(store), await attachWorker(other)];
  const had: string[] = [];
  for (let call = 0; call < 3; call += 1) {
    had.push(...(await customersOf(one, 1)), ...(await customersOf(two, 1)));
  }
  expect(had).toEqual(["a", "b", "c", "a", "b", "c"]);
});

it("a file of the version before keeps its turns, and lets go whom a limit held", async () => {
  const { place, store } = each();
  const bounds = { concurrency: 2, rate: null };
  await store.setLimits({ queue: "mail", limits: [{ name: "customer", bounds }], by: "ops" });
  await enqueueEach(store, 3);
  const worker = await attachWorker(store);
  const claimed = await worker.claim();
  expect(claimed).toHaveLength(6);
  await enqueueEach(store, 1);
  await worker.succeed(claimed.slice(0, 1));
  await store.close();
  const connection = place.connect();
  connection.exec(`
    ALTER TABLE lanes DROP COLUMN round;
    ALTER TABLE lanes DROP COLUMN reached;
    ALTER TABLE lanes DROP COLUMN round_end;
    UPDATE key_groups SET turn = 7 WHERE turn IS NOT NULL;
    DROP INDEX jobs_keyed;
    CREATE INDEX jobs_keyed ON jobs (grp, rank, id, expires_at)
      WHERE state = 1 AND company IS NULL AND grp IS NOT NULL;
    PRAGMA user_version = ${BEFORE_ROUNDS};
  `);
  connection.close();
  const migrated = await place.open();
  expect(place.connect().prepare("PRAGMA user_version").get()).toEqual({
    user_version: SCHEMA_VERSION,
  });
  const next = await attachWorker(migrated);
  let left = 11;
  for (let call = 0; call < 11 && left > 0; call += 1) {
    const jobs = await next.claim();
    expect(jobs.length).toBeLessThanOrEqual(6);
    left -= jobs.length;
    await next.succeed(jobs);
  }
  expect(left).toBe(0);
});
