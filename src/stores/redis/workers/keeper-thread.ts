// The keeper: a thread that renews workers' leases, so that a handler that blocks the loop does not lose them.
import { parentPort } from "node:worker_threads";
import { watchHeartbeat } from "../../heartbeat.ts";
import type { KeeperData, KeeperNotice, KeeperRequest } from "./keeper-protocol.ts";
import { type Link, openLink } from "../link/link.ts";
import { END_LEASE, RENEW_LEASE } from "../scripts/upkeep.ts";
import { JOIN_DIRECTORY, LEAVE_DIRECTORY } from "../scripts/workers.ts";
import { Arguments } from "../link/wire.ts";

/** Renewals in a lease: two may fail. */
const RENEWALS = 3;
/** How often deadlines of silent loops are looked at, at most and at least. */
const LONGEST_TICK_MS = 250;
const SHORTEST_TICK_MS = 10;
/** Looks at a loop that must find it late: half a second for a process that was stopped as a whole to speak first. */
const LATE_LOOKS = 3;
/** How long a worker that was let go is remembered as gone, so that it can't come back under its old claims. */
const REMEMBER_GONE_MS = 3_600_000;
const CALL_DEADLINE_MS = 10_000;

interface KeptStore {
  readonly number: number;
  readonly data: KeeperData;
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
  readonly rooms: Map<string, readonly string[]>;
  nextRenewalMs: number;
  /** What is being renewed: the directory, or a room by its first key. */
  readonly underWay: Set<string>;
  timer: NodeJS.Timeout;
}

const port = parentPort;
if (port === null) throw new Error("this module is the body of a worker thread");
const stores = new Map<number, KeptStore>();
const tell = (notice: KeeperNotice): void => port.postMessage(notice);
const answer = (call: number, failure: string | null = null): void =>
  tell({ kind: "answer", call, failure });

port.on("message", (request: KeeperRequest) => {
  if (request.kind === "open") {
    const { store: number, data } = request;
    stores.set(number, { number, data, workers: new Map(), link: null });
    return;
  }
  const store = stores.get(request.store);
  if (store === undefined) return;
  if (request.kind === "attach") attach(store, request);
  else if (request.kind === "close") {
    for (const worker of store.workers.keys()) detach(store, worker);
    stores.delete(store.number);
    store.link?.then((link) => link.close()).catch(() => {});
    answer(request.call);
  } else if (request.kind === "detach") {
    detach(store, request.worker);
    answer(request.call);
  } else {
    const entry = store.workers.get(request.worker);
    if (entry === undefined) return;
    if (request.kind === "describe") describe(entry, request.description);
    else join(entry, request.keys);
  }
});

function linkOf(store: KeptStore): Promise<Link> {
  const { location, clock } = store.data;
  store.link ??= openLink({
    location,
    clock,
    replicas: 0,
    deadlineMs: CALL_DEADLINE_MS,
    connectionName: "millrace-keeper",
  }).catch((error: unknown) => {
    // The next turn tries again.
    store.link = null;
    throw error;
  });
  return store.link;
}

function attach(store: KeptStore, request: Extract<KeeperRequest, { kind: "attach" }>): void {
  const tickMs = Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, request.leaseMs / 20));
  const entry: Kept = {
    store,
    worker: request.worker,
    leaseMs: request.leaseMs,
    description: request.description,
    isSilent: watchHeartbeat(request.heartbeat, LATE_LOOKS),
    rooms: new Map(),
    nextRenewalMs: performance.now() + request.leaseMs / RENEWALS,
    underWay: new Set(),
    timer: setInterval(() => tick(entry), tickMs),
  };
  store.workers.set(request.worker, entry);
  linkOf(store)
    .then((link) => joinDirectory(link, entry))
    .then(
      () => answer(request.call),
      (error: unknown) => {
        detach(store, request.worker);
        answer(request.call, String(error));
      },
    );
}

/** What the directory says of a worker changed: the next renewal would tell it, this one does at once. */
function describe(entry: Kept, description: string): void {
  entry.description = description;
  linkOf(entry.store)
    .then((link) => joinDirectory(link, entry))
    .catch(() => {});
}

function join(entry: Kept, keys: readonly string[]): void {
  const name = keys[0];
  if (name === undefined || entry.rooms.has(name)) return;
  entry.rooms.set(name, keys);
  linkOf(entry.store)
    .then((link) => renewRoom(link, entry, keys))
    .catch(() => {});
}

function detach(store: KeptStore, worker: string): void {
  const entry = store.workers.get(worker);
  if (entry === undefined) return;
  clearInterval(entry.timer);
  store.workers.delete(worker);
}

function isKept({ store, worker }: Kept): boolean {
  return store.workers.has(worker);
}

function tick(entry: Kept): void {
  const nowMs = performance.now();
  if (entry.isSilent()) {
    letGo(entry);
    return;
  }
  if (nowMs < entry.nextRenewalMs) return;
  // Jitter, so that the keepers of a fleet that started together do not come together.
  entry.nextRenewalMs = nowMs + (entry.leaseMs / RENEWALS) * (0.8 + Math.random() * 0.2);
  void renew(entry);
}

const DIRECTORY = "";

/**
 * Renews what can be reached, each on its own: a room whose primary is away holds no other up, and is tried again at a
 * turn after its call has ended.
 */
async function renew(entry: Kept): Promise<void> {
  try {
    const link = await linkOf(entry.store);
    renewOnce(entry, DIRECTORY, () => joinDirectory(link, entry));
    for (const [name, keys] of entry.rooms) {
      renewOnce(entry, name, () => renewRoom(link, entry, keys));
    }
  } catch {
    // No connection yet: the next turn tries again.
  }
}

function renewOnce({ underWay }: Kept, what: string, act: () => Promise<void>): void {
  if (underWay.has(what)) return;
  underWay.add(what);
  act()
    .catch(() => {})
    .finally(() => underWay.delete(what));
}

async function joinDirectory(link: Link, entry: Kept): Promise<void> {
  if (!isKept(entry)) return;
  const args = new Arguments().text(entry.worker).number(entry.leaseMs).text(entry.description);
  const { workerKeys } = entry.store.data.directory;
  const reply = await link.call(JOIN_DIRECTORY, workerKeys, args, { deadlineMs: entry.leaseMs });
  if (reply[0] === 0) tellLost(entry, ENDED);
}

const ENDED = "the lease ended before it was renewed, and others took the jobs";

function tellLost(entry: Kept, reason: string): void {
  if (!isKept(entry)) return;
  const { store, worker } = entry;
  detach(store, worker);
  tell({ kind: "lost", store: store.number, worker, reason });
}

async function renewRoom(link: Link, entry: Kept, keys: readonly string[]): Promise<void> {
  if (!isKept(entry)) return;
  const args = new Arguments().text(entry.worker).number(entry.leaseMs);
  const reply = await link.call(RENEW_LEASE, keys, args, { deadlineMs: entry.leaseMs });
  if (reply[0] === 0) {
    tellLost(entry, ENDED);
    return;
  }
  const requests: { id: Uint8Array; reason: string }[] = [];
  for (let at = 1; at + 1 < reply.length; at += 2) {
    requests.push({ id: reply[at] as Buffer, reason: String(reply[at + 1]) });
  }
  if (requests.length === 0 || !isKept(entry)) return;
  const { store, worker } = entry;
  tell({ kind: "cancel", store: store.number, worker, room: keys[0] ?? "", requests });
}

/** Ends the lease on purpose: others may take the jobs at once. */
function letGo(entry: Kept): void {
  const { store, worker, rooms } = entry;
  tellLost(entry, "the event loop was silent beyond the deadline of a job that it runs");
  linkOf(store)
    .then((link) =>
      Promise.allSettled([
        link.call(LEAVE_DIRECTORY, store.data.directory.workerKeys, new Arguments().text(worker)),
        ...[...rooms.values()].map((keys) =>
          link.call(
            END_LEASE,
            keys,
            new Arguments().text(worker).number(REMEMBER_GONE_MS).text("0"),
          ),
        ),
      ]),
    )
    .catch(() => {});
}
