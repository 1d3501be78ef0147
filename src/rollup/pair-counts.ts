// Counts of pairs of parents in one window, and what is left of them when it ends.
import { PairTable, TABLE_FULL } from "./pair-table.ts";

/** The counts of an ended window: columns of one length, and what was past the bound. */
export interface EndedPairCounts {
  readonly sources: Int32Array;
  readonly destinations: Int32Array;
  readonly counts: Float64Array;
  /** Messages whose pair was new when the table was full. */
  readonly overflow: number;
  /** All messages counted, those of the overflow included. */
  readonly messages: number;
}

/** Counts messages by a pair of integers, at most `maxPairs` of them; the rest is counted together. */
export class PairCounts {
  readonly #pairs: PairTable;
  /** Doubles count exactly up to 2^53; 32-bit integers would wrap after an hour of a million a second. */
  #counts: Float64Array;
  #overflow = 0;

  constructor(options: { readonly maxPairs: number; readonly expectedPairs?: number }) {
    this.#pairs = new PairTable(options);
    this.#counts = new Float64Array(this.#pairs.capacity);
  }

  get size(): number {
    return this.#pairs.size;
  }

  get overflow(): number {
    return this.#overflow;
  }

  add(source: number, destination: number): void {
    const index = this.#pairs.index(source, destination);
    if (index === TABLE_FULL) {
      this.#overflow += 1;
      return;
    }
    if (index >= this.#counts.length) {
      const grown = new Float64Array(this.#pairs.capacity);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[index]! += 1;
  }

  /** The most frequent pairs, most frequent first. */
  top(limit: number): { source: number; destination: number; count: number }[] {
    const best: number[] = [];
    const counts = this.#counts;
    for (let index = 0; index < this.#pairs.size; index += 1) {
      if (best.length === limit && counts[index]! <= counts[best.at(-1)!]!) continue;
      best.push(index);
      best.sort((a, b) => counts[b]! - counts[a]!);
      if (best.length > limit) best.pop();
    }
    return best.map((index) => ({
      source: this.#pairs.first(index),
      destination: this.#pairs.second(index),
      count: counts[index]!,
    }));
  }

  /** What is counted, without the hash slots; the counter itself is not used after this. */
  end(): EndedPairCounts {
    const { firsts, seconds } = this.#pairs.columns();
    const counts = this.#counts.slice(0, this.#pairs.size);
    const messages = counts.reduce((total, count) => total + count, this.#overflow);
    return {
      sources: firsts,
      destinations: seconds,
      counts,
      overflow: this.#overflow,
      messages,
    };
  }
}
