// The store's side of the keeper thread. All stores of a process share one: a thread costs 10 MB and 50 ms to start.
import { type Heartbeat, createHeartbeat } from "../../heartbeat.ts";
import { SharedThread } from "../../shared-thread.ts";
import type { KeeperData, KeeperNotice, KeeperRequest } from "./keeper-protocol.ts";

/** Keeps the leases of one store's workers. */
export interface Keeper {
  attach(worker: {
    readonly id: string;
    readonly leaseMs: number;
    readonly description: string;
  }): Promise<Heartbeat>;
  describe(worker: string, description: string): void;
  join(worker: string, keys: readonly string[]): void;
  /** Resolves when no renewal of this worker will be sent any more. */
  detach(worker: string): Promise<void>;
  close(): Promise<void>;
}

/** What the keeper tells. */
export interface KeeperListener {
  lost(worker: string, reason: string): void;
  cancel(notice: Extract<KeeperNotice, { kind: "cancel" }>): void;
}

const THREAD = new SharedThread<KeeperRequest, Exclude<KeeperNotice, { kind: "answer" }>>(
  new URL(
    import.meta.url.endsWith(".ts") ? "./keeper-thread.ts" : "./keeper-thread.js",
    import.meta.url,
  ),
  "millrace-keeper",
);

/** Makes the keeper of a store; the thread starts with the first worker. */
export function createKeeper(data: KeeperData, listener: KeeperListener): Keeper {
  const thread = THREAD.join(
    (store) => ({ kind: "open", store, data }),
    (news) => {
      if (news.kind === "lost") listener.lost(news.worker, news.reason);
      else listener.cancel(news);
    },
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
    join: (worker, keys) => thread.send({ kind: "join", store, worker, keys }),
    detach: (worker) => thread.tell((call) => ({ kind: "detach", store, worker, call })),
    close: () => thread.close((call) => ({ kind: "close", store, call })),
  };
}
