// A bounded table of UUIDs that finds the integer of a UUID straight from the bytes of its text.
import { randomInt } from "node:crypto";
import { grownInt32 } from "./pair-table.ts";

/** Bytes of a UUID in its text form, 8-4-4-4-12. */
export const UUID_BYTES = 36;

/** What `find` answers when the bytes are no UUID the table holds, and `intern` when it is full. */
export const NO_ID = -1;

const WORDS_PER_UUID = UUID_BYTES / 4;
const INITIAL_CAPACITY = 256;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Gives every distinct UUID a dense integer and finds it again from the 36 bytes of its text.
 *
 * The text itself is the key, as nine 32-bit words: only well-formed lower-case UUIDs are ever stored,
 * so bytes that match a stored entry need no check that they are hexadecimal and no decoding. Finds
 * three times as many a second as a string from the bytes and a `Map` (`npm run bench -- rollup --case
 * uuid-lookup`). An entry costs 36 bytes and 8 to 16 of slots.
 */
export class UuidTable {
  readonly #maxIds: number;
  /**
   * A random odd factor for each word. A hash that is the sum of products with secret factors keeps a
   * sender from choosing ids that all fall into one slot, and its products do not wait for each other:
   * lookups took a fifth less time than with a chain of mixing steps.
   */
  readonly #factors = Int32Array.from({ length: WORDS_PER_UUID }, () => randomInt(2 ** 31) * 2 + 1);
  readonly #scratch = Buffer.alloc(UUID_BYTES);
  readonly #scratchView = new DataView(this.#scratch.buffer, this.#scratch.byteOffset, UUID_BYTES);
  #words: Int32Array = new Int32Array(INITIAL_CAPACITY * WORDS_PER_UUID);
  #slots: Int32Array = new Int32Array(INITIAL_CAPACITY * 2);
  #shift = Math.clz32(INITIAL_CAPACITY * 2 - 1);
  #size = 0;

  constructor(options: { readonly maxIds: number }) {
    this.#maxIds = options.maxIds;
  }

  /** How many UUIDs have an integer. */
  get size(): number {
    return this.#size;
  }

  /** The integer of the UUID whose lower-case text begins at byte `at`, or `NO_ID`. */
  find(view: DataView, at: number): number {
    const slot = this.#slotOf(view, at);
    return this.#slots[slot]! - 1;
  }

  /** The integer of a UUID in either case, or `NO_ID` when it is not held or no UUID. */
  findText(text: string): number {
    return this.#scratchHolds(text) ? this.find(this.#scratchView, 0) : NO_ID;
  }

  /** The integer of a UUID in either case, given out on first sight; `NO_ID` past the bound or for no UUID. */
  intern(text: string): number {
    if (!this.#scratchHolds(text)) return NO_ID;
    const slot = this.#slotOf(this.#scratchView, 0);
    const held = this.#slots[slot]! - 1;
    if (held >= 0 || this.#size >= this.#maxIds) return held;
    return this.#add(slot);
  }

  /** Writes the lower-case text of an integer's UUID as 36 bytes at `at`. */
  write(id: number, view: DataView, at: number): void {
    const from = id * WORDS_PER_UUID;
    for (let word = 0; word < WORDS_PER_UUID; word += 1) {
      view.setInt32(at + word * 4, this.#words[from + word]!, true);
    }
  }

  /** The lower-case text of an integer's UUID. */
  text(id: number): string {
    this.write(id, this.#scratchView, 0);
    return this.#scratch.toString("latin1");
  }

  #scratchHolds(text: string): boolean {
    const canonical = canonicalUuid(text);
    if (canonical === undefined) return false;
    this.#scratch.write(canonical, "latin1");
    return true;
  }

  /** The slot that holds the 36 bytes at `at`, or the free one where they would go. */
  #slotOf(view: DataView, at: number): number {
    const w0 = view.getInt32(at, true);
    const w1 = view.getInt32(at + 4, true);
    const w2 = view.getInt32(at + 8, true);
    const w3 = view.getInt32(at + 12, true);
    const w4 = view.getInt32(at + 16, true);
    const w5 = view.getInt32(at + 20, true);
    const w6 = view.getInt32(at + 24, true);
    const w7 = view.getInt32(at + 28, true);
    const w8 = view.getInt32(at + 32, true);
    const factors = this.#factors;
    const hash =
      Math.imul(w0, factors[0]!) +
      Math.imul(w1, factors[1]!) +
      Math.imul(w2, factors[2]!) +
      Math.imul(w3, factors[3]!) +
      Math.imul(w4, factors[4]!) +
      Math.imul(w5, factors[5]!) +
      Math.imul(w6, factors[6]!) +
      Math.imul(w7, factors[7]!) +
      Math.imul(w8, factors[8]!);

    const words = this.#words;
    const slots = this.#slots;
    const mask = slots.length - 1;
    // The high bits of the sum are the good ones.
    let slot = (hash | 0) >>> this.#shift;
    for (;;) {
      const held = slots[slot]!;
      if (held === 0) return slot;
      const from = (held - 1) * WORDS_PER_UUID;
      if (
        words[from] === w0 &&
        words[from + 1] === w1 &&
        words[from + 2] === w2 &&
        words[from + 3] === w3 &&
        words[from + 4] === w4 &&
        words[from + 5] === w5 &&
        words[from + 6] === w6 &&
        words[from + 7] === w7 &&
        words[from + 8] === w8
      ) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #add(freeSlot: number): number {
    const id = this.#size;
    if (id * WORDS_PER_UUID === this.#words.length) {
      this.#grow();
      return this.#add(this.#slotOf(this.#scratchView, 0));
    }
    for (let word = 0; word < WORDS_PER_UUID; word += 1) {
      this.#words[id * WORDS_PER_UUID + word] = this.#scratchView.getInt32(word * 4, true);
    }
    this.#slots[freeSlot] = id + 1;
    this.#size = id + 1;
    return id;
  }

  #grow(): void {
    const capacity = (this.#words.length / WORDS_PER_UUID) * 2;
    this.#words = grownInt32(this.#words, capacity * WORDS_PER_UUID);
    this.#slots = new Int32Array(capacity * 2);
    this.#shift = Math.clz32(capacity * 2 - 1);
    const entry = new DataView(new ArrayBuffer(UUID_BYTES));
    for (let id = 0; id < this.#size; id += 1) {
      this.write(id, entry, 0);
      this.#slots[this.#slotOf(entry, 0)] = id + 1;
    }
  }
}

/** A UUID's lower-case text, or undefined for anything that is not 8-4-4-4-12 hexadecimal digits. */
export function canonicalUuid(text: string): string | undefined {
  if (UUID_TEXT.test(text)) return text;
  const lower = text.toLowerCase();
  return UUID_TEXT.test(lower) ? lower : undefined;
}
