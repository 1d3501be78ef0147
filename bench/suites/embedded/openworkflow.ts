// The subject `openworkflow`, on its SQLite backend (WAL and full fsync, as it comes): a run without steps is a job.
// It has no bulk enqueue and no removal of finished runs, so it is measured without either.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
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
} from "../../harness/workload.ts";

const NAME = "work";

function openClient(path: string): { client: OpenWorkflow; backend: BackendSqlite } {
  const backend = BackendSqlite.connect(path);
  return { client: new OpenWorkflow({ backend }), backend };
}

/** It polls, ever more rarely while idle, so a sample can take a second: fewer of them must do. */
const SAMPLES_SHARE = 1 / 12;

function samplesOf(run: Run): number {
  return latencySamples(run) * SAMPLES_SHARE;
}

function openIn(run: Run): { client: OpenWorkflow; backend: BackendSqlite; path: string } {
  const path = join(run.directory, "jobs.db");
  return { ...openClient(path), path };
}

/** A write lock held by the other process reaches its callers as an error; a user would try again, so we do. */
async function untilNotLocked(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("database is locked"))) throw error;
      await sleep(1);
    }
  }
}

async function enqueuePace(run: Run, callers: number): Promise<number> {
  const { client, backend } = openIn(run);
  const enqueue = (): Promise<unknown> => client.runWorkflow({ name: NAME }, PAYLOAD);
  const pace =
    callers === 1 ? paceOf(run, () => enqueue().then(() => 1)) : paceOfCallers(run, enqueue);
  const figure = await pace;
  await backend.stop();
  return figure;
}

async function processPace(run: Run, isLogged: boolean): Promise<number> {
  const { client, backend } = openIn(run);
  // A hundredth of what the others process: it takes as long.
  const counts = run.isQuick ? { warmUp: 20, measured: 120 } : { warmUp: 100, measured: 1_000 };
  const counter = new StartCounter(counts);
  const logger = isLogged ? fileLogger(run) : null;
  client.implementWorkflow({ name: NAME }, ({ run: { id } }) => {
    const startedAt = performance.now();
    logger?.info({ id, type: NAME, attempt: 1 }, "job started");
    counter.count();
    logger?.info({ id, type: NAME, attempt: 1, ms: performance.now() - startedAt }, "job ended");
    return null;
  });
  for (let kept = 0; kept < counts.warmUp + counts.measured; kept += 1) {
    await client.runWorkflow({ name: NAME }, PAYLOAD);
  }
  const worker = client.newWorker({ concurrency: CONCURRENCY });
  await worker.start();
  const pace = await counter.pace;
  await worker.stop();
  await backend.stop();
  return pace;
}

async function latencies(run: Run): Promise<readonly number[]> {
  const { client, backend } = openIn(run);
  let started = Promise.withResolvers<void>();
  client.implementWorkflow({ name: NAME }, () => {
    started.resolve();
    return null;
  });
  const worker = client.newWorker({ concurrency: CONCURRENCY });
  await worker.start();
  const tookMs: number[] = [];
  while (tookMs.length < samplesOf(run)) {
    await sleep(pauseMs());
    started = Promise.withResolvers();
    const startedAt = performance.now();
    await client.runWorkflow({ name: NAME }, PAYLOAD);
    await started.promise;
    tookMs.push(performance.now() - startedAt);
  }
  await worker.stop();
  await backend.stop();
  return tookMs;
}

async function latenciesFromOutside(run: Run): Promise<readonly number[]> {
  const { client, backend, path } = openIn(run);
  const tookMs = await latenciesAcrossProcesses({
    module: new URL(import.meta.url),
    address: path,
    samples: samplesOf(run),
    consume: async (record, signal) => {
      client.implementWorkflow<Sent, null>({ name: NAME }, ({ input }) => {
        record(input);
        return null;
      });
      const worker = client.newWorker({ concurrency: CONCURRENCY });
      await worker.start();
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      await worker.stop();
    },
  });
  await backend.stop();
  return tookMs;
}

export const subject: EmbeddedSubject = {
  async bulkEnqueue(run) {
    const { client, backend } = openIn(run);
    const pace = await paceOf(run, async () => {
      const calls = Array.from({ length: BULK_SIZE }, () =>
        client.runWorkflow({ name: NAME }, PAYLOAD),
      );
      return (await Promise.all(calls)).length;
    });
    await backend.stop();
    return pace;
  },
  enqueue: (run, callers) => enqueuePace(run, callers),
  process: (run, _waiting, { isLogged }) => processPace(run, isLogged),
  async latencies(run) {
    const tookMs = await latencies(run);
    return { p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
  },
  async latencyAcrossProcesses(run) {
    return quantile(await latenciesFromOutside(run), 0.5);
  },
  async openProducer(path) {
    const { client, backend } = openClient(path);
    return {
      send: (sent) => untilNotLocked(() => client.runWorkflow({ name: NAME }, { ...sent })),
      close: () => backend.stop(),
    };
  },
};
