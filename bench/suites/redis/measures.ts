// The measurements of the suite `redis`, for any subject.
import { fork } from "node:child_process";
import { type Figures, type Run, quantile } from "../../harness/index.ts";
import { type Sent, latenciesAcrossProcesses } from "../../harness/two-processes.ts";
import {
  BULK_SIZE,
  StartCounter,
  fileLogger,
  latencySamples,
  paceOf,
  paceOfCallers,
  processCounts,
} from "../../harness/workload.ts";
import { paceOfProcesses } from "./processes.ts";
import { ServerMeter } from "./server.ts";
import type { RedisQueue, RedisSubject } from "./subject.ts";

/** What a measurement is made of: the subject, its module for other processes, and the run. */
export interface Asked {
  readonly subject: RedisSubject;
  readonly module: URL;
  readonly run: Run;
}

/** Fewer jobs at low concurrency: each takes a round trip or more of its own. */
const SMALLER_AT_LOW_CONCURRENCY = 5;

/** Jobs by which memory is taken: enough for a stable mean in the long form. */
function memoryCount(run: Run): number {
  return run.isQuick ? 20_000 : 200_000;
}

function urlOf(run: Run): string {
  return run.settings["url"] ?? "";
}

/** An empty server, and how it is looked at. */
async function emptied(run: Run): Promise<ServerMeter> {
  const meter = new ServerMeter(urlOf(run));
  await meter.empty();
  return meter;
}

async function fill(queue: RedisQueue, count: number, isRanked = false): Promise<void> {
  for (let added = 0; added < count; added += BULK_SIZE) {
    await queue.addBulk(Math.min(BULK_SIZE, count - added), { isRanked });
  }
}

export async function bulkEnqueue({ subject, run }: Asked): Promise<number> {
  await using _meter = await emptied(run);
  const queue = await subject.open(urlOf(run));
  return paceOf(run, async () => {
    await queue.addBulk(BULK_SIZE);
    return BULK_SIZE;
  });
}

export async function enqueueCallers({ subject, run }: Asked): Promise<number> {
  await using _meter = await emptied(run);
  const queue = await subject.open(urlOf(run));
  return paceOfCallers(run, () => queue.add());
}

/** What processing came to: jobs a second, and what each cost the server from its claim to its end. */
export async function processJobs(
  { subject, run }: Asked,
  concurrency: number,
  options: { readonly isLogged?: boolean; readonly waiting?: number } = {},
): Promise<{ readonly pace: number; readonly cpuUs: number; readonly commands: number }> {
  await using meter = await emptied(run);
  const counts = scaled(processCounts(run), concurrency < 10 ? SMALLER_AT_LOW_CONCURRENCY : 1);
  const queue = await subject.open(
    urlOf(run),
    options.isLogged === true ? { logger: fileLogger(run) } : {},
  );
  const total = counts.warmUp + counts.measured;
  await fill(queue, Math.max(total, options.waiting ?? 0));
  const counter = new StartCounter(counts);
  const before = await meter.read();
  await queue.work(concurrency, counter.count);
  const pace = await counter.pace;
  const after = await meter.read();
  return {
    pace,
    cpuUs: (after.cpuUs - before.cpuUs) / total,
    commands: (after.commands - before.commands) / total,
  };
}

function scaled(
  counts: { readonly warmUp: number; readonly measured: number },
  divisor: number,
): { readonly warmUp: number; readonly measured: number } {
  return { warmUp: counts.warmUp / divisor, measured: counts.measured / divisor };
}

/** The same in several processes: the pace between two counts of all of them together. */
export async function processInProcesses(
  { subject, module, run }: Asked,
  processes: number,
  concurrency: number,
): Promise<number> {
  await using _meter = await emptied(run);
  const { warmUp, measured } = processCounts(run);
  const queue = await subject.open(urlOf(run));
  await fill(queue, (warmUp + measured) * 2);
  return paceOfProcesses(run, {
    start: () =>
      fork(
        new URL("./work-process.ts", import.meta.url),
        [module.href, urlOf(run), String(concurrency)],
        { execArgv: ["--conditions=millrace-source"] },
      ),
    processes,
  });
}

export async function latency({ subject, module, run }: Asked): Promise<Figures> {
  await using _meter = await emptied(run);
  const queue = await subject.open(urlOf(run));
  const tookMs = await latenciesAcrossProcesses({
    module,
    address: urlOf(run),
    samples: latencySamples(run),
    consume: async (record, signal) => {
      await queue.work(1, (payload) => record(payload as Sent));
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  });
  return { "latency-p50": quantile(tookMs, 0.5), "latency-p99": quantile(tookMs, 0.99) };
}

/** Bytes that a waiting job takes. */
export async function memoryWaiting(
  { subject, run }: Asked,
  { isRanked }: { readonly isRanked: boolean },
): Promise<number> {
  await using meter = await emptied(run);
  const queue = await subject.open(urlOf(run));
  // What the first jobs make, beside themselves, belongs to the queue.
  await fill(queue, BULK_SIZE, isRanked);
  const before = await meter.usedMemory();
  await fill(queue, memoryCount(run), isRanked);
  return ((await meter.usedMemory()) - before) / memoryCount(run);
}

/** Bytes that a job takes that has run and is kept. */
export async function memoryKept({ subject, run }: Asked): Promise<number> {
  await using meter = await emptied(run);
  const count = memoryCount(run);
  const queue = await subject.open(urlOf(run), { isKept: true });
  const before = await meter.usedMemory();
  await fill(queue, count);
  const counter = new StartCounter({ warmUp: 1, measured: count - 1 });
  await queue.work(100, counter.count);
  await counter.pace;
  return ((await meter.usedMemory()) - before) / count;
}
