// Events that wait for something not known yet, bounded in time and number.

/** Why an event was given up: waited too long, found the waiting room full, or the roll-up stopped. */
export type UnattributedReason = "expired" | "refused" | "stopped";

interface HeldEntry<E> {
  readonly event: E;
  readonly keys: Set<string>;
  readonly untilMs: number;
}

/**
 * Holds events until every key they wait for is known.
 *
 * A full room refuses the newcomer, so a stream of hopeless events costs a constant amount of memory and
 * of time each. Expired events leave when anything touches the room; `expire` does it on demand.
 */
export class HeldEvents<E> {
  readonly #maxEvents: number;
  readonly #maxWaitMs: number;
  readonly #onUnattributed: (count: number, reason: UnattributedReason) => void;
  /** In order of arrival, which is the order of expiry; a Set so that a resolved one leaves in O(1). */
  readonly #entries = new Set<HeldEntry<E>>();
  readonly #waiting = new Map<string, Set<HeldEntry<E>>>();

  constructor(options: {
    readonly maxEvents: number;
    readonly maxWaitMs: number;
    readonly onUnattributed: (count: number, reason: UnattributedReason) => void;
  }) {
    this.#maxEvents = options.maxEvents;
    this.#maxWaitMs = options.maxWaitMs;
    this.#onUnattributed = options.onUnattributed;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Holds an event that waits for `keys` (at least one). A refused event is told as unattributed. */
  hold(event: E, keys: Iterable<string>, nowMs: number): void {
    this.expire(nowMs);
    if (this.#entries.size >= this.#maxEvents) {
      this.#onUnattributed(1, "refused");
      return;
    }
    const entry = { event, keys: new Set(keys), untilMs: nowMs + this.#maxWaitMs };
    this.#entries.add(entry);
    for (const key of entry.keys) {
      const waiting = this.#waiting.get(key);
      if (waiting === undefined) this.#waiting.set(key, new Set([entry]));
      else waiting.add(entry);
    }
  }

  /**
   * Says that `key` is known now. `fill` is called with every event that waited for it; the answer is
   * those that wait for nothing more, in order of arrival.
   */
  release(key: string, nowMs: number, fill: (event: E) => void): E[] {
    if (this.#waiting.size === 0) return [];
    this.expire(nowMs);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return [];
    this.#waiting.delete(key);
    const complete: E[] = [];
    for (const entry of waiting) {
      fill(entry.event);
      entry.keys.delete(key);
      if (entry.keys.size > 0) continue;
      this.#entries.delete(entry);
      complete.push(entry.event);
    }
    return complete;
  }

  /** Gives up what has waited too long. */
  expire(nowMs: number): void {
    let expired = 0;
    for (const entry of this.#entries) {
      if (entry.untilMs > nowMs) break;
      this.#remove(entry);
      expired += 1;
    }
    if (expired > 0) this.#onUnattributed(expired, "expired");
  }

  /** Gives up everything, because the roll-up stops. */
  clear(): void {
    const count = this.#entries.size;
    this.#entries.clear();
    this.#waiting.clear();
    if (count > 0) this.#onUnattributed(count, "stopped");
  }

  #remove(entry: HeldEntry<E>): void {
    this.#entries.delete(entry);
    for (const key of entry.keys) {
      const waiting = this.#waiting.get(key);
      waiting?.delete(entry);
      if (waiting?.size === 0) this.#waiting.delete(key);
    }
  }
}
