// From BullMQ to Millrace: the queue, its producers and its workers stay; only what processes it is new.
import { type ConnectionOptions, Queue } from "bullmq";
import { type Logger, defineJob, openMillrace } from "millrace";
import { z } from "zod";

export const sendMail = defineJob({
  // The name in queue.add("send-mail", ...), and the queue in new Queue("mail").
  name: "send-mail",
  queue: "mail",
  input: z.object({ to: z.string() }),
  concurrency: 10,
  retry: { attempts: 5, backoff: "exponential" },
  run: ({ input, log }) => {
    log.info(`mail to ${input.to}`);
    return { sentTo: input.to };
  },
});

/** A producer that knows only BullMQ adds a job, Millrace another; Millrace runs both. */
export async function runBesideBullmq(
  bullmq: { readonly connection: ConnectionOptions; readonly prefix: string },
  store: string,
  logger: Logger,
): Promise<readonly unknown[]> {
  const queue = new Queue("mail", bullmq);
  const old = await queue.add("send-mail", { to: "ada" });
  await using mill = await openMillrace({ store, jobs: [sendMail], logger });
  const receipt = await mill.enqueue(sendMail, { to: "grace" });
  await mill.start();
  const fresh = await receipt.result({ timeout: "30s" });
  // First in, first out: the old producer's job ended, or will in a moment.
  await mill.stop();
  const ended = await queue.getJob(old.id ?? "");
  await queue.close();
  return [ended?.returnvalue, fresh];
}
