// Callers at the same moment share a transaction, and its wait for the disk.
import { statSync } from "node:fs";
import { expect, it } from "vitest";
import type { SettleOutcome } from "../../src/core/store.ts";
import { attachWorker, eachInPlace, newJob } from "./place.ts";

const current = eachInPlace();

/** Every commit writes each page that it changed to the log: fewer commits, fewer pages. */
function logBytes(path: string): number {
  return statSync(`${path}-wal`).size;
}

it("a hundred callers at once write a fraction of what they write one after the other", async () => {
  const { place, store } = current();
  await store.enqueue({ jobs: [newJob()] });
  const atFirst = logBytes(place.path);
  for (let call = 0; call < 100; call += 1) await store.enqueue({ jobs: [newJob()] });
  const oneByOne = logBytes(place.path) - atFirst;
  await Promise.all(Array.from({ length: 100 }, () => store.enqueue({ jobs: [newJob()] })));
  const atOnce = logBytes(place.path) - atFirst - oneByOne;
  expect(atOnce).toBeLessThan(oneByOne / 5);
});

it("a call that the store can't make sense of fails alone", async () => {
  const { store } = current();
  const worker = await attachWorker(store);
  await store.enqueue({ jobs: [newJob()] });
  const [claimed] = await worker.claim();
  const { id = "", token = "" } = claimed ?? {};
  const good = Array.from({ length: 10 }, () => newJob());
  const calls = good.map((job) => store.enqueue({ jobs: [job] }));
  const outcome = { kind: "unheard-of" } as unknown as SettleOutcome;
  const odd = store.exchange({ worker: worker.id, settlements: [{ id, token, outcome }] });
  await expect(odd).rejects.toMatchObject({ code: "STORE_FAILED" });
  const replies = await Promise.all(calls);
  expect(replies.flat().map((reply) => reply.id)).toEqual(good.map((job) => job.id));
  const [queue] = await store.queues();
  expect(queue?.counts).toMatchObject({ ready: 10, running: 1 });
});
