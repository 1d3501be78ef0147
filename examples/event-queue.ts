// One file that shows every line of a reusable event queue: declare, process, sanitise, drain, follow a job's UUID.
import { setTimeout as sleepFor } from "node:timers/promises";
import { type Logger, createLogger, defineJob, openMillrace, tickOf } from "millrace";
import { z } from "zod";

// Declared once, typed, with its input validated: sendReceipt.input is what enqueue asks for and run gets.
export const sendReceipt = defineJob({
  name: "send-receipt",
  input: z.object({ orderId: z.string(), email: z.email(), card: z.string() }),
  // How its payload is sanitised: masked in every log line, error, event and listing; run sees the real value.
  redact: ["card", "email"],
  // With what concurrency it is processed.
  concurrency: 10,
  retry: { attempts: 5, backoff: "exponential" },
  timeout: "30s",
  // Completed jobs are removed from the store automatically.
  retention: { succeeded: "1h", failed: { age: "14d", count: 10_000 } },
  // How it is processed. Every job has a UUID: job.id, logged at the beginning and the end.
  async run({ input, job, signal, log, progress }) {
    await sleepFor(20, undefined, { signal });
    progress(0.5);
    log.info(`receipt ${job.id} for order ${input.orderId}, paid by ${input.card}`);
    await sleepFor(20, undefined, { signal });
    return { sent: true, receiptId: job.id };
  },
});

export const resizeImage = defineJob({
  name: "resize-image",
  input: z.object({ file: z.string(), width: z.int().min(1).max(10_000) }),
  retention: { succeeded: "remove" },
  run: ({ input }) => ({ file: input.file.replace(/(\.\w+)?$/, `-${input.width}$1`) }),
});

// Jobs on a repeating, cron-like schedule: every weekday at nine, wherever and however often this is deployed.
export const remindOfInvoices = defineJob({
  name: "remind-of-invoices",
  schedule: { cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" },
  run: ({ job, log }) => {
    log.info(`reminders due ${tickOf(job)?.dueAt.toISOString()}`);
  },
});

/** The whole life of a queue, from opening to graceful shutdown. */
export async function runEventQueue(
  store: string,
  logger: Logger,
): Promise<{ readonly sent: boolean; readonly receiptId: string; readonly file: string }> {
  // The store is a URL: the same interface on every one of them. Store errors are logged in one form by this logger.
  await using mill = await openMillrace({
    store,
    logger,
    jobs: [sendReceipt, resizeImage, remindOfInvoices],
  });

  // Enqueue before anything processes: the jobs are kept, each with its UUID.
  const receipt = await mill.enqueue(sendReceipt, {
    orderId: "o-1",
    email: "ada@example.com",
    card: "4111111111111111",
  });
  const image = await mill.enqueue(resizeImage, { file: "cat.png", width: 200 });

  // Begin processing one job type, then all of them.
  await mill.start(sendReceipt);
  const { sent, receiptId } = await receipt.result({ timeout: "30s" });
  await mill.start();
  const { file } = await image.result({ timeout: "30s" });

  // Stop gracefully, one type or all: take nothing new, finish what runs. Leaving the block closes the store.
  await mill.stop(sendReceipt);
  await mill.stop();
  return { sent, receiptId, file };
}

if (import.meta.main) {
  console.log(await runEventQueue("memory:", createLogger()));
}
