// Handlers that take batches: what comes together, and how each job ends. On the store in memory.
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import type { AnyJobType, BatchHandler } from "../../core/define-job.ts";
import { defineJob } from "../../core/define-job.ts";
import { fatal, snooze } from "../../core/outcomes.ts";
import { openMillrace } from "../../millrace/index.ts";
import { silentLogger } from "../logging/logger.ts";
import type { Millrace } from "../millrace.ts";

const opened: Millrace[] = [];
async function open(type: AnyJobType, concurrency = 20): Promise<Millrace> {
  const worker = { concurrency };
  const mill = await openMillrace({ store: "memory:", logger: false, jobs: [type], worker });
  opened.push(mill);
  return mill;
}
afterEach(async () => {
  for (const mill of opened.splice(0)) {
    await mill.stop(undefined, { grace: 0 });
    await mill.close();
  }
});

/** Resolves when a job's handler, or the batch that it waits for, has it. */
async function isRunning(mill: Millrace, id: string): Promise<void> {
  await expect.poll(async () => (await mill.job(id))?.state).toBe("running");
}

type Numbers = BatchHandler<{ n: number }, number>;
/** A type whose batches are kept. */
function gather(
  options: Omit<Numbers, "run">,
  run?: Numbers["run"],
): { readonly type: AnyJobType; readonly batches: number[][] } {
  const batches: number[][] = [];
  const type = defineJob({
    name: "sum",
    input: z.object({ n: z.number() }),
    retry: { attempts: 2, backoff: () => 0 },
    grace: "1m",
    batch: {
      ...options,
      run: (batch): ReturnType<Numbers["run"]> => {
        batches.push(batch.jobs.map(({ input }) => input.n));
        return run?.(batch) ?? batch.jobs.map(({ input }) => input.n * 2);
      },
    },
  });
  return { type, batches };
}

const inputs = (count: number): { n: number }[] => Array.from({ length: count }, (_, n) => ({ n }));

test.each([
  {
    what: "the worker",
    concurrency: 10,
    ofType: undefined,
    raised: "worker.concurrency",
    most: 10,
  },
  { what: "its type", concurrency: 60, ofType: 5, raised: "the type's concurrency", most: 5 },
  {
    what: "both",
    concurrency: 10,
    ofType: 20,
    raised: "worker.concurrency and the type's concurrency",
    most: 10,
  },
])(
  "a batch that can't fill, for $what runs fewer at once, is told once with what mends it",
  async ({ concurrency, ofType, raised, most }) => {
    const warned: object[] = [];
    const warn = (fields: object, message: string): void => void warned.push({ fields, message });
    const type = defineJob({
      name: "sum",
      batch: { size: 50, within: "1s", run: () => undefined },
      ...(ofType === undefined ? {} : { concurrency: ofType }),
    });
    const fits = defineJob({
      name: "fits",
      batch: { size: 5, within: "1s", run: () => undefined },
    });
    const free = defineJob({ name: "free", batch: { size: 500, run: () => undefined } });
    const logger = { ...silentLogger, warn, isLevelEnabled: () => true };
    const mill = await openMillrace({
      store: "memory:",
      logger,
      jobs: [type, fits, free],
      worker: { concurrency },
    });
    opened.push(mill);
    await mill.start();
    await mill.start();
    expect(warned).toEqual([
      {
        fields: { type: "sum", batchSize: 50, concurrency: most },
        message: `batches can't fill, so each waits for all of batch.within (1s): raise ${raised} to 50 or more, or lower batch.size to ${most}`,
      },
    ]);
  },
);

test("a handler takes up to its size, and each job gets its own result", async () => {
  const { type, batches } = gather({ size: 4 });
  const mill = await open(type);
  const receipts = await mill.enqueueMany(type, inputs(10));
  await mill.start();
  expect(await Promise.all(receipts.map((each) => each.result()))).toEqual(
    inputs(10).map(({ n }) => n * 2),
  );
  expect(batches.map((batch) => batch.length)).toEqual([4, 4, 2]);
});

test("the first of a batch waits for others that come within its time", async () => {
  const { type, batches } = gather({ size: 3, within: "1m" });
  const mill = await open(type);
  await mill.start();
  const receipts = [];
  for (const input of inputs(3)) receipts.push(await mill.enqueue(type, input));
  await Promise.all(receipts.map((each) => each.result()));
  expect(batches).toEqual([[0, 1, 2]]);
});

test("what came within its time starts when the time is over", async () => {
  const { type, batches } = gather({ size: 100, within: "20ms" });
  const mill = await open(type);
  const receipts = await mill.enqueueMany(type, inputs(2));
  await mill.start();
  await Promise.all(receipts.map((each) => each.result()));
  expect(batches).toEqual([[0, 1]]);
});

test("jobs of different keys come in different batches", async () => {
  const { type, batches } = gather({ size: 10, by: ({ n }) => n % 2 });
  const mill = await open(type);
  const receipts = await mill.enqueueMany(type, inputs(6));
  await mill.start();
  await Promise.all(receipts.map((each) => each.result()));
  expect(batches).toEqual([
    [0, 2, 4],
    [1, 3, 5],
  ]);
});

test("one job of a batch fails or is put off without the others", async () => {
  const { type, batches } = gather({ size: 3 }, ({ jobs }) =>
    jobs.map(({ input, job }) => {
      if (input.n === 1) return fatal("not this one");
      if (input.n === 2 && job.attempt === 1) return snooze("1h");
      return input.n;
    }),
  );
  const mill = await open(type);
  const [first, second, third] = await mill.enqueueMany(type, inputs(3));
  await mill.start();
  expect(await first?.result()).toBe(0);
  await expect(second?.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
  await expect
    .poll(async () => (await mill.job(third?.id ?? ""))?.state, { interval: 5 })
    .toBe("scheduled");
  expect(batches).toHaveLength(1);
});

test("a batch that throws is a failed try of each of its jobs, by its own policy", async () => {
  let calls = 0;
  const { type, batches } = gather({ size: 2 }, ({ jobs }) => {
    calls += 1;
    if (calls === 1) throw new Error("all of them");
    return jobs.map(({ job }) => job.attempt);
  });
  const mill = await open(type);
  const receipts = await mill.enqueueMany(type, inputs(2));
  await mill.start();
  expect(await Promise.all(receipts.map((each) => each.result()))).toEqual([2, 2]);
  expect(batches).toHaveLength(2);
});

test("outcomes that don't fit the jobs fail them", async () => {
  const { type } = gather({ size: 2 }, () => [1]);
  const mill = await open(type);
  const [first] = await mill.enqueueMany(type, inputs(2));
  await mill.start();
  await expect(first?.result()).rejects.toThrow("a batch of 2 jobs gave 1 outcomes");
});

test("cancelling one job of a batch ends that one alone", async () => {
  const started = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const { type } = gather({ size: 2 }, async ({ jobs, signal }) => {
    jobs[0]?.signal.addEventListener("abort", () => cancelled.resolve());
    started.resolve();
    await cancelled.promise;
    return jobs.map((each) =>
      each.signal.aborted ? (each.signal.reason as Error) : signal.aborted ? 1 : 2,
    );
  });
  const mill = await open(type);
  const [first, second] = await mill.enqueueMany(type, inputs(2));
  await mill.start();
  await started.promise;
  await mill.cancel([first?.id ?? ""]);
  await expect(first?.result()).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  expect(await second?.result()).toBe(2);
});

test("a job that is cancelled while its batch gathers ends at once, and another has its place", async () => {
  const { type, batches } = gather({ size: 2, within: "1m" });
  const mill = await open(type);
  const cancelled = await mill.enqueue(type, { n: 0 });
  await mill.start();
  await isRunning(mill, cancelled.id);
  await mill.cancel([cancelled.id]);
  await expect(cancelled.result()).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  const others = await mill.enqueueMany(type, [{ n: 1 }, { n: 2 }]);
  expect(await Promise.all(others.map((each) => each.result()))).toEqual([2, 4]);
  expect(batches).toEqual([[1, 2]]);
});

test("a worker that stops waits for no others: what has come runs", async () => {
  const { type, batches } = gather({ size: 3, within: "1m" });
  const mill = await open(type);
  const receipts = await mill.enqueueMany(type, inputs(2));
  await mill.start();
  for (const { id } of receipts) await isRunning(mill, id);
  await mill.stop(undefined, { grace: "1m" });
  expect(batches).toEqual([[0, 1]]);
  expect(await Promise.all(receipts.map((each) => each.result()))).toEqual([0, 2]);
});
