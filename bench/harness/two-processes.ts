// Latency between two processes: this one consumes, a second one produces at moments that no poll can guess.
import { fork } from "node:child_process";
import { once } from "node:events";

/** What a job of this measurement carries: when it was sent, on the clock that both processes share. */
export interface Sent {
  readonly sentAtMs: number;
}

/** The producing side of a subject: what its module exports as `subject` has `openProducer(address)`. */
export interface Producer {
  send(sent: Sent): Promise<unknown>;
  close(): Promise<unknown>;
}

interface TwoProcesses {
  /** The subject's module, loaded anew in the other process. */
  readonly module: URL;
  /** Path or URL of the store. */
  readonly address: string;
  readonly samples: number;
  /** Consumes until the signal aborts; records each job as it starts. */
  readonly consume: (record: (sent: Sent) => void, signal: AbortSignal) => Promise<void>;
}

/** Samples taken and thrown away first: while code is cold on both sides. */
const WARM_UP_SAMPLES = 10;

/** Milliseconds from before the enqueue in one process to the start of the handler in the other. */
export async function latenciesAcrossProcesses(setup: TwoProcesses): Promise<readonly number[]> {
  const total = setup.samples + WARM_UP_SAMPLES;
  const tookMs: number[] = [];
  const done = new AbortController();
  const consuming = setup.consume(({ sentAtMs }) => {
    tookMs.push(machineNowMs() - sentAtMs);
    if (tookMs.length >= total) done.abort();
  }, done.signal);
  const producer = fork(
    new URL("./producer.ts", import.meta.url),
    [setup.module.href, setup.address, String(total)],
    { execArgv: ["--conditions=millrace-source"] },
  );
  const [exitCode] = (await once(producer, "exit")) as [number | null];
  if (exitCode !== 0) throw new Error(`the producer ended with ${String(exitCode)}`);
  await consuming;
  return tookMs.slice(WARM_UP_SAMPLES);
}

/** Time on the clock that all processes of the machine share, in milliseconds. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Between two latency samples: long enough for a worker to fall idle, and never in step with a poll. */
export function pauseMs(): number {
  return 2 + Math.random() * 8;
}
