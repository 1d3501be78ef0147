// One connection for messages: wake-ups and cancel requests of workers, events of rooms.
import type { Cluster, Redis } from "ioredis";
import { connectSubscriber, loadDriver } from "./connect.ts";
import type { Link } from "./link.ts";
import type { RedisLocation } from "./url.ts";

/** Messages by channel. */
export interface Subscriber {
  subscribe(channel: string, listener: (message: Buffer) => void): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** Every channel that fits a pattern. */
  subscribeAll(
    pattern: string,
    listener: (message: Buffer, channel: string) => void,
  ): Promise<void>;
  unsubscribeAll(pattern: string): Promise<void>;
  /** Called when the connection was lost and made again: messages may be missing. */
  onLoss(listener: () => void): void;
  close(): void;
}

/** Makes a subscriber; its connection is made with the first subscription. A Cluster's client has one of its own. */
export function createSubscriber(link: Link, location: RedisLocation): Subscriber {
  return new RedisSubscriber(link, location);
}

class RedisSubscriber implements Subscriber {
  readonly #link: Link;
  readonly #location: RedisLocation;
  readonly #listeners = new Map<string, (message: Buffer) => void>();
  readonly #patterns = new Map<string, (message: Buffer, channel: string) => void>();
  readonly #lossListeners: (() => void)[] = [];
  #client: Promise<Redis | Cluster> | null = null;

  constructor(link: Link, location: RedisLocation) {
    this.#link = link;
    this.#location = location;
  }

  async subscribe(channel: string, listener: (message: Buffer) => void): Promise<void> {
    this.#listeners.set(channel, listener);
    const client = await this.#connected();
    await this.#link.limit(client.subscribe(channel));
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#listeners.delete(channel);
    await this.#end(async (client) => client.unsubscribe(channel));
  }

  async subscribeAll(
    pattern: string,
    listener: (message: Buffer, channel: string) => void,
  ): Promise<void> {
    this.#patterns.set(pattern, listener);
    const client = await this.#connected();
    await this.#link.limit(client.psubscribe(pattern));
  }

  async unsubscribeAll(pattern: string): Promise<void> {
    this.#patterns.delete(pattern);
    await this.#end(async (client) => client.punsubscribe(pattern));
  }

  onLoss(listener: () => void): void {
    this.#lossListeners.push(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#patterns.clear();
    if (this.#link.isCluster) return;
    void this.#client?.then((client) => client.disconnect());
  }

  #connected(): Promise<Redis | Cluster> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Redis | Cluster> {
    const { isCluster } = this.#link;
    const client = isCluster
      ? this.#link.client
      : connectSubscriber(await loadDriver(), this.#location, "millrace-messages");
    client.on("messageBuffer", (channel: Buffer, message: Buffer) => {
      this.#listeners.get(channel.toString())?.(message);
    });
    client.on("pmessageBuffer", (pattern: Buffer, channel: Buffer, message: Buffer) => {
      this.#patterns.get(pattern.toString())?.(message, channel.toString());
    });
    const tellLoss = (): void => {
      for (const listener of this.#lossListeners) listener();
    };
    // A cluster's client is connected already; the first connection of another is no loss.
    let isConnected = isCluster;
    client.on("ready", () => {
      if (isConnected) tellLoss();
      isConnected = true;
    });
    if (isCluster) client.on("-subscriber", tellLoss);
    return client;
  }

  /** Best effort: whatever still comes finds no listener. */
  async #end(send: (client: Redis | Cluster) => Promise<unknown>): Promise<void> {
    if (this.#client === null) return;
    const client = await this.#client;
    await Promise.race([
      send(client).catch(() => {}),
      new Promise((resolve) => {
        setTimeout(resolve, UNSUBSCRIBE_MS).unref();
      }),
    ]);
  }
}

/** Longest wait for the answer to an unsubscription, on a connection that may be down. */
const UNSUBSCRIBE_MS = 500;
