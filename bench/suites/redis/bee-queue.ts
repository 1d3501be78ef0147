// The subject `bee-queue`, with what its documentation says makes it fastest: no events, no jobs kept by the producer.
import BeeQueue from "bee-queue";
import { PAYLOAD } from "../../harness/workload.ts";
import type { OpenOptions, RedisQueue, RedisSubject } from "./subject.ts";

const NAME = "work";

function create(url: string, isWorker: boolean, isKept: boolean): BeeQueue {
  return new BeeQueue(NAME, {
    redis: { url },
    isWorker,
    getEvents: false,
    sendEvents: false,
    storeJobs: false,
    removeOnSuccess: !isKept,
  });
}

async function open(url: string, options: OpenOptions = {}): Promise<RedisQueue> {
  const { logger, isKept = false } = options;
  const queue = create(url, true, isKept);
  await queue.ready();
  return {
    async addBulk(count) {
      const jobs = Array.from({ length: count }, () => queue.createJob(PAYLOAD));
      const errors = await queue.saveAll(jobs);
      if (errors.size > 0) throw new Error(`${errors.size} jobs were not saved`);
    },
    add: () => queue.createJob(PAYLOAD).save(),
    async work(concurrency, onJob) {
      queue.process(concurrency, async (job: { id: string; data: unknown }) => {
        logger?.info({ job: job.id }, "job started");
        onJob(job.data);
      });
      if (logger !== undefined) {
        queue.on("succeeded", (job) => logger.info({ job: job.id }, "job succeeded"));
      }
    },
    close: () => queue.close(),
  };
}

export const subject: RedisSubject = {
  open,
  async openProducer(url) {
    const queue = create(url, false, false);
    await queue.ready();
    return { send: (sent) => queue.createJob(sent).save(), close: () => queue.close() };
  },
};
