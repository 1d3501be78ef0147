// Millrace as a developer holds it: enqueue, process, follow, cancel, stop. On the store in memory.
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type AnyJobType, defineJob } from "../core/define-job.ts";
import { fatal, snooze } from "../core/outcomes.ts";
import type { Logger } from "./logging/logger.ts";
import type { EventView, Millrace, MillraceOptions } from "./millrace.ts";
import { openMillrace } from "../millrace/index.ts";

const opened: Millrace[] = [];
async function open(jobs: readonly AnyJobType[], options: MillraceOptions = {}): Promise<Millrace> {
  const mill = await openMillrace({ store: "memory:", logger: false, jobs, ...options });
  opened.push(mill);
  return mill;
}
afterEach(async () => {
  for (const mill of opened.splice(0)) {
    await mill.stop(undefined, { grace: 0 });
    await mill.close();
  }
});

/** A promise and its key: handlers wait on it instead of sleeping. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

const double = defineJob({
  name: "double",
  input: z.object({ n: z.number() }),
  run: ({ input }) => input.n * 2,
});

describe("a job", () => {
  test("gives its typed result to whoever holds the receipt", async () => {
    const mill = await open([double]);
    const receipt = await mill.enqueue(double, { n: 21 });
    await mill.start();
    expect(await receipt.result()).toBe(42);
    expect(await mill.job(receipt.id)).toMatchObject({
      state: "succeeded",
      result: 42,
      attempt: 1,
    });
  });

  test("gives its result also when it is removed at once", async () => {
    const brief = defineJob({
      name: "brief",
      retention: { succeeded: "remove" },
      run: () => "done",
    });
    const mill = await open([brief]);
    await mill.start();
    const receipt = await mill.enqueue(brief, null);
    expect(await receipt.result({ timeout: "30s" })).toBe("done");
    expect(await mill.job(receipt.id)).toBeNull();
  });

  test("that is not known any more rejects whoever waits for it", async () => {
    const mill = await open([double]);
    const receipt = await mill.enqueue(double, { n: 1 });
    await mill.remove([receipt.id]);
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_REMOVED" });
  });

  test("is retried until it succeeds, and its handler sees which attempt it is", async () => {
    const attempts: number[] = [];
    const flaky = defineJob({
      name: "flaky",
      retry: { attempts: 3, backoff: [0, 0] },
      run: ({ job }) => {
        attempts.push(job.attempt);
        if (job.attempt < 3) throw new Error("not yet");
        return job.attempt;
      },
    });
    const mill = await open([flaky]);
    await mill.start();
    expect(await (await mill.enqueue(flaky, null)).result()).toBe(3);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test("fails for good with its error as the cause", async () => {
    const hopeless = defineJob({
      name: "hopeless",
      run: () => {
        throw fatal("no such order");
      },
    });
    const mill = await open([hopeless]);
    await mill.start();
    const receipt = await mill.enqueue(hopeless, null);
    await expect(receipt.result()).rejects.toMatchObject({
      code: "JOB_FAILED",
      cause: { message: "no such order" },
    });
    expect(await mill.job(receipt.id)).toMatchObject({ state: "failed", attempt: 1 });
  });

  test("that snoozes runs again and its try does not count", async () => {
    let runs = 0;
    const sleepy = defineJob({
      name: "sleepy",
      retry: { attempts: 1 },
      run: ({ job }) => {
        runs += 1;
        if (runs === 1) throw snooze("1ms");
        return job.attempt;
      },
    });
    const mill = await open([sleepy]);
    await mill.start();
    expect(await (await mill.enqueue(sleepy, null)).result()).toBe(1);
  });

  test("whose input no longer fits its type fails once, without retries", async () => {
    const before = defineJob({ name: "grown", input: z.object({ a: z.string() }) });
    let runs = 0;
    const after = defineJob({
      name: "grown",
      input: z.object({ a: z.string(), b: z.number() }),
      run: () => {
        runs += 1;
      },
    });
    const { openSqliteStore } = await import("../stores/sqlite/index.ts");
    const store = await openSqliteStore({ path: ":memory:", namespace: "default" });
    const producer = await open([before], { store });
    const receipt = await producer.enqueue(before, { a: "x" });
    const consumer = await open([after], { store });
    await consumer.start();
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(await consumer.job(receipt.id)).toMatchObject({
      error: { code: "INVALID_INPUT" },
      attempt: 1,
    });
    expect(runs).toBe(0);
    await consumer.close();
    await producer.close();
    await store.close();
  });

  test("that takes longer than its timeout is signalled, and fails when no attempt is left", async () => {
    const slow = defineJob({
      name: "slow",
      timeout: "20ms",
      retry: { attempts: 1 },
      run: async ({ signal }) => {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reject(signal.reason as Error);
          });
        });
      },
    });
    const mill = await open([slow]);
    await mill.start();
    const receipt = await mill.enqueue(slow, null);
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(await mill.job(receipt.id)).toMatchObject({ error: { code: "JOB_TIMEOUT" } });
  });

  test("with a result that is circular, or too large, fails clearly and the worker lives on", async () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const results: readonly unknown[] = [circular, "x".repeat(10_000_000), undefined];
    const odd = defineJob({
      name: "odd",
      input: z.number(),
      run: ({ input }) => results[input],
    });
    const mill = await open([odd]);
    await mill.start();
    const receipts = await mill.enqueueMany(odd, [0, 1, 2]);
    const ends = await Promise.allSettled(receipts.map(async (receipt) => receipt.result()));
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    const codes = await Promise.all(
      receipts.map(async ({ id }) => (await mill.job(id))?.error?.code),
    );
    expect(codes).toEqual(["INVALID_OUTPUT", "TOO_LARGE", undefined]);
  });
});

describe("cancelling", () => {
  test("ends a waiting job at once", async () => {
    const mill = await open([double]);
    const receipt = await mill.enqueue(double, { n: 1 });
    await mill.cancel([receipt.id], { reason: "not needed" });
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  });

  test("signals a running job, and refuses its late result when it does not listen", async () => {
    const started = gate();
    const late = gate();
    const deaf = defineJob({
      name: "deaf",
      grace: "10ms",
      run: async () => {
        started.open();
        await late.opened;
        return "late";
      },
    });
    const mill = await open([deaf]);
    await mill.start();
    const receipt = await mill.enqueue(deaf, null);
    await started.opened;
    await mill.cancel([receipt.id], { reason: "enough" });
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    late.open();
    expect(await mill.job(receipt.id)).toMatchObject({ state: "cancelled", result: null });
  });
});

describe("stopping", () => {
  test("finishes what runs and takes nothing new", async () => {
    const started = gate();
    const finish = gate();
    const work = defineJob({
      name: "work",
      concurrency: 1,
      run: async () => {
        started.open();
        await finish.opened;
        return "finished";
      },
    });
    const mill = await open([work]);
    await mill.start();
    const [first, second] = await mill.enqueueMany(work, [1, 2]);
    await started.opened;
    const stopping = mill.stop();
    finish.open();
    await stopping;
    expect(await mill.job(first?.id ?? "")).toMatchObject({ state: "succeeded" });
    expect(await mill.job(second?.id ?? "")).toMatchObject({ state: "ready", attempt: 1 });
  });

  test("gives back what does not end in time, its attempt kept", async () => {
    const started = gate();
    const stubborn = defineJob({
      name: "stubborn",
      grace: 1,
      run: async () => {
        started.open();
        await new Promise(() => {});
      },
    });
    const mill = await open([stubborn]);
    await mill.start();
    const receipt = await mill.enqueue(stubborn, null);
    await started.opened;
    await mill.stop(undefined, { grace: 1 });
    expect(await mill.job(receipt.id)).toMatchObject({ state: "ready", attempt: 1, crashes: 0 });
  });

  test("one job type leaves the others running", async () => {
    const other = defineJob({ name: "other", run: () => "other" });
    const mill = await open([double, other]);
    await mill.start();
    await mill.stop(double);
    const waiting = await mill.enqueue(double, { n: 1 });
    expect(await (await mill.enqueue(other, null)).result()).toBe("other");
    expect(await mill.job(waiting.id)).toMatchObject({ state: "ready" });
    await mill.start(double);
    expect(await waiting.result()).toBe(2);
  });
});

test("what is no job type is refused by its name, in a list and at an enqueue", async () => {
  const refused = { code: "INVALID_ARGUMENT", message: expect.stringContaining("defineJob") };
  const unmade = { name: "unmade", run: () => 1 } as unknown as AnyJobType;
  await expect(open([unmade])).rejects.toMatchObject(refused);
  await expect(open([undefined as unknown as AnyJobType])).rejects.toMatchObject(refused);
  const mill = await open([]);
  await expect(mill.enqueue(unmade, {})).rejects.toMatchObject(refused);
  await expect(mill.enqueue("unmade" as unknown as AnyJobType, {})).rejects.toThrow(/"unmade"/);
});

describe("what is shown", () => {
  const card = "4111-1111-1111-1111";
  const charge = defineJob({
    name: "charge",
    input: z.object({ card: z.string() }),
    redact: ["card"],
    retry: { attempts: 1 },
    run: ({ input, log, progress }) => {
      log.info(`charging ${input.card}`, { card: input.card, note: `card ${input.card}` });
      progress({ card: input.card, of: `the card ${input.card}` });
      throw new Error(`refused: ${input.card}`, { cause: new Error(`no such card ${input.card}`) });
    },
  });

  test("never has a redacted field: not in lines, errors, events, progress or listings", async () => {
    const shown: string[] = [];
    const write = (fields: object, message: string): void => {
      shown.push(message, JSON.stringify(fields));
    };
    const logger: Logger = {
      trace: write,
      debug: write,
      info: write,
      warn: write,
      error: write,
      fatal: write,
    };
    const mill = await open([charge], { logger });
    const events: EventView[] = [];
    await using subscription = await mill.subscribe({}, (event) => events.push(event));
    expect(subscription).toBeDefined();
    await mill.start();
    const receipt = await mill.enqueue(charge, { card });
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
    await expect.poll(() => events.map(({ kind }) => kind)).toContain("failed");
    const everything = JSON.stringify([
      shown,
      events,
      await mill.job(receipt.id),
      await mill.jobs(),
      await mill.logs(receipt.id),
    ]);
    expect(everything).toContain("[redacted]");
    expect(everything).toContain("no such card [redacted]");
    expect(everything).not.toContain(card);
  });

  test("keeps a job's log lines and progress with it", async () => {
    const chatty = defineJob({
      name: "chatty",
      run: ({ log, progress }) => {
        log.info("one");
        log.warn("two", { n: 2 });
        progress(0.5);
      },
    });
    const mill = await open([chatty]);
    await mill.start();
    const receipt = await mill.enqueue(chatty, null);
    await receipt.result();
    const lines = await mill.logs(receipt.id);
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ["info", "one"],
      ["warn", 'two {"n":2}'],
    ]);
    expect(await mill.job(receipt.id)).toMatchObject({ progress: 0.5 });
  });
});

describe("a pause", () => {
  test("keeps a queue's jobs waiting until it is resumed", async () => {
    const mill = await open([double]);
    await mill.pause("double", { by: "me", reason: "maintenance" });
    await mill.start();
    const receipt = await mill.enqueue(double, { n: 2 });
    const [queue] = await mill.queues();
    expect(queue).toMatchObject({ name: "double", paused: { by: "me", reason: "maintenance" } });
    expect(await mill.job(receipt.id)).toMatchObject({ state: "ready" });
    await mill.resume("double");
    expect(await receipt.result()).toBe(4);
  });
});

describe("closing", () => {
  test("can be called twice and at once, and ends every wait", async () => {
    const mill = await open([double]);
    const waiting = (await mill.enqueue(double, { n: 1 })).result();
    await Promise.all([mill.close(), mill.close()]);
    await expect(waiting).rejects.toMatchObject({ code: "STOPPED" });
    await expect(mill.start()).rejects.toMatchObject({ code: "STOPPED" });
  });
});
