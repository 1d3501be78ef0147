// What a developer of an event-driven job asks of one interface, bullet by bullet.
import { type Logger, MillraceError, defineJob, openMillrace } from "millrace";
import { openTestMillrace } from "millrace/testing";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import {
  remindOfInvoices,
  resizeImage,
  runEventQueue,
  sendReceipt,
} from "../../examples/event-queue.ts";

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function recordLines(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields: { ...fields }, message });
    };
  const logger: Logger = {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    fatal: at("fatal"),
  };
  return { logger, lines };
}

const INPUT = { orderId: "o-7", email: "ada@example.com", card: "4111111111111111" };

test("the sample runs, from opening to graceful shutdown", async () => {
  const { logger, lines } = recordLines();
  expect(await runEventQueue("memory:", logger)).toMatchObject({ sent: true, file: "cat-200.png" });
  expect(lines.map(({ message }) => message)).toContain("job succeeded");
});

test("declare it, typed, with its input validated", async () => {
  await using mill = await openMillrace({ store: "memory:", jobs: [sendReceipt], logger: false });
  await expect(
    mill.enqueue(sendReceipt, { ...INPUT, email: "not an address" }),
  ).rejects.toMatchObject({ code: "INVALID_INPUT" });
  // @ts-expect-error -- the input is typed: an order needs its id
  await expect(mill.enqueue(sendReceipt, { email: "a@b.cd" })).rejects.toThrow("orderId");
});

test("say how it is processed, and with what concurrency", async () => {
  let running = 0;
  let most = 0;
  const narrow = defineJob({
    name: "narrow",
    concurrency: 2,
    run: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    },
  });
  await using mill = await openMillrace({ store: "memory:", jobs: [narrow], logger: false });
  const receipts = await mill.enqueueMany(
    narrow,
    Array.from({ length: 20 }, () => ({})),
  );
  await mill.start();
  await Promise.all(receipts.map((receipt) => receipt.result()));
  expect(most).toBe(2);
});

test("say how its payload is sanitised for logs", async () => {
  const { logger, lines } = recordLines();
  await using mill = await openMillrace({ store: "memory:", jobs: [sendReceipt], logger });
  await mill.start();
  const receipt = await mill.enqueue(sendReceipt, INPUT);
  await receipt.result();
  const everything = JSON.stringify([
    lines,
    await mill.job(receipt.id),
    await mill.logs(receipt.id),
  ]);
  expect(everything).toContain("o-7");
  expect(everything).not.toContain(INPUT.card);
  expect(everything).not.toContain(INPUT.email);
});

test("begin processing, and stop gracefully before shutdown, for all job types or for one", async () => {
  const started = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const slow = defineJob({
    name: "slow",
    run: async () => {
      started.resolve();
      await finish.promise;
      return "finished";
    },
  });
  await using mill = await openMillrace({
    store: "memory:",
    jobs: [slow, resizeImage],
    logger: false,
  });
  const running = await mill.enqueue(slow, {});
  await mill.start();
  await started.promise;
  const stopping = mill.stop(slow);
  const late = await mill.enqueue(slow, {});
  const other = await mill.enqueue(resizeImage, { file: "a.png", width: 10 });
  expect(await other.result({ timeout: "30s" })).toEqual({ file: "a-10.png" });
  finish.resolve();
  await stopping;
  expect(await running.result()).toBe("finished");
  expect((await mill.job(late.id))?.state).toBe("ready");
  await mill.stop();
});

test("have every queue-level and store-level error logged automatically, in one consistent form", async () => {
  const { logger, lines } = recordLines();
  const mill = await openMillrace({ store: "memory:", jobs: [resizeImage], logger });
  await mill.close();
  await expect(mill.queues()).rejects.toBeInstanceOf(MillraceError);
  await expect(mill.enqueue(resizeImage, { file: "a.png", width: 10 })).rejects.toBeInstanceOf(
    MillraceError,
  );
  const told = lines.filter(({ level }) => level === "error");
  expect(told.length).toBeGreaterThan(0);
  for (const { fields, message } of told) {
    expect(message).toBe("store error");
    expect(fields).toMatchObject({
      op: expect.any(String) as string,
      error: { code: expect.stringMatching(/^STORE_/) as string },
    });
  }
});

test("have completed jobs removed from the store automatically", async () => {
  await using mill = await openMillrace({ store: "memory:", jobs: [resizeImage], logger: false });
  await mill.start();
  const receipt = await mill.enqueue(resizeImage, { file: "a.png", width: 10 });
  await receipt.result();
  await vi.waitFor(async () => expect(await mill.job(receipt.id)).toBeNull(), 30_000);
});

test("have a UUID made for every job, logged at beginning and end, and handed to the processing function", async () => {
  const { logger, lines } = recordLines();
  const seen: string[] = [];
  const told = defineJob({
    name: "told",
    input: z.object({}),
    run: ({ job }) => {
      seen.push(job.id);
    },
  });
  await using mill = await openMillrace({ store: "memory:", jobs: [told], logger });
  await mill.start();
  const receipt = await mill.enqueue(told, {});
  const { id } = receipt;
  await receipt.result();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(seen).toEqual([id]);
  const about = lines.filter(({ fields }) => fields["jobId"] === id).map(({ message }) => message);
  expect(about).toEqual(["job started", "job succeeded"]);
});

test("create jobs on a repeating, cron-like schedule through that same interface", async () => {
  const { logger, lines } = recordLines();
  await using mill = await openTestMillrace({ jobs: [remindOfInvoices], logger });
  const due = await mill.schedules.preview("remind-of-invoices", { count: 5 });
  for (const { dueAt } of due) await mill.advance(Date.parse(dueAt) - mill.clock.now() + 1_000);
  mill.assertEnqueued(remindOfInvoices, { count: 5 });
  const told = lines.map(({ message }) => message).filter((line) => line.startsWith("reminders"));
  expect(told).toEqual(due.map(({ dueAt }) => `reminders due ${dueAt}`));
});
