// A bounded hash table from a pair of small integers to a dense index: the key structure of every window.

/** Room for this many pairs before the first growth; a window of a quiet stream stays at a few kilobytes. */
const INITIAL_CAPACITY = 256;

/** What `index` answers when the pair is new and the table holds as many pairs as it may. */
export const TABLE_FULL = -1;

/**
 * Numbers pairs of non-negative 32-bit integers 0, 1, 2, ... in the order they first appear.
 *
 * Open addressing over typed arrays: a pair costs 8 bytes for its two integers and 8 to 16 for its
 * slots, and nothing for the collector to walk. Counts three times as many pairs a second as a `Map` by
 * one number, and ten times as many as one by text (`npm run bench -- rollup --case pair-count`).
 */
export class PairTable {
  readonly #maxPairs: number;
  #firsts: Int32Array;
  #seconds: Int32Array;
  /** Index + 1 of the pair in a slot, 0 where the slot is free. Twice the capacity: half full at most. */
  #slots: Int32Array;
  #size = 0;

  constructor(options: { readonly maxPairs: number; readonly expectedPairs?: number }) {
    this.#maxPairs = options.maxPairs;
    const wanted = Math.min(options.maxPairs, options.expectedPairs ?? 0);
    let capacity = INITIAL_CAPACITY;
    while (capacity < wanted) capacity *= 2;
    this.#firsts = new Int32Array(capacity);
    this.#seconds = new Int32Array(capacity);
    this.#slots = new Int32Array(capacity * 2);
  }

  /** How many pairs have an index. */
  get size(): number {
    return this.#size;
  }

  /** How many pairs fit before the next growth; columns beside the table grow to the same length. */
  get capacity(): number {
    return this.#firsts.length;
  }

  /** The first integer of the pair at `index`. */
  first(index: number): number {
    return this.#firsts[index]!;
  }

  /** The second integer of the pair at `index`. */
  second(index: number): number {
    return this.#seconds[index]!;
  }

  /** The dense index of a pair, given out on first sight; `TABLE_FULL` for a new pair past the bound. */
  index(first: number, second: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = slotOf(first, second) & mask;
    for (;;) {
      const held = slots[slot]! - 1;
      if (held < 0) break;
      if (this.#firsts[held] === first && this.#seconds[held] === second) return held;
      slot = (slot + 1) & mask;
    }
    return this.#add(first, second, slot);
  }

  /** The pairs alone, without the slots: what a closed window keeps. */
  columns(): { readonly firsts: Int32Array; readonly seconds: Int32Array } {
    return {
      firsts: this.#firsts.slice(0, this.#size),
      seconds: this.#seconds.slice(0, this.#size),
    };
  }

  #add(first: number, second: number, freeSlot: number): number {
    const index = this.#size;
    if (index >= this.#maxPairs) return TABLE_FULL;
    if (index === this.#firsts.length) {
      this.#grow();
      return this.index(first, second);
    }
    this.#size = index + 1;
    this.#slots[freeSlot] = index + 1;
    this.#firsts[index] = first;
    this.#seconds[index] = second;
    return index;
  }

  #grow(): void {
    const capacity = this.#firsts.length * 2;
    this.#firsts = grownInt32(this.#firsts, capacity);
    this.#seconds = grownInt32(this.#seconds, capacity);
    const slots = new Int32Array(capacity * 2);
    const mask = slots.length - 1;
    for (let index = 0; index < this.#size; index += 1) {
      let slot = slotOf(this.#firsts[index]!, this.#seconds[index]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

/** A copy of a column with room for `capacity` integers. */
export function grownInt32(column: Int32Array, capacity: number): Int32Array {
  const grown = new Int32Array(capacity);
  grown.set(column);
  return grown;
}

/** Two odd multipliers (2^32 over the golden ratio, and MurmurHash3's first) spread runs of small integers. */
function slotOf(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
