// The subject `millrace`: the product as a user has it.
import { defineJob, openMillrace } from "../../../src/index.ts";
import { BULK_SIZE, PAYLOAD } from "../../harness/workload.ts";
import { RANKS, type OpenOptions, type RedisQueue, type RedisSubject } from "./subject.ts";

let handle = (_payload: unknown): void => {};

async function open(url: string, options: OpenOptions = {}): Promise<RedisQueue> {
  const { logger = false, isKept = false } = options;
  const work = defineJob({
    name: "work",
    ...(isKept ? {} : { retention: { succeeded: "remove" } }),
    run: ({ input }) => handle(input),
  });
  let concurrency = 1;
  const base = { store: url, jobs: [work], logger } as const;
  let mill = await openMillrace(base);
  const bulk = Array.from({ length: BULK_SIZE }, () => PAYLOAD);
  return {
    async addBulk(count, { isRanked } = { isRanked: false }) {
      if (!isRanked) {
        return mill.enqueueMany(work, count === BULK_SIZE ? bulk : bulk.slice(0, count));
      }
      return mill.enqueueMany(work, bulk.slice(0, count), (_, index) => ({
        priority: 1 + (index % RANKS),
      }));
    },
    add: () => mill.enqueue(work, PAYLOAD),
    async work(wanted, onJob) {
      handle = onJob;
      if (wanted !== concurrency) {
        await mill.close();
        concurrency = wanted;
        mill = await openMillrace({ ...base, worker: { concurrency } });
      }
      await mill.start();
    },
    close: () => mill.close(),
  };
}

export const subject: RedisSubject = {
  open,
  async openProducer(url) {
    const work = defineJob({ name: "work", retention: { succeeded: "remove" }, run: () => {} });
    const mill = await openMillrace({ store: url, jobs: [work], logger: false });
    return { send: (sent) => mill.enqueue(work, sent), close: () => mill.close() };
  },
};
