// The order that makes failed jobs ready again: how fast it goes, and how long it holds up other work at a time.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type AnyJobType, defineJob, fatal, openMillrace, orderAll } from "../../../src/index.ts";
import type { Figures, Run } from "../../harness/index.ts";
import { BULK_SIZE, PAYLOAD } from "../../harness/workload.ts";

/** Failed jobs that one order makes ready again. */
const FAILED = { quick: 5_000, long: 100_000 } as const;
/** Tries at once while they are made to fail. */
const FAILING_AT_ONCE = 500;
/** How long the probe runs beside nothing, so that what the machine does by itself is known. */
const IDLE_MS = { quick: 500, long: 3_000 } as const;

/** What the probe says: the longest of its rounds since it was last asked, in milliseconds. */
export interface Longest {
  readonly longestMs: number;
  readonly rounds: number;
}

/** Pace of the order, and the longest round of a probe: a job enqueued, claimed and settled by another process. */
export async function bulkRetry(store: string, run: Run): Promise<Figures> {
  const namespace = `flow-${process.pid}`;
  const count = run.isQuick ? FAILED.quick : FAILED.long;
  const failing = failingJob(count);
  const { work } = failing;
  await makeFail(store, namespace, failing);
  await using mill = await openMillrace({ store, namespace, jobs: [work], logger: false });
  const probe = await startProbe(store, namespace);
  try {
    await askProbe(probe);
    await sleep(run.isQuick ? IDLE_MS.quick : IDLE_MS.long);
    const idle = await askProbe(probe);
    const startedAt = performance.now();
    let changed = 0;
    const order = { select: { states: ["failed"] }, order: { kind: "retry" } } as const;
    for await (const totals of orderAll(mill, order)) changed = totals.changed;
    const tookMs = performance.now() - startedAt;
    const beside = await askProbe(probe);
    if (changed !== count) throw new Error(`${changed} of ${count} jobs were made ready again`);
    return {
      "bulk-retry": (count / tookMs) * 1_000,
      "bulk-retry-hold-up": beside.longestMs,
      "bulk-retry-hold-up-idle": idle.longestMs,
    };
  } finally {
    if (probe.child.connected) {
      const ended = once(probe.child, "exit");
      probe.child.disconnect();
      await ended;
    }
  }
}

interface Failing {
  readonly work: AnyJobType;
  readonly count: number;
  /** All had their try. */
  readonly haveFailed: Promise<void>;
}

/** A type whose jobs fail for good, all of which are kept. */
function failingJob(count: number): Failing {
  const failed = Promise.withResolvers<void>();
  let tries = 0;
  const work = defineJob({
    name: "work",
    retention: { failed: { age: "1d", count } },
    run: () => {
      tries += 1;
      if (tries === count) failed.resolve();
      throw fatal("the service it needs is away");
    },
  });
  return { work, count, haveFailed: failed.promise };
}

async function makeFail(store: string, namespace: string, failing: Failing): Promise<void> {
  const { work, count, haveFailed } = failing;
  await using mill = await openMillrace({
    store,
    namespace,
    jobs: [work],
    logger: false,
    worker: { concurrency: FAILING_AT_ONCE },
  });
  for (let kept = 0; kept < count; kept += BULK_SIZE) {
    await mill.enqueueMany(
      work,
      Array.from({ length: BULK_SIZE }, () => PAYLOAD),
    );
  }
  await mill.start();
  await haveFailed;
  await mill.stop();
}

/** The probe, and what it wrote to its standard error. */
interface Probe {
  readonly child: ChildProcess;
  readonly wrote: readonly string[];
}

async function startProbe(store: string, namespace: string): Promise<Probe> {
  const program = new URL("./probe.ts", import.meta.url);
  const execArgv = ["--conditions=millrace-source"];
  const probe = fork(program, [store, namespace], {
    execArgv,
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  const wrote: string[] = [];
  probe.stderr?.setEncoding("utf8").on("data", (text: string) => wrote.push(text));
  await heard({ child: probe, wrote });
  return { child: probe, wrote };
}

/** The next word of the probe. Rejects with what it wrote, should it end instead. */
async function heard({ child, wrote }: Probe): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onClose = (): void =>
    reject(new Error(`the probe ended by itself (${child.exitCode}): ${wrote.join("").trim()}`));
  child.once("message", resolve).once("close", onClose);
  // It may have ended while nobody listened.
  if (child.exitCode !== null) onClose();
  try {
    return await promise;
  } finally {
    child.off("message", resolve).off("close", onClose);
  }
}

async function askProbe(probe: Probe): Promise<Longest> {
  const told = heard(probe);
  if (probe.child.connected) probe.child.send("longest");
  return (await told) as Longest;
}
