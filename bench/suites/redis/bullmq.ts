// The subject `bullmq`, as its documentation sets it up.
import { Queue, Worker } from "bullmq";
import { PAYLOAD } from "../../harness/workload.ts";
import { RANKS, type OpenOptions, type RedisQueue, type RedisSubject } from "./subject.ts";

const NAME = "work";

async function open(url: string, options: OpenOptions = {}): Promise<RedisQueue> {
  const { logger, isKept = false } = options;
  const connection = { url };
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  const opts = { removeOnComplete: !isKept };
  let worker: Worker | null = null;
  return {
    addBulk: (count, { isRanked } = { isRanked: false }) =>
      queue.addBulk(
        Array.from({ length: count }, (_, index) => ({
          name: NAME,
          data: PAYLOAD,
          opts: isRanked ? { ...opts, priority: 1 + (index % RANKS) } : opts,
        })),
      ),
    add: () => queue.add(NAME, PAYLOAD, opts),
    async work(concurrency, onJob) {
      worker = new Worker(
        NAME,
        async (job) => {
          logger?.info({ job: job.id }, "job started");
          onJob(job.data);
        },
        { connection, concurrency },
      );
      if (logger !== undefined) {
        worker.on("completed", (job) => logger.info({ job: job.id }, "job succeeded"));
      }
      await worker.waitUntilReady();
    },
    async close() {
      await worker?.close();
      await queue.close();
    },
  };
}

export const subject: RedisSubject = {
  open,
  async openProducer(url) {
    const queue = new Queue(NAME, { connection: { url } });
    return {
      send: (sent) => queue.add(NAME, sent, { removeOnComplete: true }),
      close: () => queue.close(),
    };
  },
};
