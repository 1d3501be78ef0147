// Millrace in tests: inline, by hand, on a clock that moves, with assertions on what was enqueued.
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineJob } from "../../core/define-job.ts";
import { retryAfter } from "../../core/outcomes.ts";
import { type TestMillrace, type TestMillraceOptions, openTestMillrace } from "./index.ts";

const opened: TestMillrace[] = [];
async function open(options: TestMillraceOptions): Promise<TestMillrace> {
  const mill = await openTestMillrace(options);
  opened.push(mill);
  return mill;
}
afterEach(async () => {
  for (const mill of opened.splice(0)) await mill.close();
});

const double = defineJob({
  name: "double",
  input: z.object({ n: z.number() }),
  run: ({ input }) => input.n * 2,
});
const bill = defineJob({ name: "bill", input: z.object({ order: z.string(), card: z.string() }) });

describe("inline", () => {
  test("an enqueue comes back when the job has ended", async () => {
    const mill = await open({ jobs: [double] });
    const receipt = await mill.enqueue(double, { n: 21 });
    expect(receipt.state).toBe("succeeded");
    expect(await receipt.result()).toBe(42);
    const many = await mill.enqueueMany(double, [{ n: 1 }, { n: 2 }]);
    expect(await Promise.all(many.map((each) => each.result()))).toEqual([2, 4]);
    const [named] = await mill.enqueueEntries([{ type: "double", input: { n: 5 } }]);
    expect(named?.state).toBe("succeeded");
  });

  test("a type that was not listed is run as well", async () => {
    const mill = await open({});
    expect((await mill.enqueue(double, { n: 1 })).state).toBe("succeeded");
  });

  test("a job that fails fails its result, not its enqueue", async () => {
    const broken = defineJob({
      name: "broken",
      retry: { attempts: 1 },
      run: () => {
        throw new Error("no paper");
      },
    });
    const mill = await open({ jobs: [broken] });
    const receipt = await mill.enqueue(broken, null);
    expect(receipt.state).toBe("failed");
    await expect(receipt.result()).rejects.toMatchObject({
      code: "JOB_FAILED",
      cause: { message: "no paper" },
    });
  });

  test("a job that is removed at once still gives its result", async () => {
    const brief = defineJob({
      name: "brief",
      retention: { succeeded: "remove" },
      run: () => "done",
    });
    const mill = await open({ jobs: [brief] });
    const receipt = await mill.enqueue(brief, null);
    expect(receipt.state).toBeNull();
    expect(await receipt.result()).toBe("done");
  });

  test("what a handler enqueues is run before the enqueue comes back", async () => {
    let depth = 0;
    const chain = defineJob({
      name: "chain",
      input: z.number(),
      concurrency: 1,
      run: async ({ input }) => {
        depth += 1;
        if (input > 0) await mill.enqueue(chain, input - 1);
      },
    });
    const mill: TestMillrace = await open({ jobs: [chain] });
    await mill.enqueue(chain, 20);
    expect(depth).toBe(21);
    expect(mill.assertEnqueued(chain)).toHaveLength(21);
  });

  test("callers of one moment all come back with their jobs ended", async () => {
    const mill = await open({ jobs: [double] });
    const receipts = await Promise.all([1, 2, 3, 4].map((n) => mill.enqueue(double, { n })));
    expect(receipts.map(({ state }) => state)).toEqual(receipts.map(() => "succeeded"));
  });

  test("a delayed job waits until time has passed", async () => {
    const mill = await open({ jobs: [double] });
    const receipt = await mill.enqueue(double, { n: 1 }, { delay: "1h" });
    expect(receipt.state).toBe("scheduled");
    await mill.advance("59m");
    expect(await mill.job(receipt.id)).toMatchObject({ state: "scheduled" });
    await mill.advance("1m");
    expect(await mill.job(receipt.id)).toMatchObject({ state: "succeeded" });
  });

  test("a declared schedule fires as time passes, and its jobs are among those enqueued", async () => {
    const ran: string[] = [];
    const hourly = defineJob({
      name: "hourly",
      schedule: { every: "1h", input: "now" },
      run: ({ input }) => {
        ran.push(String(input));
      },
    });
    const mill = await open({ jobs: [hourly] });
    mill.assertNotEnqueued(hourly);
    await mill.advance("1h");
    await mill.advance("1h");
    expect(ran).toEqual(["now", "now"]);
    mill.assertEnqueued(hourly, { input: "now", tags: ["schedule:hourly"], count: 2 });
  });

  test("a retry waits until time has passed, however long", async () => {
    const stubborn = defineJob({
      name: "stubborn",
      run: ({ job }) => {
        if (job.attempt < 3) throw retryAfter("20d");
        return job.attempt;
      },
    });
    const mill = await open({ jobs: [stubborn] });
    const receipt = await mill.enqueue(stubborn, null);
    expect(receipt.state).toBe("scheduled");
    await mill.advance("20d");
    await mill.advance("20d");
    expect(await receipt.result()).toBe(3);
  });

  test("what expires or was kept long enough goes as time passes", async () => {
    const mill = await open({ jobs: [double] });
    await mill.pause("double");
    const late = await mill.enqueue(double, { n: 1 }, { expiresIn: "1m" });
    await mill.advance("2m");
    expect(await mill.job(late.id)).toMatchObject({
      state: "failed",
      error: { code: "JOB_EXPIRED" },
    });
    await mill.advance("30d");
    expect(await mill.job(late.id)).toBeNull();
  });

  test("what nobody here can run does not hold up the test", async () => {
    const gpu = defineJob({ name: "gpu", labels: ["gpu"], run: () => 1 });
    const mill = await open({ jobs: [double, bill, gpu] });
    expect((await mill.enqueue(bill, { order: "o", card: "c" })).state).toBe("ready");
    expect((await mill.enqueue(gpu, null)).state).toBe("ready");
    await mill.pause("double");
    expect((await mill.enqueue(double, { n: 1 })).state).toBe("ready");
    await mill.resume("double");
    await mill.drain();
    expect((await mill.jobs({ type: "double" })).jobs[0]?.state).toBe("succeeded");
  });

  test("a handler that never ends is named", async () => {
    const endless = defineJob({
      name: "endless",
      grace: 0,
      run: async ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reject(new Error("aborted"));
          });
        }),
    });
    const mill = await open({ jobs: [endless], drainTimeout: "50ms" });
    await expect(mill.enqueue(endless, null)).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
      message: expect.stringContaining("of type endless is still running"),
    });
  });
});

describe("by hand", () => {
  test("nothing runs before it is drained", async () => {
    const mill = await open({ jobs: [double], mode: "manual" });
    const receipt = await mill.enqueue(double, { n: 4 });
    expect(receipt.state).toBe("ready");
    await mill.advance("1h");
    expect(await mill.job(receipt.id)).toMatchObject({ state: "ready" });
    await mill.drain();
    expect(await receipt.result()).toBe(8);
    await mill.drain();
  });
});

describe("assertions on what was enqueued", () => {
  test("find jobs by the fields that matter, and give them", async () => {
    const mill = await open({ jobs: [bill], mode: "manual" });
    const at = new Date("2030-01-01T00:00:00Z");
    await mill.enqueue(bill, { order: "o-1", card: "4111" }, { tags: ["eu", "big"], delay: "1m" });
    await mill.enqueue(bill, { order: "o-2", card: "4222" }, { runAt: at, idempotencyKey: "k" });
    await mill.enqueue(bill, { order: "o-3", card: "4333" }, { idempotencyKey: "k" });
    expect(mill.enqueued).toHaveLength(2);
    mill.assertEnqueued(bill, { count: 2 });
    mill.assertEnqueued(bill, { input: { order: "o-1" }, tags: ["eu"], delayMs: 60_000, count: 1 });
    const [second] = mill.assertEnqueued(bill, { input: { order: "o-2" }, idempotencyKey: "k" });
    expect(second).toMatchObject({ runAtMs: at.getTime(), delayMs: null, queue: "bill" });
    mill.assertNotEnqueued(bill, { input: { order: "o-3" } });
    mill.assertNotEnqueued(double);
  });

  test("that fail list what was enqueued instead", async () => {
    const mill = await open({ jobs: [bill], mode: "manual" });
    await mill.enqueue(bill, { order: "o-1", card: "4111" });
    expect(() => mill.assertEnqueued(bill, { input: { order: "o-9" } })).toThrow(
      /expected at least one job of type bill like .*o-9.*; 0 were enqueued[^]*o-1/,
    );
    expect(() => mill.assertEnqueued(bill, { count: 2 })).toThrow(
      /expected 2 jobs of type bill; 1/,
    );
    expect(() => {
      mill.assertNotEnqueued(bill);
    }).toThrow(/expected 0 jobs/);
  });

  test("do not take a part of a nested value or list for the whole", async () => {
    const tree = defineJob({ name: "tree", input: z.unknown() });
    const mill = await open({ jobs: [tree], mode: "manual" });
    await mill.enqueue(tree, { a: { b: 1, c: 2 }, list: [1, 2] });
    await mill.enqueue(tree, [1, 2]);
    const isEnqueued = (input: unknown): boolean => {
      try {
        return mill.assertEnqueued(tree, { input }).length === 1;
      } catch {
        return false;
      }
    };
    expect(isEnqueued({ a: { b: 1, c: 2 } })).toBe(true);
    expect(isEnqueued({ a: { b: 1 } })).toBe(false);
    expect(isEnqueued({ list: [1] })).toBe(false);
    expect(isEnqueued([1, 2])).toBe(true);
    expect(isEnqueued({ toString: "x" })).toBe(false);
  });
});
