// Reads the queues' event streams on a connection of its own: for followers, to wake workers, to hear cancellations.
import type { Redis } from "../redis/link/connect.ts";
import { queueNames } from "./context.ts";
import { dial } from "./driver.ts";
import { type Link, type Sent, pipeline } from "./link.ts";
import { fieldsOf } from "./records.ts";
import { latestId } from "./registry.ts";

/** One entry of a queue's stream. */
export interface StreamEvent {
  readonly queue: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, string>>;
  /** When the server took it, by its clock. */
  readonly atMs: number;
}

/** Whoever reads along. */
interface ReaderListener {
  event(event: StreamEvent): void;
  gap(reason: string): void;
}

/** A reader that runs while someone listens. */
export interface Reader {
  /** Resolves once everything from now on is heard. */
  listen(listener: ReaderListener): Promise<() => void>;
  close(): void;
}

/** How long a read waits for news. A read that is silent for longer is found by the connection's own keep-alive. */
const BLOCK_MS = 5_000;
/** Entries of one stream in one read. */
const COUNT = 1_000;
const RECONNECT_PAUSE_MS = 200;

/** Makes the reader of a store. */
export function createReader(link: Link): Reader {
  return new StreamReader(link);
}

class StreamReader implements Reader {
  readonly #link: Link;
  /** Listeners, and from where on each is told of a queue: it does not hear what came before it. */
  readonly #listeners = new Map<ReaderListener, ReadonlyMap<string, string>>();
  /** Where each queue's stream was read up to. */
  readonly #positions = new Map<string, string>();
  #newsPosition = "0-0";
  #starting: Promise<void> | null = null;
  #client: Redis | null = null;
  #generation = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  async listen(listener: ReaderListener): Promise<() => void> {
    if (this.#listeners.size === 0) this.#starting = this.#start();
    this.#listeners.set(listener, this.#positions);
    const end = (): void => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
    try {
      await this.#starting;
      this.#listeners.set(listener, await this.#latest());
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  close(): void {
    this.#generation += 1;
    this.#client?.disconnect();
    this.#client = null;
    this.#starting = null;
  }

  async #start(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    this.#positions.clear();
    const { keys } = this.#link;
    // The news first: a queue that becomes known in between is found in both.
    const [news] = await this.#link.read([["XREVRANGE", keys.news, "+", "-", "COUNT", 1]]);
    this.#newsPosition = latestId(news);
    for (const [queue, id] of await this.#latest()) this.#positions.set(queue, id);
    if (generation === this.#generation) void this.#loop(generation);
  }

  /** Where each known queue's stream ends now. */
  async #latest(): Promise<ReadonlyMap<string, string>> {
    const { keys } = this.#link;
    const names = await queueNames({ link: this.#link });
    const latest = await this.#link.read(
      names.map((queue): Sent => ["XREVRANGE", keys.bull(queue, "events"), "+", "-", "COUNT", 1]),
    );
    return new Map(names.map((queue, index) => [queue, latestId(latest[index])]));
  }

  async #loop(generation: number): Promise<void> {
    const { driver, location, keys } = this.#link;
    while (generation === this.#generation) {
      try {
        const client = await dial(driver, location.redis, keys.queues, "millrace-reader", true);
        if (generation !== this.#generation) {
          client.disconnect();
          return;
        }
        this.#client = client;
        await this.#checkGaps(client);
        while (generation === this.#generation) await this.#readOnce(client, generation);
      } catch {
        this.#client?.disconnect();
        // Once: each time it would listen for the end of the same connection again.
        this.#client = null;
        await new Promise((resolve) => {
          setTimeout(resolve, Math.random() * RECONNECT_PAUSE_MS);
        });
      }
    }
  }

  /** After a loss: entries may have been cut off in between, or the server may have lost its own. */
  async #checkGaps(client: Redis): Promise<void> {
    const { keys } = this.#link;
    const names = [...this.#positions.keys()];
    const reads = names.flatMap((queue): Sent[] => [
      ["XRANGE", keys.bull(queue, "events"), "-", "+", "COUNT", 1],
      ["XREVRANGE", keys.bull(queue, "events"), "+", "-", "COUNT", 1],
    ]);
    const replies = await pipeline(client, reads);
    for (const [index, queue] of names.entries()) {
      const position = this.#positions.get(queue) ?? "0-0";
      const first = latestId(replies[index * 2]);
      const last = latestId(replies[index * 2 + 1]);
      if (isAfter(position, last)) {
        this.#positions.set(queue, last);
        this.#tellGap(`the events of ${queue} begin anew`);
      } else if (position !== "0-0" && isAfter(first, position)) {
        this.#tellGap(`events of ${queue} were cut off before they were read`);
      }
    }
  }

  async #readOnce(client: Redis, generation: number): Promise<void> {
    const { keys } = this.#link;
    const names = [...this.#positions.keys()];
    const reply = (await client.call(
      "XREAD",
      "COUNT",
      COUNT,
      "BLOCK",
      BLOCK_MS,
      "STREAMS",
      keys.news,
      ...names.map((queue) => keys.bull(queue, "events")),
      this.#newsPosition,
      ...names.map((queue) => this.#positions.get(queue) ?? "0-0"),
    )) as [string, [string, string[]][]][] | null;
    if (generation !== this.#generation || reply === null) return;
    const queueOf = new Map(names.map((queue) => [keys.bull(queue, "events"), queue]));
    let isBehind = false;
    for (const [stream, entries] of reply) {
      const queue = queueOf.get(stream);
      if (queue === undefined) this.#hearNews(entries);
      else this.#hear(queue, entries);
      isBehind ||= entries.length >= COUNT;
    }
    if (isBehind) await this.#checkGaps(client);
  }

  #hearNews(entries: readonly (readonly [string, readonly string[]])[]): void {
    for (const [id, flat] of entries) {
      this.#newsPosition = id;
      const { queue, from = "0-0" } = fieldsOf(flat);
      if (queue !== undefined && !this.#positions.has(queue)) this.#positions.set(queue, from);
    }
  }

  #hear(queue: string, entries: readonly (readonly [string, readonly string[]])[]): void {
    for (const [id, flat] of entries) {
      this.#positions.set(queue, id);
      const fields = fieldsOf(flat);
      const event = { queue, event: fields["event"] ?? "", fields, atMs: Number.parseInt(id, 10) };
      for (const [listener, from] of this.#listeners) {
        if (isAfter(id, from.get(queue) ?? "0-0")) listener.event(event);
      }
    }
  }

  #tellGap(reason: string): void {
    for (const listener of this.#listeners.keys()) listener.gap(reason);
  }
}

function isAfter(left: string, right: string): boolean {
  const [leftMs = 0, leftSeq = 0] = left.split("-").map(Number);
  const [rightMs = 0, rightSeq = 0] = right.split("-").map(Number);
  return leftMs > rightMs || (leftMs === rightMs && leftSeq > rightSeq);
}
