// The last bytes of a stream of output, in a ring of fixed size.

/** Keeps the last `maxBytes` of what is appended and counts the rest. */
export class OutputTail {
  readonly #maxBytes: number;
  #ring: Buffer | undefined;
  #seenBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  append(chunk: Uint8Array): void {
    this.#ring ??= Buffer.alloc(this.#maxBytes);
    const kept = chunk.subarray(Math.max(0, chunk.length - this.#maxBytes));
    this.#seenBytes += chunk.length - kept.length;
    const at = this.#seenBytes % this.#maxBytes;
    const beforeWrap = Math.min(kept.length, this.#maxBytes - at);
    this.#ring.set(kept.subarray(0, beforeWrap), at);
    this.#ring.set(kept.subarray(beforeWrap), 0);
    this.#seenBytes += kept.length;
  }

  /** Bytes that were appended and are kept no more. */
  get droppedBytes(): number {
    return Math.max(0, this.#seenBytes - this.#maxBytes);
  }

  /** What is kept, as UTF-8; a character cut in two by the bound is left out. */
  text(): string {
    if (this.#ring === undefined) return "";
    if (this.#seenBytes <= this.#maxBytes) {
      return this.#ring.toString("utf8", 0, this.#seenBytes);
    }
    const at = this.#seenBytes % this.#maxBytes;
    const bytes = Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
    let start = 0;
    while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
    return bytes.toString("utf8", start);
  }
}
