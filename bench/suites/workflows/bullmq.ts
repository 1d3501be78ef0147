// The subject `bullmq`: flows, in which a parent waits for its children.
import { type FlowJob, FlowProducer, Worker } from "bullmq";
import type { Run } from "../../harness/index.ts";
import { CONCURRENCY, StartCounter, paceOfFanOuts, processCounts } from "../../harness/workload.ts";
import type { WorkflowSubject } from "./subject.ts";

const QUEUE = "flow";
const opts = { removeOnComplete: true };

function connectionOf(run: Run): { readonly url: string } {
  return { url: run.settings["url"] ?? "" };
}

function jobOf(name: string, children: readonly FlowJob[] = []): FlowJob {
  return { name, queueName: QUEUE, data: 1, opts, children: [...children] };
}

/** Flows a second, all added before the clock starts. */
async function paceOfFlows(run: Run, flow: () => FlowJob): Promise<number> {
  const counts = processCounts(run);
  const connection = connectionOf(run);
  const producer = new FlowProducer({ connection });
  const total = counts.warmUp + counts.measured;
  for (let added = 0; added < total; added += CONCURRENCY) {
    await producer.addBulk(
      Array.from({ length: Math.min(CONCURRENCY, total - added) }, () => flow()),
    );
  }
  const counter = new StartCounter(counts);
  const worker = new Worker(
    QUEUE,
    async (job) => {
      if (job.name === "root") counter.count();
    },
    { connection, concurrency: CONCURRENCY },
  );
  const pace = await counter.pace;
  await worker.close();
  await producer.close();
  return pace;
}

export const subject: WorkflowSubject = {
  twoStep: (run) => paceOfFlows(run, () => jobOf("root", [jobOf("first")])),
  async fanOut(run, _keeper, count) {
    const connection = connectionOf(run);
    const producer = new FlowProducer({ connection });
    let done = Promise.withResolvers<void>();
    const worker = new Worker(
      QUEUE,
      async (job) => {
        if (job.name === "root") done.resolve();
      },
      { connection, concurrency: CONCURRENCY },
    );
    const once = async (): Promise<void> => {
      done = Promise.withResolvers();
      const children = Array.from({ length: count }, () => jobOf("child"));
      await producer.add(jobOf("root", children));
      await done.promise;
    };
    const pace = await paceOfFanOuts(run, count, once);
    await worker.close();
    await producer.close();
    return pace;
  },
};
