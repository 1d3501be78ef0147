// Shows each primary of a Cluster which workers live: a server counts those who listen at it, and no others.
import type { Redis } from "ioredis";
import { connectOnce, loadDriver } from "./connect.ts";
import { type Link, nodesOf } from "./link.ts";
import { presenceChannel } from "../layout.ts";
import type { RedisLocation } from "../url.ts";

/** How often lost connections are made again, new primaries are looked for, and the others are asked for an answer. */
const PULSE_MS = 2_000;
/** Longest that a worker which begins waits to be seen: a primary that is silent sees it later. */
const PATIENCE_MS = 500;

/**
 * Connections on which nothing is ever said: one to each primary, by which all workers of a store listen there. When their
 * process is killed its system closes them, and the primary knows.
 */
export interface Presence {
  /** Resolves when the primaries see the worker, and soon where one does not answer; never rejects. */
  join(worker: string): Promise<void>;
  leave(worker: string): void;
  /** Whether the primary that has these keys sees a worker. */
  isSeen(worker: string, keys: readonly string[]): boolean;
  close(): void;
}

/** Makes the presence of a store's workers; its connections are made with the first of them, on a Cluster only. */
export function createPresence(link: Link, location: RedisLocation): Presence {
  return link.isCluster ? new ClusterPresence(link, location) : NOWHERE;
}

/** One server counts all who listen for messages. */
const NOWHERE: Presence = {
  join: async () => {},
  leave: () => {},
  isSeen: () => false,
  close: () => {},
};

interface Post {
  readonly client: Redis;
  /** Workers that listen here. */
  readonly seen: Set<string>;
}

class ClusterPresence implements Presence {
  readonly #link: Link;
  readonly #location: RedisLocation;
  readonly #workers = new Set<string>();
  /** By the address of the primary. */
  readonly #posts = new Map<string, Post>();
  #pulse: NodeJS.Timeout | null = null;

  constructor(link: Link, location: RedisLocation) {
    this.#link = link;
    this.#location = location;
  }

  async join(worker: string): Promise<void> {
    this.#workers.add(worker);
    this.#pulse ??= setInterval(() => void this.#feel(), PULSE_MS).unref();
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, PATIENCE_MS);
    await Promise.race([this.#feel(), patience.promise]);
    clearTimeout(timer);
  }

  leave(worker: string): void {
    if (!this.#workers.delete(worker)) return;
    if (this.#workers.size === 0) {
      this.close();
      return;
    }
    for (const { client, seen } of this.#posts.values()) {
      if (seen.delete(worker)) client.unsubscribe(presenceChannel(worker)).catch(() => {});
    }
  }

  isSeen(worker: string, keys: readonly string[]): boolean {
    const primary = this.#link.primaryOf(keys);
    return primary !== null && this.#posts.get(primary)?.seen.has(worker) === true;
  }

  close(): void {
    this.#workers.clear();
    if (this.#pulse !== null) clearInterval(this.#pulse);
    this.#pulse = null;
    for (const { client } of this.#posts.values()) client.disconnect();
    this.#posts.clear();
  }

  /** Has a connection to each that is a primary now and to no other, by which every worker listens. */
  async #feel(): Promise<void> {
    const driver = await loadDriver();
    if (this.#workers.size === 0) return;
    const primaries = new Set<string>();
    for (const address of nodesOf(this.#link, "master")) {
      const key = `${address.host}:${address.port}`;
      primaries.add(key);
      if (this.#posts.has(key)) continue;
      const client = connectOnce(driver, this.#location, "millrace-presence", address);
      const post: Post = { client, seen: new Set() };
      this.#posts.set(key, post);
      client.once("end", () => {
        if (this.#posts.get(key) === post) this.#posts.delete(key);
      });
    }
    const listening: Promise<void>[] = [];
    for (const [key, post] of this.#posts) {
      if (!primaries.has(key)) post.client.disconnect();
      else listening.push(this.#listen(post));
    }
    await Promise.all(listening);
  }

  /** Where it fails the worker is not seen, and nobody counts on that it is. */
  async #listen({ client, seen }: Post): Promise<void> {
    const workers = [...this.#workers].filter((worker) => !seen.has(worker));
    try {
      // A connection that does not answer is given up, and made anew by a later look.
      if (workers.length === 0) await client.ping();
      else await client.subscribe(...workers.map(presenceChannel));
      for (const worker of workers) if (this.#workers.has(worker)) seen.add(worker);
    } catch {
      // It was lost, or the server lets this user listen to nothing of the kind.
    }
  }
}
