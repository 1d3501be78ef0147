// The store's side of the keeper thread. All stores of a process share one: a thread costs 10 MB and 50 ms to start.
import { Worker } from "node:worker_threads";
import { MillraceError } from "../../core/errors.ts";
import {
  type KeeperData,
  type KeeperNotice,
  type KeeperRequest,
  PULSE_BEAT,
  PULSE_DEADLINE,
  sharedNowMs,
} from "./keeper-protocol.ts";

/** Keeps the leases of one store's workers. */
export interface Keeper {
  attach(worker: {
    readonly id: string;
    readonly leaseMs: number;
    readonly description: string;
  }): Promise<Pulse>;
  describe(worker: string, description: string): void;
  join(worker: string, keys: readonly string[]): void;
  /** Resolves when no renewal of this worker will be sent any more. */
  detach(worker: string): Promise<void>;
  close(): Promise<void>;
}

/** A worker's sign of life. */
interface Pulse {
  beat(deadlineInMs: number | null): void;
}

/** What the keeper tells. */
export interface KeeperListener {
  lost(worker: string, reason: string): void;
  cancel(notice: Extract<KeeperNotice, { kind: "cancel" }>): void;
}

/** How long the thread outlives its last store: a process that opens one after the other starts one thread. */
const LINGER_MS = 2_000;

interface Thread {
  readonly worker: Worker;
  readonly listeners: Map<number, KeeperListener>;
  readonly waiting: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
}

let shared: Thread | null = null;
let ending: NodeJS.Timeout | null = null;
let stores = 0;
let calls = 0;

/** Makes the keeper of a store; the thread starts with the first worker. */
export function createKeeper(data: KeeperData, listener: KeeperListener): Keeper {
  stores += 1;
  const store = stores;
  let isOpen = false;
  const thread = (): Thread => {
    if (ending !== null) clearTimeout(ending);
    ending = null;
    shared ??= startThread();
    if (!isOpen) {
      isOpen = true;
      shared.listeners.set(store, listener);
      shared.worker.postMessage({ kind: "open", store, data } satisfies KeeperRequest);
    }
    return shared;
  };
  return {
    attach: async ({ id: worker, leaseMs, description }) => {
      const memory = new SharedArrayBuffer(16);
      const base = { kind: "attach", store, worker, leaseMs, description, pulse: memory } as const;
      await ask(thread(), (call) => ({ ...base, call }));
      return pulseOf(memory);
    },
    describe: (worker, description) => {
      thread().worker.postMessage({
        kind: "describe",
        store,
        worker,
        description,
      } satisfies KeeperRequest);
    },
    join: (worker, keys) => {
      thread().worker.postMessage({ kind: "join", store, worker, keys } satisfies KeeperRequest);
    },
    detach: async (worker) => {
      if (isOpen) await ask(thread(), (call) => ({ kind: "detach", store, worker, call }));
    },
    close: async () => {
      if (!isOpen || shared === null) return;
      isOpen = false;
      const current = shared;
      await ask(current, (call) => ({ kind: "close", store, call }));
      current.listeners.delete(store);
      if (current.listeners.size > 0) return;
      ending = setTimeout(() => {
        if (shared?.listeners.size !== 0) return;
        const last = shared;
        shared = null;
        void last.worker.terminate();
      }, LINGER_MS);
      ending.unref();
    },
  };
}

function startThread(): Thread {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./keeper-thread.${extension}`, import.meta.url), {
    name: "millrace-keeper",
  });
  const thread: Thread = { worker, listeners: new Map(), waiting: new Map() };
  worker.unref();
  worker.on("message", (notice: KeeperNotice) => {
    if (notice.kind === "lost") {
      thread.listeners.get(notice.store)?.lost(notice.worker, notice.reason);
    } else if (notice.kind === "cancel") {
      thread.listeners.get(notice.store)?.cancel(notice);
    } else settle(thread, notice.call, notice.failure);
  });
  worker.on("error", (error) => {
    if (shared === thread) shared = null;
    for (const call of thread.waiting.keys()) settle(thread, call, error.message);
  });
  return thread;
}

function ask(thread: Thread, request: (call: number) => KeeperRequest): Promise<void> {
  calls += 1;
  const call = calls;
  return new Promise((resolve, reject) => {
    thread.waiting.set(call, { resolve, reject });
    thread.worker.postMessage(request(call));
  });
}

function settle(thread: Thread, call: number, failure: string | null): void {
  const entry = thread.waiting.get(call);
  thread.waiting.delete(call);
  if (failure === null) entry?.resolve();
  else
    entry?.reject(new MillraceError("STORE_FAILED", { message: `the lease keeper: ${failure}` }));
}

function pulseOf(memory: SharedArrayBuffer): Pulse {
  const pulse = new BigInt64Array(memory);
  return {
    beat: (deadlineInMs) => {
      const nowMs = sharedNowMs();
      Atomics.store(pulse, PULSE_BEAT, nowMs);
      const deadlineMs = deadlineInMs === null ? 0n : nowMs + BigInt(Math.ceil(deadlineInMs));
      Atomics.store(pulse, PULSE_DEADLINE, deadlineMs);
    },
  };
}
