// What a silent part of the store was told, until it is told again.
import type { SettleReply } from "../../core/store.ts";

/** Between two askings of a part of the store that is silent. */
const AGAIN_MS = 100;

/** Keeps items for a while, and gives them back together. */
export class Unanswered<Item> {
  readonly #again: (items: readonly Item[]) => void;
  #items: Item[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(again: (items: readonly Item[]) => void) {
    this.#again = again;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Keeps what has no answer yet; `false`: it has one. */
  keeps(item: Item, reply: SettleReply | undefined): boolean {
    if (reply?.accepted !== false || reply.why !== "unanswered") return false;
    this.#items.push(item);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const items = this.#items;
      this.#items = [];
      this.#again(items);
    }, AGAIN_MS);
    return true;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#items = [];
  }
}
