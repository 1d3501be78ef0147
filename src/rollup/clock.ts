// Time as the roll-ups see it: a monotonic clock for windows and waits, the wall clock only for labels.

/** The clock a roll-up lives by; a test passes one it moves by hand. */
export interface RollupClock {
  /** Milliseconds since any fixed point; never goes back, whatever the wall clock does. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for the times people read and for windows aligned to them. */
  wallMs(): number;
  /** Calls `run` once, `delayMs` from now; the answer cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** The longest wait a Node timer takes (2^31 - 1 ms, 24.8 days); longer ones would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The clock of the machine. */
export const systemClock: RollupClock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
