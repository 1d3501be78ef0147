// Keeps what could not be delivered yet, in order and bounded, and tries again.
import type { RollupClock } from "./clock.ts";

/** An hour of one-minute windows and a day of ten-minute ones; a closed window of 100,000 keys takes 1.6 MB. */
export const DEFAULT_MAX_KEPT = 144;

/** While stopping, a retry does not wait longer than this: the deadline is near. */
const MAX_STOPPING_DELAY_MS = 250;

/** How long a delivery may take to notice that it was aborted. */
const ABORT_GRACE_MS = 1_000;

export interface OutboxOptions<T> {
  /** Delivers one item; resolves when it need not be sent again, rejects when it must. */
  readonly deliver: (item: T, signal: AbortSignal) => Promise<void>;
  readonly retryDelayMs: (attempt: number) => number;
  readonly maxItems: number;
  readonly clock: RollupClock;
  readonly onDelivered?: (item: T) => void;
  /** An attempt failed; the item stays. */
  readonly onKept?: (item: T, attempt: number, error: unknown) => void;
  /** The outbox was full: its oldest item was given up. */
  readonly onDropped?: (item: T) => void;
}

/**
 * Delivers items one at a time in the order they came. A failed one stays first and is tried again after
 * a delay, or at once when `wake` says that things have changed.
 */
export class Outbox<T> {
  readonly #options: OutboxOptions<T>;
  readonly #items: T[] = [];
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #inFlight = false;
  #stopping = false;
  #wake: (() => void) | undefined;

  constructor(options: OutboxOptions<T>) {
    this.#options = options;
  }

  /** How many items wait or are being delivered. */
  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    if (this.#items.length >= this.#options.maxItems) {
      // The first may be on its way; dropping it now could still have it delivered.
      const [dropped] = this.#items.splice(this.#inFlight ? 1 : 0, 1);
      if (dropped !== undefined) this.#options.onDropped?.(dropped);
    }
    this.#items.push(item);
    this.#running ??= this.#run();
  }

  /** Tries again now instead of waiting out the delay. */
  wake(): void {
    this.#wake?.();
  }

  /** Waits until everything is delivered or `deadlineMs` has passed, then stops; answers what is left. */
  async stop(deadlineMs: number): Promise<readonly T[]> {
    this.#stopping = true;
    if (this.#running !== undefined) {
      this.wake();
      const cancel = this.#options.clock.after(deadlineMs, () => this.#abort.abort());
      await this.#running;
      cancel();
    }
    this.#abort.abort();
    return this.#items.splice(0);
  }

  async #run(): Promise<void> {
    let attempt = 0;
    while (this.#items.length > 0 && !this.#abort.signal.aborted) {
      const item = this.#items[0]!;
      attempt += 1;
      this.#inFlight = true;
      const failure = await this.#try(item);
      this.#inFlight = false;
      if (failure === undefined) {
        this.#items.shift();
        attempt = 0;
        this.#options.onDelivered?.(item);
      } else {
        this.#options.onKept?.(item, attempt, failure.error);
        const delayMs = this.#options.retryDelayMs(attempt);
        await this.#sleep(this.#stopping ? Math.min(delayMs, MAX_STOPPING_DELAY_MS) : delayMs);
      }
    }
    this.#running = undefined;
  }

  /**
   * Undefined when delivered. After an abort the delivery has a moment to say how it ended: what went out
   * must not be taken for kept.
   */
  async #try(item: T): Promise<{ readonly error: unknown } | undefined> {
    const { clock, deliver } = this.#options;
    const signal = this.#abort.signal;
    const gaveUp = Promise.withResolvers<never>();
    let cancel: (() => void) | undefined;
    const onAbort = (): void => {
      cancel = clock.after(ABORT_GRACE_MS, () => gaveUp.reject(signal.reason as Error));
    };
    signal.addEventListener("abort", onAbort);
    try {
      await Promise.race([deliver(item, signal), gaveUp.promise]);
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      signal.removeEventListener("abort", onAbort);
      cancel?.();
    }
  }

  async #sleep(delayMs: number): Promise<void> {
    const signal = this.#abort.signal;
    if (signal.aborted) return;
    const awake = Promise.withResolvers<void>();
    const wake = (): void => awake.resolve();
    const cancel = this.#options.clock.after(delayMs, wake);
    this.#wake = wake;
    signal.addEventListener("abort", wake);
    await awake.promise;
    signal.removeEventListener("abort", wake);
    this.#wake = undefined;
    cancel();
  }
}
