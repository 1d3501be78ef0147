// What a job type or an enqueue can say, each seen through Millrace itself, on a store whose time the tests move.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type AnyJobType, defineJob } from "../../core/define-job.ts";
import { MAX_LOG_LINES, MAX_LOG_LINE_LENGTH, MAX_VALUE_BYTES } from "../../core/limits.ts";
import { retryAfter } from "../../core/outcomes.ts";
import type { Store } from "../../core/store.ts";
import { openMillrace } from "../../millrace/index.ts";
import { openSqliteStore } from "../../stores/sqlite/index.ts";
import { type TestClock, createTestClock } from "../../testing/index.ts";
import { silentLogger } from "../logging/logger.ts";
import type { Millrace } from "../millrace.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let clock: TestClock;
let store: Store;
let mill: Millrace;

beforeEach(async () => {
  clock = createTestClock();
  store = await openSqliteStore({ path: ":memory:", namespace: "says", clock });
});
afterEach(async () => {
  await mill.stop(undefined, { grace: 0 });
  await mill.close();
  await store.close();
});

/** Looks often, as a move of the test's clock wakes nobody; and its lease outlasts every move. */
async function open(...jobs: readonly AnyJobType[]): Promise<void> {
  const looks = { pollInterval: "10ms", sweepInterval: "10ms" } as const;
  const worker = { concurrency: 1, leaseDuration: "1d", ...looks } as const;
  mill = await openMillrace({ store, jobs, logger: false, worker });
}

const isKept = async (id: string): Promise<boolean> => (await mill.job(id)) !== null;

const noteIn =
  (set: Set<string>) =>
  (event: { readonly id: string }): void => {
    set.add(event.id);
  };

const neverAnswer = (): Promise<never> => new Promise(() => {});

const echo = defineJob({ name: "echo", input: z.number(), run: ({ input }) => input });

describe("a time to start", () => {
  test.each([
    ["a delay", () => ({ delay: "10m" }) as const],
    ["a date", () => ({ runAt: new Date(clock.now() + 10 * MINUTE_MS) })],
  ])("said by %s holds a job back until then", async (_, options) => {
    await open(echo);
    await mill.start();
    const later = await mill.enqueue(echo, 1, options());
    expect(later.state).toBe("scheduled");
    await (await mill.enqueue(echo, 2)).result();
    expect(await mill.job(later.id)).toMatchObject({ state: "scheduled", startedAt: null });
    clock.advance(10 * MINUTE_MS);
    expect(await later.result({ timeout: "30s" })).toBe(1);
  });

  test("that came too late ends an expired job without running it", async () => {
    const ran: number[] = [];
    const offer = defineJob({
      name: "offer",
      input: z.number(),
      run: ({ input }) => void ran.push(input),
    });
    await open(offer);
    const stale = await mill.enqueue(offer, 1, { expiresIn: "1m" });
    const fresh = await mill.enqueue(offer, 2, { expiresIn: "1h" });
    clock.advance(2 * MINUTE_MS);
    await mill.start();
    await expect(stale.result({ timeout: "30s" })).rejects.toMatchObject({ code: "JOB_FAILED" });
    await fresh.result({ timeout: "30s" });
    expect(await mill.job(stale.id)).toMatchObject({ error: { code: "JOB_EXPIRED" } });
    expect(ran).toEqual([2]);
  });

  test("asked for by retryAfter comes no sooner, and counts as a try", async () => {
    const limited = defineJob({
      name: "limited",
      retry: { attempts: 2 },
      run: ({ job }) => {
        if (job.attempt === 1) throw retryAfter("10m", "429");
        return job.attempt;
      },
    });
    await open(limited, echo);
    await mill.start();
    const receipt = await mill.enqueue(limited, null);
    await expect.poll(async () => (await mill.job(receipt.id))?.state).toBe("scheduled");
    clock.advance(9 * MINUTE_MS);
    await (await mill.enqueue(echo, 1)).result();
    expect(await mill.job(receipt.id)).toMatchObject({ state: "scheduled", attempt: 2 });
    clock.advance(MINUTE_MS);
    expect(await receipt.result({ timeout: "30s" })).toBe(2);
  });
});

describe("priority", () => {
  test("puts a job ahead of those that wait, by a minute a step, and not for ever", async () => {
    const order: number[] = [];
    const ranked = defineJob({
      name: "ranked",
      input: z.number(),
      run: ({ input }) => void order.push(input),
    });
    await open(ranked);
    const receipts = [await mill.enqueue(ranked, 1)];
    clock.advance(4 * MINUTE_MS);
    receipts.push(await mill.enqueue(ranked, 2));
    receipts.push(await mill.enqueue(ranked, 3, { priority: 3 }));
    receipts.push(await mill.enqueue(ranked, 4, { priority: { headStart: "10m" } }));
    receipts.push(await mill.enqueue(ranked, 5, { priority: -1 }));
    await mill.start();
    await Promise.all(receipts.map((receipt) => receipt.result({ timeout: "30s" })));
    // The first has waited for four minutes, which is more than the third's three steps.
    expect(order).toEqual([4, 1, 3, 2, 5]);
  });
});

describe("an idempotency key", () => {
  test("makes one job of many enqueues, also at once, and a new one when its time is over", async () => {
    await open(echo);
    const options = { idempotencyKey: "order-7", idempotencyTtl: "1h" } as const;
    const receipts = await Promise.all([1, 2, 3].map((n) => mill.enqueue(echo, n, options)));
    expect(new Set(receipts.map(({ id }) => id)).size).toBe(1);
    expect(receipts.filter(({ isNew }) => isNew)).toHaveLength(1);
    await mill.start();
    const results = await Promise.all(receipts.map((each) => each.result({ timeout: "30s" })));
    expect(new Set(results).size).toBe(1);
    expect(await mill.enqueue(echo, 4, options)).toMatchObject({ isNew: false });
    clock.advance(HOUR_MS);
    expect(await mill.enqueue(echo, 5, options)).toMatchObject({ isNew: true });
  });
});

describe("a bulk enqueue", () => {
  test("of more than 1,000 keeps every job, in the order of its inputs", async () => {
    await open(echo);
    const inputs = Array.from({ length: 2_500 }, (_, index) => index);
    const receipts = await mill.enqueueMany(echo, inputs);
    expect(new Set(receipts.map(({ id }) => id)).size).toBe(inputs.length);
    expect(await mill.queues()).toMatchObject([{ counts: { ready: inputs.length } }]);
    for (const index of [0, 999, 1_000, 2_499]) {
      expect((await mill.job(receipts[index]?.id ?? ""))?.input).toBe(index);
    }
  });

  test("with one wrong input keeps none", async () => {
    await open(echo);
    const inputs: unknown[] = Array.from({ length: 1_500 }, (_, index) => index);
    inputs[1_400] = "no number";
    const entries = inputs.map((input) => ({ type: "echo", input }));
    await expect(mill.enqueueEntries(entries)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect((await mill.jobs()).jobs).toEqual([]);
  });
});

test("tags find a job again", async () => {
  await open(echo);
  const { id } = await mill.enqueue(echo, 1, { tags: ["customer=7", "urgent"] });
  await mill.enqueue(echo, 2, { tags: ["customer=8"] });
  const { jobs } = await mill.jobs({ tag: "customer=7" });
  expect(jobs).toMatchObject([{ id, tags: ["customer=7", "urgent"] }]);
});

test("an output that does not fit its type fails the job and is not kept", async () => {
  const typed = defineJob({
    name: "typed",
    output: z.object({ total: z.number() }),
    retry: { attempts: 1 },
    run: () => JSON.parse('{"total":"many"}') as { total: number },
  });
  await open(typed);
  await mill.start();
  const receipt = await mill.enqueue(typed, null);
  await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(await mill.job(receipt.id)).toMatchObject({
    error: { code: "INVALID_OUTPUT" },
    result: null,
  });
});

describe("retention", () => {
  const fails = defineJob({
    name: "fails",
    retry: { attempts: 1 },
    retention: { succeeded: "1m", failed: "1h", cancelled: "remove" },
    input: z.boolean(),
    run: ({ input }) => {
      if (input) throw new Error("as asked");
    },
  });
  test("by age is each outcome's own", async () => {
    await open(fails);
    const cancelled = await mill.enqueue(fails, false);
    await mill.cancel([cancelled.id]);
    expect(await isKept(cancelled.id)).toBe(false);
    await mill.start();
    const failed = await mill.enqueue(fails, true);
    const succeeded = await mill.enqueue(fails, false);
    await Promise.allSettled([failed.result(), succeeded.result()]);
    expect([await isKept(failed.id), await isKept(succeeded.id)]).toEqual([true, true]);
    clock.advance(MINUTE_MS + 1);
    await expect.poll(() => isKept(succeeded.id)).toBe(false);
    expect(await isKept(failed.id)).toBe(true);
    clock.advance(HOUR_MS);
    await expect.poll(() => isKept(failed.id)).toBe(false);
  });

  test("by count keeps those that ended last", async () => {
    const few = defineJob({
      name: "few",
      input: z.number(),
      retention: { succeeded: { count: 2 } },
      run: ({ input }) => input,
    });
    await open(few);
    await mill.start();
    for (const n of [1, 2, 3, 4]) {
      await (await mill.enqueue(few, n)).result();
      clock.advance(1);
    }
    await expect
      .poll(async () => (await mill.jobs()).jobs.map(({ input }) => input))
      .toEqual([4, 3]);
  });

  test("removes completed jobs by default, an hour after their end", async () => {
    await open(echo);
    await mill.start();
    const receipt = await mill.enqueue(echo, 1);
    await receipt.result();
    const { finishedAt, removedAfter } = (await mill.job(receipt.id)) ?? {};
    expect(Date.parse(removedAfter ?? "") - Date.parse(finishedAt ?? "")).toBe(HOUR_MS);
    clock.advance(HOUR_MS + 1);
    await expect.poll(() => isKept(receipt.id)).toBe(false);
  });
});

describe("bounds in bytes", () => {
  test("refuse a large input by name, with the bound, and say what to do instead", async () => {
    const text = defineJob({ name: "text", input: z.string() });
    await open(text);
    const fits = "é".repeat((MAX_VALUE_BYTES - 2) / 2);
    expect(await mill.enqueue(text, fits)).toMatchObject({ isNew: true });
    const refused = mill.enqueue(text, `${fits}x`);
    await expect(refused).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(refused).rejects.toThrow(/input.*262145 bytes; at most 262144.*reference/);
  });

  test("leave out a large progress, and the job goes on", async () => {
    const told = defineJob({
      name: "told",
      run: ({ progress }) => {
        progress({ done: 1 });
        progress("x".repeat(5_000));
        return "done";
      },
    });
    await open(told);
    await mill.start();
    const receipt = await mill.enqueue(told, null);
    expect(await receipt.result()).toBe("done");
    expect(await mill.job(receipt.id)).toMatchObject({ progress: { done: 1 } });
  });

  test("cut a long log line, and keep so many of them", async () => {
    const chatty = defineJob({
      name: "chatty",
      run: ({ log }) => {
        log.info("y".repeat(10_000));
        for (let line = 0; line < 2 * MAX_LOG_LINES; line += 1) log.info(`line ${line}`);
      },
    });
    await open(chatty);
    await mill.start();
    const receipt = await mill.enqueue(chatty, null);
    await receipt.result();
    const lines = await mill.logs(receipt.id);
    expect(lines).toHaveLength(MAX_LOG_LINES);
    expect(lines[0]?.message).toHaveLength(MAX_LOG_LINE_LENGTH);
  });
});

test("a subscription follows one job, one type, or all", async () => {
  const other = defineJob({ name: "other", run: () => null });
  await open(echo, other);
  const first = await mill.enqueue(echo, 1);
  const seen = { job: new Set<string>(), type: new Set<string>(), all: new Set<string>() };
  await using ofJob = await mill.subscribe({ id: first.id }, noteIn(seen.job));
  await using ofType = await mill.subscribe({ type: "echo" }, noteIn(seen.type));
  const ofAll = await mill.subscribe({}, noteIn(seen.all));
  expect([ofJob, ofType]).toHaveLength(2);
  const [second, third] = [await mill.enqueue(echo, 2), await mill.enqueue(other, null)];
  await mill.start();
  await Promise.all([first, second, third].map((receipt) => receipt.result()));
  const ids = [first.id, second.id, third.id];
  await expect.poll(() => [...seen.all].sort()).toEqual(ids.toSorted());
  expect([...seen.type].sort()).toEqual([first.id, second.id].sort());
  expect([...seen.job]).toEqual([first.id]);
  await ofAll[Symbol.asyncDispose]();
  seen.all.clear();
  await (await mill.enqueue(echo, 4)).result();
  expect(seen.all.size).toBe(0);
});

describe("a store that fails", () => {
  test("to take the worker leaves it to be started again", async () => {
    let failures = 1;
    const attachWorker: Store["attachWorker"] = async (request) => {
      failures -= 1;
      if (failures >= 0) throw new Error("not now");
      return store.attachWorker(request);
    };
    const flaky: Store = { ...store, attachWorker };
    mill = await openMillrace({ store: flaky, jobs: [echo], logger: false });
    await expect(mill.start()).rejects.toThrow("not now");
    await mill.start();
    expect(await (await mill.enqueue(echo, 7)).result({ timeout: "30s" })).toBe(7);
  });

  test("to answer does not keep a wait from ending in time", async () => {
    const silent: Store = { ...store, get: neverAnswer };
    mill = await openMillrace({ store: silent, jobs: [echo], logger: false });
    const receipt = await mill.enqueue(echo, 1);
    await expect(receipt.result({ timeout: "20ms" })).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
    });
  });
});

test("a push-back on a limit that the type does not have is told, with those that it has", async () => {
  const warned: object[] = [];
  const say = (fields: object, message: string): void => {
    warned.push({ ...fields, message });
  };
  const logger = { ...silentLogger, warn: say, isLevelEnabled: () => true };
  const type = defineJob({
    name: "call",
    limits: [{ name: "customer", key: "customer" }],
    retry: { attempts: 1 },
    run({ input }) {
      throw retryAfter("1s", "429", { pushBack: String(input) });
    },
  });
  mill = await openMillrace({ store, jobs: [type], logger });
  await mill.start();
  const receipts = await mill.enqueueMany(type, ["customer", "custommer"]);
  await Promise.all(receipts.map(({ id }) => mill.wait(id)));
  expect(warned).toMatchObject([
    {
      jobId: receipts[1]?.id,
      message: "pushBack names no limit of the job type: nothing is held",
      pushBack: "custommer",
      expected: ["queue", "customer"],
    },
  ]);
});
