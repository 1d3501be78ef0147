// The subject `millrace`: the product as a user has it, validation, leases, events and all.
import { type Millrace, defineJob, openMillrace } from "../../../src/index.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { type Run, quantile } from "../../harness/index.ts";
import type { EmbeddedSubject } from "./subject.ts";
import { type Sent, latenciesAcrossProcesses, pauseMs } from "../../harness/two-processes.ts";
import {
  BULK_SIZE,
  CONCURRENCY,
  PAYLOAD,
  StartCounter,
  fileLogger,
  latencySamples,
  paceOf,
  paceOfCallers,
  processCounts,
} from "../../harness/workload.ts";
import { copySeed } from "./seed.ts";

/** Jobs that wait, and what processing is measured on. */
const work = defineJob({ name: "work", retention: { succeeded: "remove" }, run: () => onStart() });
/** Nothing waits here, so that latency is not waiting time. */
const idle = defineJob({
  name: "idle",
  retention: { succeeded: "remove" },
  run: ({ input }) => onSent(input as Sent),
});

let onStart = (): void => {};
let onSent = (_sent: Sent): void => {};

interface OpenOptions {
  readonly isLogged?: boolean;
}

async function openAt(
  path: string,
  run?: Run,
  { isLogged = false }: OpenOptions = {},
): Promise<Millrace> {
  return openMillrace({
    store: `sqlite:${path}`,
    jobs: [work, idle],
    logger: isLogged && run !== undefined ? fileLogger(run) : false,
    worker: { concurrency: CONCURRENCY },
  });
}

async function seed(run: Run, waiting: number): Promise<string> {
  return copySeed(run, `millrace-${waiting}`, async (path) => {
    await using mill = await openAt(path);
    const bulk = Array.from({ length: BULK_SIZE }, () => PAYLOAD);
    for (let kept = 0; kept < waiting; kept += BULK_SIZE) await mill.enqueueMany(work, bulk);
  });
}

async function processPace(run: Run, waiting: number, isLogged: boolean): Promise<number> {
  const counts = processCounts(run);
  const path = await seed(run, Math.max(waiting, counts.warmUp + counts.measured));
  await using mill = await openAt(path, run, { isLogged });
  const counter = new StartCounter(counts);
  onStart = counter.count;
  await mill.start(work);
  const pace = await counter.pace;
  await mill.stop();
  return pace;
}

async function latencies(run: Run, waiting: number): Promise<readonly number[]> {
  await using mill = await openAt(await seed(run, waiting));
  await mill.start(idle);
  const tookMs: number[] = [];
  while (tookMs.length < latencySamples(run)) {
    await sleep(pauseMs());
    const started = Promise.withResolvers<void>();
    onSent = () => started.resolve();
    const startedAt = performance.now();
    const receipt = mill.enqueue(idle, PAYLOAD);
    await started.promise;
    tookMs.push(performance.now() - startedAt);
    await receipt;
  }
  return tookMs;
}

export const subject: EmbeddedSubject = {
  async bulkEnqueue(run, waiting) {
    await using mill = await openAt(await seed(run, waiting));
    const bulk = Array.from({ length: BULK_SIZE }, () => PAYLOAD);
    return await paceOf(run, async () => (await mill.enqueueMany(work, bulk)).length);
  },
  async enqueue(run, callers, waiting) {
    await using mill = await openAt(await seed(run, waiting));
    const enqueue = (): Promise<unknown> => mill.enqueue(work, PAYLOAD);
    return await (callers === 1
      ? paceOf(run, () => enqueue().then(() => 1))
      : paceOfCallers(run, enqueue));
  },
  process: (run, waiting, { isLogged }) => processPace(run, waiting, isLogged),
  async latencies(run, waiting) {
    const tookMs = await latencies(run, waiting);
    return { p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
  },
  async latencyAcrossProcesses(run, waiting) {
    const path = await seed(run, waiting);
    await using mill = await openAt(path);
    const tookMs = await latenciesAcrossProcesses({
      module: new URL(import.meta.url),
      address: path,
      samples: latencySamples(run),
      consume: async (record, signal) => {
        onSent = record;
        await mill.start(idle);
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    });
    return quantile(tookMs, 0.5);
  },
  async openProducer(path) {
    const mill = await openAt(path);
    return {
      send: (sent) => mill.enqueue(idle, sent),
      close: () => mill.close(),
    };
  },
};
