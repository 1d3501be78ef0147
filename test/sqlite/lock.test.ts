// The write lock held by another program: callers wait, nothing fails, and reads go on.
import { expect, it, vi } from "vitest";
import { attachWorker, eachInPlace, newJob } from "./place.ts";

const current = eachInPlace();

it("calls that write wait for the lock, and no error reaches a caller", async () => {
  const { place, store } = current();
  const other = place.connect();
  other.exec("BEGIN IMMEDIATE");
  const calls = Array.from({ length: 20 }, () => store.enqueue({ jobs: [newJob()] }));
  const settled = vi.fn<() => void>();
  for (const call of calls) void call.then(settled, settled);
  // The store has looked for the lock, in vain, by the time that it answers.
  await store.queues();
  expect(settled).not.toHaveBeenCalled();
  other.exec("COMMIT");
  const replies = await Promise.all(calls);
  expect(replies.flat().every(({ isNew }) => isNew)).toBe(true);
});

it("reads are answered while the lock is held", async () => {
  const { place, store } = current();
  const job = newJob();
  await store.enqueue({ jobs: [job] });
  const other = place.connect();
  other.exec("BEGIN IMMEDIATE");
  const waiting = store.enqueue({ jobs: [newJob()] });
  const [record] = await store.get({ ids: [job.id] });
  expect(record?.state).toBe("ready");
  expect((await store.list({ filter: {}, limit: 10 })).jobs).toHaveLength(1);
  other.exec("ROLLBACK");
  await waiting;
});

it("a worker whose lease could not be renewed meanwhile keeps it, and its jobs", async () => {
  const { place, store } = current();
  const leaseDurationMs = 400;
  await store.enqueue({ jobs: [newJob()] });
  const worker = await attachWorker(store, leaseDurationMs);
  const claimed = await worker.claim();
  const other = place.connect();
  other.exec("BEGIN IMMEDIATE");
  const [held] = await store.workers();
  await vi.waitUntil(() => Date.now() > (held?.leaseUntilMs ?? 0) + leaseDurationMs, 30_000);
  // Asked for while the lease is over and the lock taken: the sweep must not come before the renewal.
  const sweeping = store.sweep({ limit: 100 });
  other.exec("ROLLBACK");
  expect((await sweeping).deadWorkers).toEqual([]);
  await worker.succeed(claimed);
  expect(worker.heard.losses).toEqual([]);
});

it("closing does not wait for the lock", async () => {
  const { place, store } = current();
  const other = place.connect();
  other.exec("BEGIN IMMEDIATE");
  const waiting = store.enqueue({ jobs: [newJob()] });
  const [answered] = await Promise.allSettled([waiting, store.close()]);
  expect(answered).toMatchObject({ status: "rejected", reason: { code: "STORE_CLOSED" } });
});
