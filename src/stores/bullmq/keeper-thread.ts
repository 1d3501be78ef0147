// The keeper: a thread that renews leases and BullMQ's locks, so that a handler that blocks the loop does not lose them.
import { parentPort } from "node:worker_threads";
import { clockReader } from "../clock.ts";
import { watchHeartbeat } from "../heartbeat.ts";
import { loadDriver } from "./driver.ts";
import {
  type KeeperData,
  type KeeperNotice,
  type KeeperRequest,
  type KeptJob,
  leaseCommands,
} from "./keeper-protocol.ts";
import { type Keys, keysOf } from "./keys.ts";
import { type Link, openLink } from "./link.ts";

/** Renewals in a lease: two may fail. */
const RENEWALS = 3;
/** How often deadlines of silent loops are looked at, at most and at least. */
const LONGEST_TICK_MS = 250;
const SHORTEST_TICK_MS = 10;
/** Looks at a loop that must find it late: half a second for a process that was stopped as a whole to speak first. */
const LATE_LOOKS = 3;

interface KeptStore {
  readonly number: number;
  readonly data: KeeperData;
  readonly keys: Keys;
  readonly nowMs: () => number;
  readonly workers: Map<string, Kept>;
  /** Opened with the first worker. */
  link: Promise<Link> | null;
}

interface Kept {
  readonly store: KeptStore;
  readonly worker: string;
  readonly leaseMs: number;
  description: string;
  readonly isSilent: () => boolean;
  /** By token. */
  readonly jobs: Map<string, KeptJob>;
  nextRenewalMs: number;
  isRenewing: boolean;
  readonly timer: NodeJS.Timeout;
}

const port = parentPort;
if (port === null) throw new Error("this module is the body of a worker thread");
const stores = new Map<number, KeptStore>();
const tell = (notice: KeeperNotice): void => port.postMessage(notice);
const answer = (call: number): void => tell({ kind: "answer", call, failure: null });

function linkOf(store: KeptStore): Promise<Link> {
  store.link ??= loadDriver()
    .then((driver) => openLink(driver, store.data.location, store.keys))
    .catch((error: unknown) => {
      // The next turn tries again.
      store.link = null;
      throw error;
    });
  return store.link;
}

port.on("message", (request: KeeperRequest) => {
  if (request.kind === "open") {
    const { store: number, data } = request;
    const keys = keysOf(data.location.prefix, data.namespace);
    const nowMs = clockReader(data.clock);
    stores.set(number, { number, data, keys, nowMs, workers: new Map(), link: null });
    return;
  }
  const store = stores.get(request.store);
  if (store === undefined) return;
  if (request.kind === "attach") void attach(store, request);
  else if (request.kind === "close") {
    for (const kept of store.workers.values()) forget(kept);
    stores.delete(store.number);
    store.link?.then((link) => link.close()).catch(() => {});
    answer(request.call);
  } else hear(store.workers.get(request.worker), request);
});

function hear(
  kept: Kept | undefined,
  request: Exclude<KeeperRequest, { kind: "open" | "close" | "attach" }>,
): void {
  switch (request.kind) {
    case "describe":
      if (kept === undefined) return;
      kept.description = request.description;
      kept.nextRenewalMs = 0;
      return;
    case "hold":
      for (const job of request.jobs) kept?.jobs.set(job.token, job);
      return;
    case "drop":
      for (const token of request.tokens) kept?.jobs.delete(token);
      return;
    case "detach":
      if (kept !== undefined) forget(kept);
      answer(request.call);
  }
}

async function attach(
  store: KeptStore,
  request: Extract<KeeperRequest, { kind: "attach" }>,
): Promise<void> {
  const { worker, leaseMs, description, call } = request;
  try {
    const open = await linkOf(store);
    await open.read(leaseCommands(store.keys, worker, store.nowMs() + leaseMs, description));
  } catch (error) {
    tell({ kind: "answer", call, failure: String(error) });
    return;
  }
  const tickMs = Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, leaseMs / 20));
  const kept: Kept = {
    store,
    worker,
    leaseMs,
    description,
    isSilent: watchHeartbeat(request.heartbeat, LATE_LOOKS),
    jobs: new Map(),
    nextRenewalMs: performance.now() + leaseMs / RENEWALS,
    isRenewing: false,
    timer: setInterval(() => tick(kept), tickMs),
  };
  store.workers.set(worker, kept);
  answer(call);
}

function forget(kept: Kept): void {
  clearInterval(kept.timer);
  kept.store.workers.delete(kept.worker);
}

function tick(kept: Kept): void {
  if (kept.isSilent()) {
    void letGo(kept);
    return;
  }
  const at = performance.now();
  if (kept.isRenewing || at < kept.nextRenewalMs) return;
  kept.isRenewing = true;
  // Jitter, so that the keepers of a fleet that started together do not come together.
  kept.nextRenewalMs = at + (kept.leaseMs / RENEWALS) * (0.8 + Math.random() * 0.2);
  void renew(kept)
    .catch(() => {})
    .finally(() => {
      kept.isRenewing = false;
    });
}

/** Renews the lease unless it ended, and then the locks of what is held. */
async function renew(kept: Kept): Promise<void> {
  const { store, worker, leaseMs } = kept;
  const { keys, workers } = store;
  const open = await linkOf(store);
  const isAlive = await open.guard("renew", async (turn) => {
    const [score] = await turn.watch([keys.leases], [["ZSCORE", keys.leases, worker]]);
    if (!workers.has(worker)) return true;
    if (score === null) return false;
    const commands = leaseCommands(keys, worker, store.nowMs() + leaseMs, kept.description);
    return turn.commit((writes) => {
      for (const command of commands) writes.add(...command);
    }, true);
  });
  if (!workers.has(worker)) return;
  if (!isAlive) {
    forget(kept);
    const reason = "the lease ended before it was renewed, and others took the jobs";
    tell({ kind: "lost", store: store.number, worker, reason });
    return;
  }
  const byQueue = Map.groupBy(kept.jobs.values(), ({ queue }) => queue);
  await open.run("renew", async (peer) => {
    for (const [queue, jobs] of byQueue) {
      await peer.backend(queue).extendLocks(
        jobs.map(({ bullId }) => bullId),
        jobs.map(({ token }) => token),
        leaseMs,
      );
    }
  });
}

/** Ends the lease on purpose: others may take the jobs at once. */
async function letGo(kept: Kept): Promise<void> {
  forget(kept);
  const reason = "the event loop was silent beyond the deadline of a job that it runs";
  const { store, worker } = kept;
  tell({ kind: "lost", store: store.number, worker, reason });
  try {
    const open = await linkOf(store);
    // The next sweep finds jobs that run without a lease.
    await open.read([
      ["ZREM", store.keys.leases, worker],
      ["HDEL", store.keys.workers, worker],
    ]);
  } catch {
    // It ends by itself.
  }
}
