// What C3 does with queues that have limits, with unique jobs and with workflow runs.
import { setTimeout as sleep } from "node:timers/promises";
import { type Millrace, defineJob, defineWorkflow, isMillraceError, retryAfter } from "millrace";
import { z } from "zod";

const input = z.object({ key: z.string() });
const OTHER_QUEUE = "moved-to";
/** Longer than what is reported waits for the end of a job. */
const SLOW_MS = 1_000;

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
  const slow = defineJob({
    name: `slow-${number}`,
    input,
    run: async ({ progress, signal }) => {
      // Told while it runs, and not only with its end.
      progress(0.5);
      await sleep(SLOW_MS, undefined, { signal });
    },
  });
  const flow = defineWorkflow({
    name: `flow-${number}`,
    input,
    // The scripts of steps that are jobs are to run too.
    quickSteps: false,
    run: async ({ step: steps, input: given }) => {
      const made = await steps.job(step, given);
      return [made, await steps.waitForSignal("go")];
    },
  });
  const local = defineWorkflow({
    name: `local-${number}`,
    input,
    retention: { succeeded: "remove" },
    run: async ({ step: steps }) => [
      await steps.run("one", () => 1),
      await steps.run("two", () => 2),
    ],
  });
  return { limited, unique, step, slow, flow, local };
}

/** Runs of functions alone, which say least while nobody follows: gives whether they have ended. */
export async function useLocal(
  mill: Millrace,
  { local }: FlowTypes,
): Promise<() => Promise<boolean>> {
  const receipts = await mill.enqueueMany(local, [{ key: "a" }, { key: "b" }]);
  return async () => {
    const jobs = await Promise.all(receipts.map(({ id }) => mill.job(id)));
    return jobs.every((job) => job === null);
  };
}

async function refusedBy(enqueueing: Promise<unknown>): Promise<void> {
  const code = await enqueueing.then(
    () => "nothing",
    (error: unknown) => (isMillraceError(error) ? error.code : String(error)),
  );
  if (code !== "QUEUE_DRAINING") throw new Error(`a queue that drains refused by ${code}`);
}

export async function useFlows(mill: Millrace, types: FlowTypes, round: number): Promise<void> {
  const { limited, unique, step, slow, flow } = types;
  const of = (key: string) => ({ key: `${key}-${round}` });
  const { queue } = limited;
  const run = await mill.enqueue(flow, of("run"));
  await mill.enqueueMany(limited, [of("a"), of("a"), of("b")]);
  await mill.limits({ queue, keys: [{ limit: "by-key", key: of("a").key }] });
  await mill.setLimit(queue, { name: "by-key", concurrency: 2, by: "C3" });
  await mill.resetLimit(queue, { name: "by-key", by: "C3" });
  await mill.releaseLimit(queue, { name: "by-key", key: of("a").key });
  await Promise.all([1, 2].map(() => mill.enqueue(unique, of("u"), { delay: "50ms" })));
  const moving = await mill.enqueue(step, of("later"), { delay: "1h", idempotencyKey: `${round}` });
  await mill.order([moving.id], { kind: "move", queue: OTHER_QUEUE });
  const behind = await mill.enqueue(step, of("later"), { delay: "1h" });
  await mill.why(behind.id);
  await mill.pause(slow.queue, { by: "C3" });
  const paused = await mill.enqueue(slow, of("slow"));
  await mill.why(paused.id);
  await mill.resume(slow.queue, { by: "C3" });
  for (const type of [step, unique]) await mill.drain(type.queue, { by: "C3" });
  await refusedBy(mill.enqueue(step, of("no"), { idempotencyKey: `no-${round}` }));
  await refusedBy(mill.enqueue(unique, of("no")));
  for (const type of [step, unique]) await mill.resume(type.queue, { by: "C3" });
  await mill.runs.signal(run.id, "go");
  await mill.runs.get(run.id);
  await mill.wait(run.id);
}
