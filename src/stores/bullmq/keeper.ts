// The store's side of the keeper thread.
import { Worker } from "node:worker_threads";
import { MillraceError } from "../../core/errors.ts";
import {
  type KeeperData,
  type KeeperNotice,
  type KeeperRequest,
  type KeptJob,
  PULSE_DEADLINE,
  sharedNowMs,
} from "./keeper-protocol.ts";

/** Keeps the leases of a store's workers. */
export interface Keeper {
  attach(worker: {
    readonly id: string;
    readonly leaseMs: number;
    readonly description: string;
  }): Promise<(deadlineInMs: number | null) => void>;
  describe(worker: string, description: string): void;
  hold(worker: string, jobs: readonly KeptJob[]): void;
  drop(worker: string, tokens: readonly string[]): void;
  /** Resolves when no renewal of this worker will be begun any more. */
  detach(worker: string): Promise<void>;
  close(): Promise<void>;
}

/** How long the thread outlives its last store: a process that opens one after the other starts one thread. */
const LINGER_MS = 2_000;

interface Thread {
  readonly worker: Worker;
  readonly listeners: Map<number, (worker: string, reason: string) => void>;
  readonly waiting: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
}

/** All stores of a process share one thread: BullMQ is large, and takes a while to load. */
let shared: Thread | null = null;
let ending: NodeJS.Timeout | null = null;
let stores = 0;
let calls = 0;

/** Makes the keeper of a store; the thread starts with the first worker. */
export function createKeeper(
  data: KeeperData,
  onLost: (worker: string, reason: string) => void,
): Keeper {
  stores += 1;
  const store = stores;
  let opened: Thread | null = null;
  const send = (request: KeeperRequest): void => opened?.worker.postMessage(request);
  return {
    attach: async ({ id: worker, leaseMs, description }) => {
      if (opened === null || opened !== shared) {
        opened = takeThread();
        opened.listeners.set(store, onLost);
        send({ kind: "open", store, data });
      }
      const pulse = new SharedArrayBuffer(8);
      const base = { kind: "attach", store, worker, leaseMs, description, pulse } as const;
      await ask(opened, (call) => ({ ...base, call }));
      const places = new BigInt64Array(pulse);
      return (deadlineInMs) => {
        const inMs = deadlineInMs === null ? null : BigInt(Math.ceil(deadlineInMs));
        Atomics.store(places, PULSE_DEADLINE, inMs === null ? 0n : sharedNowMs() + inMs);
      };
    },
    describe: (worker, description) => send({ kind: "describe", store, worker, description }),
    hold: (worker, jobs) => send({ kind: "hold", store, worker, jobs }),
    drop: (worker, tokens) => send({ kind: "drop", store, worker, tokens }),
    detach: async (worker) => {
      if (opened !== null) await ask(opened, (call) => ({ kind: "detach", store, worker, call }));
    },
    close: async () => {
      const thread = opened;
      opened = null;
      if (thread === null) return;
      await ask(thread, (call) => ({ kind: "close", store, call }));
      thread.listeners.delete(store);
      endUnused(thread);
    },
  };
}

function takeThread(): Thread {
  if (ending !== null) clearTimeout(ending);
  ending = null;
  shared ??= startThread();
  return shared;
}

function endUnused(thread: Thread): void {
  if (thread.listeners.size > 0) return;
  ending = setTimeout(() => {
    if (thread.listeners.size > 0) return;
    if (shared === thread) shared = null;
    void thread.worker.terminate();
  }, LINGER_MS);
  ending.unref();
}

function startThread(): Thread {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./keeper-thread.${extension}`, import.meta.url), {
    name: "millrace-bullmq-keeper",
  });
  const thread: Thread = { worker, listeners: new Map(), waiting: new Map() };
  worker.unref();
  worker.on("message", (notice: KeeperNotice) => {
    if (notice.kind === "answer") settle(thread, notice.call, notice.failure);
    else thread.listeners.get(notice.store)?.(notice.worker, notice.reason);
  });
  worker.on("error", (error) => {
    if (shared === thread) shared = null;
    for (const call of thread.waiting.keys()) settle(thread, call, error.message);
  });
  return thread;
}

function ask(thread: Thread, make: (call: number) => KeeperRequest): Promise<void> {
  calls += 1;
  const call = calls;
  return new Promise((resolve, reject) => {
    thread.waiting.set(call, { resolve, reject });
    thread.worker.postMessage(make(call));
  });
}

function settle(thread: Thread, call: number, failure: string | null): void {
  const entry = thread.waiting.get(call);
  thread.waiting.delete(call);
  if (failure === null) entry?.resolve();
  else
    entry?.reject(new MillraceError("STORE_FAILED", { message: `the lease keeper: ${failure}` }));
}
