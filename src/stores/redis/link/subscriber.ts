// One connection for messages: wake-ups and cancel requests of workers, events of rooms.
import type { Redis } from "ioredis";
import { MillraceError } from "../../../core/errors.ts";
import { connectSubscriber, loadDriver } from "./connect.ts";
import { type Link, nodesOf } from "./link.ts";
import type { Address, RedisLocation } from "../url.ts";

/**
 * How often the connection is asked whether it lives: messages that do not come say nothing. One that is silent is made
 * anew a connection's longest silence later, and on a Cluster by another node.
 */
const PULSE_MS = 2_000;

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

/** Makes a subscriber; its connection is made with the first subscription. */
export function createSubscriber(link: Link, location: RedisLocation): Subscriber {
  return new RedisSubscriber(link, location);
}

class RedisSubscriber implements Subscriber {
  readonly #link: Link;
  readonly #location: RedisLocation;
  readonly #listeners = new Map<string, (message: Buffer) => void>();
  readonly #patterns = new Map<string, (message: Buffer, channel: string) => void>();
  readonly #lossListeners: (() => void)[] = [];
  #client: Promise<Redis> | null = null;
  #pulse: NodeJS.Timeout | null = null;
  #isClosed = false;

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
    this.#isClosed = true;
    this.#listeners.clear();
    this.#patterns.clear();
    if (this.#pulse !== null) clearInterval(this.#pulse);
    void this.#client?.then((client) => client.disconnect()).catch(() => {});
  }

  #connected(): Promise<Redis> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Redis> {
    const driver = await loadDriver();
    if (this.#isClosed) throw new MillraceError("STORE_CLOSED");
    const nodes = (): readonly Address[] => nodesOf(this.#link, "all");
    const client = connectSubscriber(driver, this.#location, "millrace-messages", nodes);
    client.on("messageBuffer", (channel: Buffer, message: Buffer) => {
      this.#listeners.get(channel.toString())?.(message);
    });
    client.on("pmessageBuffer", (pattern: Buffer, channel: Buffer, message: Buffer) => {
      this.#patterns.get(pattern.toString())?.(message, channel.toString());
    });
    let connections = 0;
    client.on("ready", () => {
      connections += 1;
      // The first is no loss.
      if (connections === 1) return;
      // Answered after the subscriptions, which are sent again before it: whoever looks now misses nothing later.
      client.ping().then(
        () => this.#tellLoss(),
        () => {},
      );
    });
    this.#pulse = setInterval(() => this.#feel(client), PULSE_MS).unref();
    return client;
  }

  #tellLoss(): void {
    for (const listener of this.#lossListeners) listener();
  }

  /** Asks for an answer; a node that left the Cluster would give it, and no message. */
  #feel(client: Redis): void {
    if (client.status !== "ready") return;
    const nodes = nodesOf(this.#link, "all");
    const { host, port } = client.options;
    if (nodes.length > 0 && !nodes.some((node) => node.host === host && node.port === port)) {
      client.disconnect(true);
    } else client.ping().catch(() => {});
  }

  /** Best effort: whatever still comes finds no listener. */
  async #end(send: (client: Redis) => Promise<unknown>): Promise<void> {
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
