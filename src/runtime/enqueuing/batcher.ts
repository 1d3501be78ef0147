// Group commit at the edge: calls made at the same moment, or while a write is under way, share one write.
import { setImmediate as turnOfLoop } from "node:timers/promises";

interface Waiting<Item, Reply> {
  readonly items: readonly Item[];
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A flush that takes longer is held up by something that others need not wait for: of a Cluster one primary may be away,
 * and most callers' jobs are kept by another.
 */
const PATIENCE_MS = 100;
/** Most flushes under way while one is held up; beyond them callers gather again. */
const MAX_BESIDE = 1_000;

/** Gathers items of many callers into few calls. */
export interface Batcher<Item, Reply> {
  /** Adds items; they stay together and their replies are in order. */
  add(items: readonly Item[]): Promise<readonly Reply[]>;
  /** Settles when everything added so far has its reply. */
  readonly drained: () => Promise<void>;
}

/**
 * Makes a batcher. A flush goes out once as many items wait as are under way, so the batch grows with the load by itself:
 * a lone caller waits for nothing, a hundred callers share a write, and while the store works on one half of them the
 * other half is made ready. (One flush at a time parted 50 connections into groups of 1 and 49 by turns, and the
 * service was idle during much of each write: 0.50 and 0.44 of the rate of constant replies then, 0.53 and 0.49 so.)
 * While one is held up, each further caller has a flush alone.
 *
 * A list longer than `maxItems` goes out in a flush of its own. Where a flush fails, all its callers are told.
 */
export function createBatcher<Item, Reply>(
  maxItems: number,
  flush: (items: readonly Item[]) => Promise<readonly Reply[]>,
): Batcher<Item, Reply> {
  const gathering = new Gathering(maxItems, flush);
  return {
    add: (items) => gathering.add(items),
    drained: () => gathering.drained(),
  };
}

class Gathering<Item, Reply> {
  readonly #maxItems: number;
  readonly #flush: (items: readonly Item[]) => Promise<readonly Reply[]>;
  readonly #waiting: Waiting<Item, Reply>[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #itemsWaiting = 0;
  #itemsUnderWay = 0;
  /** Flushes under way that are held up. */
  #heldUp = 0;
  #isTurnPlanned = false;

  constructor(maxItems: number, flush: (items: readonly Item[]) => Promise<readonly Reply[]>) {
    this.#maxItems = maxItems;
    this.#flush = flush;
  }

  add(items: readonly Item[]): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject });
      this.#itemsWaiting += items.length;
      this.#planTurn();
    });
  }

  async drained(): Promise<void> {
    while (this.#waiting.length > 0 || this.#underWay.size > 0) {
      await (this.#underWay.size > 0 ? Promise.all(this.#underWay) : turnOfLoop());
    }
  }

  #planTurn(): void {
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    const turn = (): void => {
      this.#isTurnPlanned = false;
      this.#sendReady();
    };
    // The first ones wait for the others of their turn of the event loop: requests come one by one from their sockets,
    // and a flush of the first alone would hold up all the rest.
    if (this.#underWay.size === 0) setImmediate(turn);
    else queueMicrotask(turn);
  }

  #sendReady(): void {
    while (this.#waiting.length > 0 && this.#isReady()) {
      const count = this.#heldUp > 0 ? 1 : fitting(this.#waiting, this.#maxItems);
      const sent = this.#send(this.#waiting.splice(0, count)).finally(() => {
        this.#underWay.delete(sent);
        this.#sendReady();
      });
      this.#underWay.add(sent);
    }
  }

  #isReady(): boolean {
    if (this.#heldUp > 0) return this.#underWay.size < MAX_BESIDE;
    return this.#itemsWaiting >= this.#itemsUnderWay;
  }

  async #send(batch: readonly Waiting<Item, Reply>[]): Promise<void> {
    const items =
      batch.length === 1 ? (batch[0]?.items ?? []) : batch.flatMap((each) => each.items);
    this.#itemsWaiting -= items.length;
    this.#itemsUnderWay += items.length;
    let isHeldUp = false;
    const timer = setTimeout(() => {
      isHeldUp = true;
      this.#heldUp += 1;
      this.#sendReady();
    }, PATIENCE_MS);
    try {
      hand(batch, await this.#flush(items));
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
    clearTimeout(timer);
    if (isHeldUp) this.#heldUp -= 1;
    this.#itemsUnderWay -= items.length;
  }
}

/** How many of those that wait fit into one flush: at least one. */
function fitting(
  queue: readonly { readonly items: readonly unknown[] }[],
  maxItems: number,
): number {
  let count = 0;
  let end = 0;
  while (end < queue.length) {
    count += queue[end]?.items.length ?? 0;
    if (end > 0 && count > maxItems) break;
    end += 1;
  }
  return end;
}

function hand<Item, Reply>(
  batch: readonly Waiting<Item, Reply>[],
  replies: readonly Reply[],
): void {
  if (batch.length === 1) {
    batch[0]?.resolve(replies);
    return;
  }
  let start = 0;
  for (const waiting of batch) {
    waiting.resolve(replies.slice(start, start + waiting.items.length));
    start += waiting.items.length;
  }
}
