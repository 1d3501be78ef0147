// What C3 does with queues that have limits, with unique jobs and with workflow runs.
import { type Millrace, defineJob, defineWorkflow, retryAfter } from "millrace";
import { z } from "zod";

const input = z.object({ key: z.string() });
const OTHER_QUEUE = "moved-to";

/** Types whose jobs and runs need more scripts than those of plain jobs. */
export type FlowTypes = ReturnType<typeof flowTypes>;

export function flowTypes(number: number) {
  const limited = defineJob({
    name: `limited-${number}`,
    input,
    limits: [{ name: "by-key", key: "key", concurrency: 1, onLimit: "cancel-oldest" }],
    retry: { attempts: 3 },
    run: ({ job }) => {
      if (job.attempt === 1) throw retryAfter("10ms", "busy", { pushBack: "queue" });
    },
  });
  const unique = defineJob({
    name: `unique-${number}`,
    input,
    unique: { by: ["key"] },
    run: () => 1,
  });
  const step = defineJob({ name: `step-${number}`, input, run: () => 2 });
  const flow = defineWorkflow({
    name: `flow-${number}`,
    input,
    run: async ({ step: steps, input: given }) => {
      const made = await steps.job(step, given);
      return [made, await steps.waitForSignal("go")];
    },
  });
  return { limited, unique, step, flow };
}

export async function useFlows(mill: Millrace, types: FlowTypes, round: number): Promise<void> {
  const { limited, unique, step, flow } = types;
  const of = (key: string) => ({ key: `${key}-${round}` });
  const { queue } = limited;
  const run = await mill.enqueue(flow, of("run"));
  await mill.enqueueMany(limited, [of("a"), of("a"), of("b")]);
  await mill.limits({ queue, keys: [{ limit: "by-key", key: of("a").key }] });
  await mill.setLimit(queue, { name: "by-key", concurrency: 2, by: "C3" });
  await mill.resetLimit(queue, { name: "by-key", by: "C3" });
  await Promise.all([1, 2].map(() => mill.enqueue(unique, of("u"), { delay: "50ms" })));
  const moving = await mill.enqueue(step, of("later"), { delay: "1h" });
  await mill.order([moving.id], { kind: "move", queue: OTHER_QUEUE });
  const behind = await mill.enqueue(step, of("later"), { delay: "1h" });
  await mill.why(behind.id);
  await mill.drain(step.queue, { by: "C3" });
  await mill.resume(step.queue, { by: "C3" });
  await mill.runs.signal(run.id, "go");
  await mill.runs.get(run.id);
  await mill.wait(run.id);
}
