// The store's side of the keeper thread.
import { type Heartbeat, createHeartbeat } from "../heartbeat.ts";
import { SharedThread } from "../shared-thread.ts";
import type { KeeperData, KeeperNotice, KeeperRequest, KeptJob } from "./keeper-protocol.ts";

/** Keeps the leases of a store's workers. */
export interface Keeper {
  attach(worker: {
    readonly id: string;
    readonly leaseMs: number;
    readonly description: string;
  }): Promise<Heartbeat>;
  describe(worker: string, description: string): void;
  hold(worker: string, jobs: readonly KeptJob[]): void;
  drop(worker: string, tokens: readonly string[]): void;
  /** Resolves when no renewal of this worker will be begun any more. */
  detach(worker: string): Promise<void>;
  close(): Promise<void>;
}

/** BullMQ is large, and takes a while to load. */
const THREAD = new SharedThread<KeeperRequest, Exclude<KeeperNotice, { kind: "answer" }>>(
  new URL(
    import.meta.url.endsWith(".ts") ? "./keeper-thread.ts" : "./keeper-thread.js",
    import.meta.url,
  ),
  "millrace-bullmq-keeper",
);

/** Makes the keeper of a store; the thread starts with the first worker. */
export function createKeeper(
  data: KeeperData,
  onLost: (worker: string, reason: string) => void,
): Keeper {
  const thread = THREAD.join(
    (store) => ({ kind: "open", store, data }),
    ({ worker, reason }) => onLost(worker, reason),
  );
  const { store } = thread;
  return {
    attach: async ({ id: worker, leaseMs, description }) => {
      const own = createHeartbeat();
      const heartbeat = own.buffer;
      const base = { kind: "attach", store, worker, leaseMs, description, heartbeat } as const;
      await thread.ask((call) => ({ ...base, call }));
      return own;
    },
    describe: (worker, description) =>
      thread.send({ kind: "describe", store, worker, description }),
    hold: (worker, jobs) => thread.send({ kind: "hold", store, worker, jobs }),
    drop: (worker, tokens) => thread.send({ kind: "drop", store, worker, tokens }),
    detach: (worker) => thread.tell((call) => ({ kind: "detach", store, worker, call })),
    close: () => thread.close((call) => ({ kind: "close", store, call })),
  };
}
