// A wake-up for one waiting loop: remembered if nobody waits, and able to come at a time.
import { MAX_TIMER_MS } from "./timer.ts";

/** Wakes one waiting loop. */
export class Signal {
  #isNotified = false;
  #resolve: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  /** Wakes the loop, or lets its next wait end at once. */
  notify(): void {
    this.#isNotified = true;
    const resolve = this.#resolve;
    // The first of many that come in one turn.
    this.#resolve = undefined;
    resolve?.();
  }

  /** Wakes the loop after a time, unless an earlier time is set; `before` is called first. */
  wakeIn(delayMs: number, before: () => void): void {
    const atMs = performance.now() + delayMs;
    if (this.#timer !== undefined && this.#timerAtMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        before();
        this.notify();
      },
      Math.min(Math.max(0, Math.ceil(delayMs)), MAX_TIMER_MS),
    );
  }

  /** Waits for a wake-up, at most this long. `true` when it was woken. */
  async wait(timeoutMs: number): Promise<boolean> {
    if (!this.#isNotified) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(timeoutMs, MAX_TIMER_MS));
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#resolve = undefined;
    }
    const wasNotified = this.#isNotified;
    this.#isNotified = false;
    return wasNotified;
  }

  /** Forgets a time that was set. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
