// A timer of which there is one at a time.
import { startTimer } from "../../runtime/index.ts";

/** Starts once, until it has fired or was stopped. */
export class OneTimer {
  #cancel: (() => void) | null = null;

  start(delayMs: number, act: () => void): void {
    this.#cancel ??= startTimer(Math.max(0, delayMs), () => {
      this.#cancel = null;
      act();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
