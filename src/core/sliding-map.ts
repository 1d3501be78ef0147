// A map for entries that come and go all the time, whose garbage dies young.

/** Entries that go before it is renewed, beside as many as are in it: a small one is not copied all the time. */
const LEAST_GONE = 32;

/*
 * Why not a Map. When one has no room left V8 moves its entries to a new table, and the old table, which is garbage,
 * keeps what stood in it and a link to the new one. As soon as an old table is in the old generation, all tables after it
 * and all that stood in them outlive every collection of young garbage, until a full one. Of 200 entries that come and
 * go, 400,000 in all, collections took 4.5 s with a Map and 0.8 s so. A table filled anew has no link from those before.
 */
/**
 * A Map that copies itself whenever as many entries have gone as are in it: one copy for each entry that goes. Whoever
 * walks it sees what was in it when the walk began, or less.
 */
export class SlidingMap<Key, Value> {
  #entries = new Map<Key, Value>();
  #gone = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value);
  }

  delete(key: Key): boolean {
    if (!this.#entries.delete(key)) return false;
    this.#gone += 1;
    if (this.#gone < this.#entries.size + LEAST_GONE) return true;
    this.#entries = new Map(this.#entries);
    this.#gone = 0;
    return true;
  }

  clear(): void {
    this.#entries = new Map();
    this.#gone = 0;
  }

  keys(): MapIterator<Key> {
    return this.#entries.keys();
  }

  values(): MapIterator<Value> {
    return this.#entries.values();
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.#entries[Symbol.iterator]();
  }
}
