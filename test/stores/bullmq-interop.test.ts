// Millrace on BullMQ beside BullMQ itself: producers, workers, listeners and dashboards of either see the same jobs.
import { randomUUID } from "node:crypto";
import { type ConnectionOptions, FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { type Millrace, createLogger, defineJob, openMillrace } from "../../src/index.ts";
import { runEventQueue } from "../../examples/event-queue.ts";
import { runBesideBullmq } from "../../examples/from-bullmq.ts";
import type { JobEvent } from "../../src/core/index.ts";
import { openBullmqStore } from "../../src/stores/bullmq/index.ts";

const silent = false as const;
/** As long as a busy machine may need; a wait ends when the condition holds. */
const within = { timeout: 30_000 };

/** A server's part of its own, as Millrace and as BullMQ name it. */
function place(): { readonly url: string; readonly prefix: string; connection: ConnectionOptions } {
  const prefix = `interop-${randomUUID().slice(0, 8)}`;
  const { hostname: host, port } = new URL(inject("redisUrl"));
  return {
    prefix,
    url: `bullmq+redis://${host}:${port}?prefix=${prefix}`,
    connection: { host, port: Number(port), maxRetriesPerRequest: null },
  };
}

const sum = defineJob({
  name: "sum",
  input: z.object({ numbers: z.array(z.number()) }),
  run({ input, log, progress }) {
    progress(0.5);
    log.info("summing");
    return input.numbers.reduce((total, each) => total + each, 0);
  },
});

async function fail(): Promise<never> {
  throw new Error("no luck");
}

async function open(url: string): Promise<Millrace> {
  const mill = await openMillrace({ store: url, jobs: [sum], logger: silent });
  onTestFinished(() => mill.close());
  return mill;
}

function closing<
  Closed extends { close(): Promise<unknown>; on(event: "error", of: () => void): unknown },
>(opened: Closed): Closed {
  opened.on("error", () => {});
  onTestFinished(async () => {
    await opened.close();
  });
  return opened;
}

describe("jobs of Millrace", () => {
  test("are ordinary jobs in an ordinary queue, as a dashboard of BullMQ's reads them", async () => {
    const { url, prefix, connection } = place();
    const mill = await open(url);
    const receipt = await mill.enqueue(sum, { numbers: [1, 2] });
    await mill.enqueue(sum, { numbers: [3] }, { delay: "1h" });
    const queue = closing(new Queue("sum", { prefix, connection }));
    expect(await queue.getJobCounts("waiting", "delayed")).toEqual({ waiting: 1, delayed: 1 });
    const job = await queue.getJob(receipt.id);
    expect(job).toMatchObject({ id: receipt.id, name: "sum", data: { numbers: [1, 2] } });
    await mill.start();
    expect(await receipt.result()).toBe(3);
    const ended = await queue.getJob(receipt.id);
    expect(ended).toMatchObject({ returnvalue: 3, attemptsMade: 1, progress: 0.5 });
    const { logs } = await queue.getJobLogs(receipt.id);
    expect(logs).toEqual([expect.stringContaining("info: summing")]);
  });

  test("are run by a plain worker of BullMQ's, and their results come to whoever awaits them", async () => {
    const { url, prefix, connection } = place();
    const mill = await open(url);
    closing(
      new Worker("sum", async ({ data }) => (data as { numbers: number[] }).numbers.length, {
        prefix,
        connection,
      }),
    );
    const receipt = await mill.enqueue(sum, { numbers: [1, 2, 3, 4] });
    expect(await receipt.result()).toBe(4);
    expect(await mill.job(receipt.id)).toMatchObject({ state: "succeeded" });
  });

  test("that fail in a plain worker fail for whoever awaits them", async () => {
    const { url, prefix, connection } = place();
    const mill = await open(url);
    closing(new Worker("sum", fail, { prefix, connection }));
    const receipt = await mill.enqueue(sum, { numbers: [] });
    await expect(receipt.result()).rejects.toThrow("no luck");
  });

  test("are told of by BullMQ's own events", async () => {
    const { url, prefix, connection } = place();
    const mill = await open(url);
    const listener = closing(new QueueEvents("sum", { prefix, connection }));
    await listener.waitUntilReady();
    const heard: string[] = [];
    for (const event of ["waiting", "active", "completed"] as const) {
      listener.on(event, () => heard.push(event));
    }
    const receipt = await mill.enqueue(sum, { numbers: [1] });
    await mill.start();
    await receipt.result();
    await vi.waitFor(() => expect(heard).toEqual(["waiting", "active", "completed"]), within);
  });
});

describe("jobs of a plain producer", () => {
  test("whose names are job types are run by Millrace, with ids of their own kind", async () => {
    const { url, prefix, connection } = place();
    const queue = closing(new Queue("sum", { prefix, connection }));
    const [plain, named] = await queue.addBulk([
      { name: "sum", data: { numbers: [4, 5] } },
      { name: "sum", data: { numbers: [6] }, opts: { jobId: "order-7", priority: 3 } },
    ]);
    const mill = await open(url);
    await mill.start();
    await vi.waitFor(
      async () => expect(await queue.getJobCounts("completed")).toEqual({ completed: 2 }),
      within,
    );
    const results = await Promise.all(
      [plain, named].map(async (job) => (await queue.getJob(job?.id ?? ""))?.returnvalue as number),
    );
    expect(results).toEqual([9, 6]);
    const { jobs } = await mill.jobs({ type: "sum" });
    expect(jobs).toHaveLength(2);
    // What a list gives can be asked for, and removed.
    for (const { id } of jobs) expect(await mill.job(id)).toMatchObject({ state: "succeeded" });
    await mill.remove(jobs.map(({ id }) => id));
    expect(await queue.getJobCounts("completed")).toEqual({ completed: 0 });
  });

  test("that are children of a flow free their parent, whose result a plain worker then makes", async () => {
    const { url, prefix, connection } = place();
    const producer = closing(new FlowProducer({ prefix, connection }));
    const mill = await open(url);
    await mill.start();
    const parents = closing(
      new Worker(
        "report",
        async (job) =>
          Object.values(await job.getChildrenValues<number>()).sort((left, right) => left - right),
        { prefix, connection },
      ),
    );
    const ended = new Promise<unknown>((resolve) => {
      parents.on("completed", (_job, result) => resolve(result));
    });
    await producer.add({
      name: "report",
      queueName: "report",
      children: [1, 2].map((each) => ({
        name: "sum",
        queueName: "sum",
        data: { numbers: [each, each] },
      })),
    });
    expect(await ended).toEqual([2, 4]);
  });

  test("are told of to followers", async () => {
    const { url, prefix, connection } = place();
    const store = await openBullmqStore({ url, namespace: "default" });
    onTestFinished(() => store.close());
    const queue = closing(new Queue("sum", { prefix, connection }));
    await queue.waitUntilReady();
    await store.putTypes({ types: [] });
    await store.queues();
    const events: JobEvent[] = [];
    await store.subscribe({
      filter: {},
      listener: (event) => events.push(event),
      onGap: () => {},
    });
    const job = await queue.add("sum", { numbers: [1] });
    closing(new Worker("sum", async () => 7, { prefix, connection }));
    await vi.waitFor(() => expect(events.map(({ kind }) => kind)).toContain("succeeded"), within);
    await job.remove();
    await vi.waitFor(
      () => expect(events.map(({ kind }) => kind)).toEqual(["enqueued", "succeeded", "removed"]),
      within,
    );
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
  });
});

test("the sample of a reusable event queue runs on it, schedule and graceful shutdown included", async () => {
  const { url } = place();
  const logger = createLogger("silent");
  expect(await runEventQueue(url, logger)).toMatchObject({ sent: true, file: "cat-200.png" });
});

test("the guide's sample runs jobs of both producers", async () => {
  const { url, ...bullmq } = place();
  const results = await runBesideBullmq(bullmq, url, createLogger("silent"));
  expect(results).toEqual([{ sentTo: "ada" }, { sentTo: "grace" }]);
});

test("a queue that is paused by Millrace is paused for plain workers, and the other way round", async () => {
  const { url, prefix, connection } = place();
  const mill = await open(url);
  const queue = closing(new Queue("sum", { prefix, connection }));
  await mill.enqueue(sum, { numbers: [1] });
  await mill.pause("sum", { reason: "outage" });
  expect(await queue.isPaused()).toBe(true);
  await queue.resume();
  const [record] = await mill.queues();
  expect(record).toMatchObject({ name: "sum", paused: null });
  await queue.pause();
  expect((await mill.queues())[0]?.paused).toMatchObject({ by: "bullmq" });
});

test("what BullMQ has no way for is refused when it is opened, and by whom it could be held", async () => {
  const { url } = place();
  const refused = async (options: object): Promise<void> => {
    const type = defineJob({ name: "odd", input: z.object({}), async run() {}, ...options });
    await expect(openMillrace({ store: url, jobs: [type], logger: silent })).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
  };
  await refused({ labels: ["gpu"] });
  await refused({ priority: 5 });
  await refused({ queue: "a:b" });
  await expect(
    openBullmqStore({ url, namespace: "default", durability: "replicated" }),
  ).rejects.toMatchObject({ code: "UNSUPPORTED" });
});

test("jobs that nobody's type is for keep no worker busy, and hold up no others of their queue", async () => {
  const { url, prefix, connection } = place();
  const queue = closing(new Queue("sum", { prefix, connection }));
  const listener = closing(new QueueEvents("sum", { prefix, connection }));
  await listener.waitUntilReady();
  let claims = 0;
  listener.on("active", () => {
    claims += 1;
  });
  await queue.add("someone-elses", {});
  const mill = await open(url);
  await mill.start();
  const receipt = await mill.enqueue(sum, { numbers: [1, 1] });
  expect(await receipt.result()).toBe(2);
  const last = await mill.enqueue(sum, { numbers: [2, 2] });
  expect(await last.result()).toBe(4);
  expect(claims).toBeLessThanOrEqual(4);
  expect(await queue.getJobCounts("waiting", "delayed")).toEqual({ waiting: 0, delayed: 1 });
});
