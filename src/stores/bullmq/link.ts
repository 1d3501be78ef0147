// Connections on which BullMQ's scripts run: one that calls share, and a few for changes that are guarded.
import type { IRedisTransaction, RedisQueueBackend } from "bullmq";
import { MillraceError } from "../../core/errors.ts";
import { DEFAULT_MAX_CRASHES } from "../../core/limits.ts";
import type { ChainableCommander, Redis } from "../redis/link/connect.ts";
import { type Deadlines, createDeadlines } from "../redis/link/deadlines.ts";
import { judge, toStoreError } from "../redis/link/failures.ts";
import { type Driver, dial } from "./driver.ts";
import type { Keys } from "./keys.ts";
import { preload, versionOf } from "./preload.ts";
import { type BullmqLocation, describeBullmqLocation } from "./url.ts";

/** One connection, and BullMQ on it. */
export interface Peer {
  readonly client: Redis;
  readonly bullmqVersion: string;
  /** BullMQ's own operations on a queue. Locks that they set last `lockMs`. */
  backend(queue: string, lockMs?: number): RedisQueueBackend;
  multi(): Multi;
  close(): void;
}

/** A transaction that takes plain commands and BullMQ's scripts. */
type Multi = ChainableCommander & IRedisTransaction;

/** One command as it is sent. */
export type Sent = readonly [name: string, ...args: (string | number | Buffer)[]];

/** What is written in one act. */
export interface Writes {
  /** A plain command. */
  add(...command: Sent): void;
  /** One of BullMQ's scripts. */
  script(backend: RedisQueueBackend, name: string, args: readonly unknown[]): void;
  /** A job added by BullMQ. */
  job(act: (multi: IRedisTransaction) => Promise<unknown>): void;
  /** What takes back a plain command, should the act be carried out in part. */
  undo(...command: Sent): void;
}

/** A guarded change: what is watched must not change before it is committed. */
export interface Turn {
  readonly peer: Peer;
  /** Whether the same was tried before on a connection that was lost: it may have been carried out. */
  readonly isRepeated: boolean;
  /** Watches keys and reads, in one round trip. */
  watch(keys: readonly string[], reads: readonly Sent[]): Promise<readonly unknown[]>;
  read(reads: readonly Sent[]): Promise<readonly unknown[]>;
  /** Writes in one act, or begins the change anew where something watched has changed. */
  commit<Value>(write: (writes: Writes) => void, value: Value): Promise<Value>;
}

/** The connections of an open store. */
export interface Link {
  readonly keys: Keys;
  readonly driver: Driver;
  readonly location: BullmqLocation;
  /** Calls that may be repeated, on the shared connection. */
  run<Value>(what: string, act: (peer: Peer) => Promise<Value>): Promise<Value>;
  read(reads: readonly Sent[]): Promise<readonly unknown[]>;
  /** A change that is decided by what was read: `act` is begun anew as often as another comes in between. */
  guard<Value>(what: string, act: (turn: Turn) => Promise<Value>): Promise<Value>;
  close(): void;
}

/** Connections for guarded changes: watching is a matter of a whole connection. */
const GUARDED_CONNECTIONS = 4;
/** How often a change is begun anew because another came first. */
const MAX_CONFLICTS = 100;
/** Longest wait before a change is begun anew. */
const CONFLICT_PAUSE_MS = 10;
/** Longest wait before a lost connection is made again. */
const RECONNECT_PAUSE_MS = 200;
const DEFAULT_DEADLINE_MS = 10_000;
/** BullMQ's default, for what claims nothing. */
const DEFAULT_LOCK_MS = 30_000;
/** BullMQ's look for jobs that its own workers lost: its default interval, and as many losses as Millrace allows. */
const STALLED = { stalledInterval: 30_000, maxStalledCount: DEFAULT_MAX_CRASHES } as const;

const CONFLICT = Symbol("another came first");

/** Opens the connections, and waits until the first works. */
export async function openLink(
  driver: Driver,
  location: BullmqLocation,
  keys: Keys,
  deadlineMs: number = DEFAULT_DEADLINE_MS,
): Promise<Link> {
  const link = new BullmqLink(driver, location, keys, deadlineMs);
  try {
    await link.read([["PING"]]);
  } catch (error) {
    link.close();
    throw new MillraceError("STORE_FAILED", {
      message: `no connection to ${describeBullmqLocation(location)} within ${deadlineMs} ms: ${error instanceof Error ? error.message : String(error)}. Check the address, the credentials and that the server runs`,
      cause: error,
    });
  }
  return link;
}

/** Where a guarded change finds its connection. */
interface Place {
  peer: Promise<Peer> | null;
}

class BullmqLink implements Link {
  readonly driver: Driver;
  readonly location: BullmqLocation;
  readonly keys: Keys;
  readonly #deadlineMs: number;
  readonly #deadlines: Deadlines = createDeadlines(() => performance.now());
  readonly #idle: Place[] = [];
  readonly #queue: ((place: Place) => void)[] = [];
  readonly #open = new Set<Peer>();
  #guarded = 0;
  #shared: Promise<Peer> | null = null;
  #isClosed = false;

  constructor(driver: Driver, location: BullmqLocation, keys: Keys, deadlineMs: number) {
    this.driver = driver;
    this.location = location;
    this.keys = keys;
    this.#deadlineMs = deadlineMs;
  }

  read(reads: readonly Sent[]): Promise<readonly unknown[]> {
    return this.run(reads[0]?.[0] ?? "read", ({ client }) => pipeline(client, reads));
  }

  run<Value>(what: string, act: (peer: Peer) => Promise<Value>): Promise<Value> {
    return this.#attempt(what, async () => {
      const shared = (this.#shared ??= this.#connect());
      try {
        return await act(await shared);
      } catch (error) {
        if (isOver(error) && this.#shared === shared) {
          this.#shared = null;
          this.#drop(shared);
        }
        throw error;
      }
    });
  }

  guard<Value>(what: string, act: (turn: Turn) => Promise<Value>): Promise<Value> {
    return this.#attempt(what, async (isRepeated) => {
      const place = await this.#take();
      const peer = (place.peer ??= this.#connect());
      try {
        const connected = await peer;
        return await this.#turns(what, () => new GuardedTurn(connected, isRepeated), act);
      } catch (error) {
        if (isOver(error)) {
          place.peer = null;
          this.#drop(peer);
        }
        throw error;
      } finally {
        this.#giveBack(place);
      }
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadlines.close();
    for (const peer of this.#open) peer.close();
  }

  async #turns<Value>(
    what: string,
    begin: () => GuardedTurn,
    act: (turn: Turn) => Promise<Value>,
  ): Promise<Value> {
    for (let tries = 0; tries < MAX_CONFLICTS; tries += 1) {
      const turn = begin();
      try {
        return await act(turn);
      } catch (error) {
        if (error !== CONFLICT) throw error;
        await pause(Math.random() * CONFLICT_PAUSE_MS);
      } finally {
        if (turn.isWatching) await turn.peer.client.unwatch().catch(() => {});
      }
    }
    throw new MillraceError("STORE_BUSY", {
      message: `${what}: others change the same all the time; try again`,
    });
  }

  #take(): Promise<Place> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    if (this.#guarded < GUARDED_CONNECTIONS) {
      this.#guarded += 1;
      return Promise.resolve({ peer: null });
    }
    return new Promise((resolve) => {
      this.#queue.push(resolve);
    });
  }

  #giveBack(place: Place): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#idle.push(place);
    else next(place);
  }

  async #connect(): Promise<Peer> {
    const { driver, location, keys } = this;
    const client = await dial(driver, location.redis, keys.queues, "millrace-bullmq");
    const peer = await createPeer(driver, client, keys);
    if (this.#isClosed) {
      peer.close();
      throw new MillraceError("STORE_CLOSED");
    }
    this.#open.add(peer);
    return peer;
  }

  #drop(dropped: Promise<Peer>): void {
    const end = async (): Promise<void> => {
      const peer = await dropped;
      this.#open.delete(peer);
      peer.close();
    };
    // One that never came to be has nothing to close.
    end().catch(() => {});
  }

  /** Tries until it works, an error does not pass, or the deadline comes. */
  async #attempt<Value>(
    what: string,
    act: (isRepeated: boolean) => Promise<Value>,
  ): Promise<Value> {
    const endAtMs = performance.now() + this.#deadlineMs;
    for (let tries = 0; ; tries += 1) {
      if (this.#isClosed) throw new MillraceError("STORE_CLOSED");
      try {
        return await this.#deadlines.limit(act(tries > 0), endAtMs);
      } catch (error) {
        if (this.#isClosed) throw new MillraceError("STORE_CLOSED", { cause: error });
        const verdict = judge(error);
        const isPassing = verdict === "again" || verdict === "no-script";
        if (error instanceof MillraceError || !isPassing || performance.now() >= endAtMs) {
          throw toStoreError(error, verdict, what);
        }
        await pause(Math.random() * RECONNECT_PAUSE_MS);
      }
    }
  }
}

/** Whether a connection is of no more use after an error: it is lost, or leads to another server than it should. */
function isOver(error: unknown): boolean {
  if (error instanceof MillraceError) return false;
  const verdict = judge(error);
  return verdict === "again" || verdict === "no-script";
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

/** Sends commands in one round trip; the first error is thrown. */
export async function pipeline(
  client: Redis,
  commands: readonly Sent[],
): Promise<readonly unknown[]> {
  if (commands.length === 0) return [];
  const sent = client.pipeline();
  for (const [name, ...args] of commands) sent.call(name, ...args);
  const replies = (await sent.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

async function createPeer({ bullmq }: Driver, client: Redis, { prefix }: Keys): Promise<Peer> {
  const connection = new bullmq.RedisConnection(client, {
    shared: true,
    blocking: false,
    skipVersionCheck: true,
  });
  connection.on("error", () => {});
  // BullMQ defines its scripts on the client once it is ready.
  await connection.client;
  await preload(client);
  const wrapped = bullmq.createIORedisClient<Redis>(client);
  const names = new bullmq.QueueKeys(prefix);
  const backends = new Map<string, RedisQueueBackend>();
  return {
    client,
    bullmqVersion: versionOf(client),
    backend: (queue, lockMs = DEFAULT_LOCK_MS) => {
      const id = `${lockMs}:${queue}`;
      let backend = backends.get(id);
      if (backend === undefined) {
        backend = new bullmq.RedisQueueBackend(
          connection,
          queue,
          names.getKeys(queue),
          (type) => names.toKey(queue, type),
          // A worker's options, which BullMQ's scripts are given from here.
          { prefix, lockDuration: lockMs, ...STALLED } as never,
          undefined,
          false,
        );
        backends.set(id, backend);
      }
      return backend;
    },
    multi: () => wrapped.multi() as Multi,
    close: () => client.disconnect(),
  };
}

class GuardedTurn implements Turn {
  readonly peer: Peer;
  readonly isRepeated: boolean;
  isWatching = false;

  constructor(peer: Peer, isRepeated: boolean) {
    this.peer = peer;
    this.isRepeated = isRepeated;
  }

  async watch(keys: readonly string[], reads: readonly Sent[]): Promise<readonly unknown[]> {
    if (keys.length === 0) return this.read(reads);
    this.isWatching = true;
    const replies = await pipeline(this.peer.client, [["WATCH", ...keys], ...reads]);
    return replies.slice(1);
  }

  read(reads: readonly Sent[]): Promise<readonly unknown[]> {
    return pipeline(this.peer.client, reads);
  }

  async commit<Value>(write: (writes: Writes) => void, value: Value): Promise<Value> {
    const undo: Sent[] = [];
    const multi = this.peer.multi();
    const adding: Promise<unknown>[] = [];
    write({
      add: (name, ...args) => void multi.call(name, ...args),
      script: (backend, name, args) => void backend.execCommand(multi, name, [...args]),
      job: (act) => void adding.push(act(multi)),
      undo: (...command) => void undo.push(command),
    });
    await Promise.all(adding);
    const replies = await multi.exec();
    if (replies === null) {
      this.isWatching = false;
      throw CONFLICT;
    }
    this.isWatching = false;
    for (const [error, reply] of replies) {
      if (error === null && !(typeof reply === "number" && reply < 0)) continue;
      if (judge(error) === "no-script") await pipeline(this.peer.client, undo);
      throw error ?? refusal(reply as number);
    }
    return value;
  }
}

/** BullMQ's scripts tell by a negative number why they did nothing. */
function refusal(code: number): MillraceError {
  return new MillraceError("STORE_FAILED", {
    message: `BullMQ refused to move a job (code ${code}): it belongs to a job scheduler, or waits for children`,
  });
}
