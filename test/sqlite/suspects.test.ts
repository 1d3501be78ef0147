// How a job that kills its workers is told from its neighbours, beyond what every store must do.
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ClaimedJob, Store } from "../../src/core/store.ts";
import { type TestClock, createTestClock } from "../../src/testing/index.ts";
import { Place, type TestWorker, attachWorker, newJob } from "./place.ts";

const LEASE_MS = 3_600_000;
/** Longer than a suspect waits for an idle worker. */
const PATIENCE_MS = 6_000;

let place: Place;
let store: Store;
let clock: TestClock;
beforeEach(async () => {
  place = new Place();
  clock = createTestClock();
  store = await place.open({ path: ":memory:", clock });
});
afterEach(() => place.end());

/** A worker claims all that is ready and dies with it. */
async function dieWith(count: number): Promise<readonly ClaimedJob[]> {
  const claimed = await (await attachWorker(store, LEASE_MS)).claim({ capacity: count });
  clock.advance(2 * LEASE_MS);
  await store.sweep({ limit: 10_000 });
  return claimed;
}

async function makeSuspects(count: number): Promise<void> {
  await store.enqueue({ jobs: Array.from({ length: count }, () => newJob()) });
  await dieWith(count);
  await dieWith(count);
}

const worker = (): Promise<TestWorker> => attachWorker(store, 1_000 * LEASE_MS);

it("jobs that lost one worker together run on as before", async () => {
  await store.enqueue({ jobs: [newJob(), newJob()] });
  await dieWith(2);
  expect(await (await worker()).claim()).toHaveLength(2);
});

it("jobs that lost two workers together run in a tenth of the company, with nothing else", async () => {
  await makeSuspects(20);
  await store.enqueue({ jobs: [newJob(), newJob()] });
  const one = await worker();
  expect(await one.claim()).toHaveLength(2);
  expect(await one.claim()).toHaveLength(0);
});

it("a suspect that ends well is none any longer, and others run beside what comes next", async () => {
  await makeSuspects(2);
  const one = await worker();
  for (let suspect = 0; suspect < 2; suspect += 1) {
    const claimed = await one.claim();
    expect(claimed).toHaveLength(1);
    await one.succeed(claimed);
  }
  await store.enqueue({ jobs: [newJob(), newJob(), newJob()] });
  expect(await one.claim()).toHaveLength(3);
});

it("a suspect waits for an idle worker, and makes a busy one drain when it has waited long", async () => {
  const busy = await worker();
  await store.enqueue({ jobs: [newJob()] });
  const running = await busy.claim();
  await makeSuspects(2);
  await store.enqueue({ jobs: [newJob()] });
  const beside = await busy.claim();
  expect(beside).toHaveLength(1);
  clock.advance(PATIENCE_MS);
  await store.enqueue({ jobs: [newJob()] });
  expect(await busy.claim()).toEqual([]);
  await busy.succeed([...running, ...beside]);
  const alone = await busy.claim();
  expect(alone.map(({ crashes }) => crashes)).toEqual([0]);
  const [record] = await store.get({ ids: alone.map(({ id }) => id) });
  expect(record?.history.map(({ outcome }) => outcome)).toEqual(["lost", "lost"]);
});

it("jobs that were given back in between have not ended, and stay under suspicion", async () => {
  await store.enqueue({ jobs: [newJob(), newJob()] });
  await dieWith(2);
  const leaving = await worker();
  const claimed = await leaving.claim();
  const release = claimed.map(({ id, token }) => ({
    id,
    token,
    outcome: { kind: "release" } as const,
  }));
  await leaving.exchange(release, { capacity: 0 });
  await dieWith(2);
  expect(await (await worker()).claim()).toHaveLength(1);
});
