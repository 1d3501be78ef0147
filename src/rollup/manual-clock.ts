// A clock that is moved by hand, so that tests of windows and retries wait for nothing.
import type { RollupClock } from "./clock.ts";

/**
 * A `RollupClock` that stands still until `advance` moves it. The wall clock can be stepped apart from
 * the monotonic one.
 *
 * @example
 * const clock = new ManualClock();
 * const rollup = new Rollup({ window: { size: "1m" }, key: ["team"], sinks, clock });
 * rollup.start();
 * await clock.advance(60_000); // the first window has ended
 */
export class ManualClock implements RollupClock {
  #monotonicMs = 0;
  #wallMs: number;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();

  constructor(options: { readonly wallMs?: number } = {}) {
    this.#wallMs = options.wallMs ?? 0;
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + Math.max(delayMs, 0), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Steps the wall clock alone, as an operator or a time service does. */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Moves both clocks on, runs what is due in order, and lets the promises in between settle. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#monotonicMs + byMs;
    await settle();
    for (;;) {
      const [next] = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#moveTo(next.atMs);
      this.#timers.delete(next);
      next.run();
      await settle();
    }
    this.#moveTo(untilMs);
  }

  #moveTo(monotonicMs: number): void {
    const byMs = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs += byMs;
    this.#wallMs += byMs;
  }
}

/** Past every promise that is already settled: an immediate runs after the whole microtask queue. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
