// Several store objects on one file: what one commits, workers of another hear of.
import { afterEach, beforeEach, expect, it } from "vitest";
import { Place, attachWorker, newJob } from "./place.ts";

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.end());

it("a worker that came up short is woken by what others enqueue, also while its own process writes", async () => {
  const here = await place.open();
  const there = await place.open();
  const worker = await attachWorker(here);
  for (let round = 0; round < 20; round += 1) {
    worker.heard.wakes = 0;
    await worker.claim();
    // Its own commits take note of the other's before any poll can.
    await Promise.all([
      there.enqueue({ jobs: [newJob()] }),
      here.enqueue({ jobs: [newJob({ queue: "elsewhere" })] }),
      here.enqueue({ jobs: [newJob({ queue: "elsewhere" })] }),
    ]);
    await expect.poll(() => worker.heard.wakes).toBeGreaterThan(0);
    await worker.succeed(await worker.claim());
  }
});

it("looking for work that is not there writes nothing, so idle workers leave each other alone", async () => {
  const here = await place.open();
  const worker = await attachWorker(here);
  const other = place.connect();
  const version = (): unknown => other.prepare("PRAGMA data_version").get()?.["data_version"];
  await worker.claim();
  const before = version();
  for (let look = 0; look < 20; look += 1) await worker.claim();
  expect(version()).toBe(before);
});

it("a rate of a queue counts what started elsewhere", async () => {
  const [here, there] = [await place.open(), await place.open()];
  const bounds = { concurrency: null, rate: { limit: 5, perMs: 3_600_000 } };
  await here.setLimits({ queue: "mail", limits: [{ name: "queue", bounds }], by: "ops" });
  await here.enqueue({ jobs: Array.from({ length: 9 }, () => newJob()) });
  const workers = [await attachWorker(here), await attachWorker(there)];
  const started: number[] = [];
  for (const worker of [...workers, ...workers]) {
    started.push((await worker.claim({ capacity: 2 })).length);
  }
  expect(started).toEqual([2, 2, 1, 0]);
});

it.each([
  { what: "a queue", limit: "queue", key: undefined },
  { what: "a key", limit: "customer", key: { limit: "customer", key: "a" } },
])(
  "who waits for $what that a handler holds is woken when it is released elsewhere",
  async (each) => {
    const [here, there] = [await place.open(), await place.open()];
    const keys = [{ limit: "customer", key: "a" }];
    await here.enqueue({ jobs: [newJob({ keys }), newJob({ keys })] });
    const worker = await attachWorker(here);
    const [job] = await worker.claim({ capacity: 1 });
    if (job === undefined) throw new Error("no job was claimed");
    const pushBack = { limit: each.limit, delayMs: 3_600_000 };
    const outcome = { kind: "snooze", delayMs: 7_200_000, pushBack } as const;
    await worker.exchange([{ id: job.id, token: job.token, outcome }]);
    expect(await worker.claim()).toEqual([]);
    worker.heard.wakes = 0;
    const released = await there.releaseHold({
      queue: "mail",
      ...(each.key === undefined ? {} : { key: each.key }),
    });
    expect(released.heldUntilMs).not.toBeNull();
    await expect.poll(() => worker.heard.wakes).toBeGreaterThan(0);
    expect(await worker.claim()).toHaveLength(1);
  },
);

it("a writer that is never done lets others in", async () => {
  const busy = await place.open({ durability: "os" });
  const patient = await place.open({ durability: "os" });
  let isOver = false;
  let written = 0;
  const writing = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await busy.enqueue({ jobs: Array.from({ length: 250 }, () => newJob()) });
      written += 250;
    }
  });
  for (let call = 0; call < 20; call += 1) await patient.enqueue({ jobs: [newJob()] });
  isOver = true;
  await Promise.all(writing);
  const [queue] = await patient.queues();
  expect(queue?.counts.ready).toBe(written + 20);
});
