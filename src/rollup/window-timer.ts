// Says when windows end: boundaries on a monotonic clock, aligned to the wall clock or not.
import type { RollupClock } from "./clock.ts";

/** How windows follow each other. */
export interface WindowRhythm {
  /** From one boundary to the next, in milliseconds. */
  readonly everyMs: number;
  /** Whether boundaries fall on multiples of `everyMs` of the wall clock (full minutes, say). */
  readonly aligned: boolean;
}

/** When the span between two boundaries was. */
export interface WindowSpan {
  /** Wall clock at its two ends, for people; a stepped clock can make the end look earlier. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** How long it was, by the monotonic clock. */
  readonly durationMs: number;
}

/**
 * The monotonic time of the boundary that follows `previousMs`, seen from `nowMs`.
 *
 * Unaligned boundaries keep their cadence: a late timer does not shift the ones after it, and after a
 * suspended machine wakes up the missed ones are passed over, not caught up. Aligned ones are found anew
 * from the wall clock each time, but never less than half a window away: a wall clock that steps makes
 * one window up to half longer or shorter, and none ends twice.
 */
export function nextBoundaryMs(
  rhythm: WindowRhythm,
  times: { readonly previousMs: number; readonly nowMs: number; readonly wallMs: number },
): number {
  const { everyMs } = rhythm;
  if (!rhythm.aligned) {
    const passed = Math.max(1, Math.ceil((times.nowMs - times.previousMs) / everyMs));
    return times.previousMs + passed * everyMs;
  }
  const awayMs = everyMs - modulo(times.wallMs, everyMs);
  return times.nowMs + (awayMs < everyMs / 2 ? awayMs + everyMs : awayMs);
}

/** The first boundary: an aligned window that starts in the middle is short, so that the next one is whole. */
function firstBoundaryMs(rhythm: WindowRhythm, nowMs: number, wallMs: number): number {
  return (
    nowMs + (rhythm.aligned ? rhythm.everyMs - modulo(wallMs, rhythm.everyMs) : rhythm.everyMs)
  );
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** Calls `onBoundary` at every boundary from `start` to `stop`, with the span that ended there. */
export class WindowTimer {
  readonly #rhythm: WindowRhythm;
  readonly #clock: RollupClock;
  readonly #onBoundary: (span: WindowSpan) => void;
  #cancel: (() => void) | undefined;
  #boundaryMs = 0;
  #startedMs = 0;
  #startedAtMs = 0;

  constructor(options: {
    readonly rhythm: WindowRhythm;
    readonly clock: RollupClock;
    readonly onBoundary: (span: WindowSpan) => void;
  }) {
    this.#rhythm = options.rhythm;
    this.#clock = options.clock;
    this.#onBoundary = options.onBoundary;
  }

  /** Milliseconds to the next boundary; undefined while stopped. */
  get remainingMs(): number | undefined {
    if (this.#cancel === undefined) return undefined;
    return Math.max(0, this.#boundaryMs - this.#clock.monotonicMs());
  }

  start(): void {
    if (this.#cancel !== undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    this.#startedMs = nowMs;
    this.#startedAtMs = wallMs;
    this.#wait(firstBoundaryMs(this.#rhythm, nowMs, wallMs), nowMs);
  }

  /** Stops, and answers the span that is open: the caller closes it with what it counted. */
  stop(): WindowSpan | undefined {
    if (this.#cancel === undefined) return undefined;
    this.#cancel();
    this.#cancel = undefined;
    return this.#cut();
  }

  #wait(boundaryMs: number, nowMs: number): void {
    this.#boundaryMs = boundaryMs;
    this.#cancel = this.#clock.after(boundaryMs - nowMs, () => this.#end());
  }

  #end(): void {
    const span = this.#cut();
    const nowMs = this.#clock.monotonicMs();
    const times = { previousMs: this.#boundaryMs, nowMs, wallMs: this.#clock.wallMs() };
    this.#wait(nextBoundaryMs(this.#rhythm, times), nowMs);
    this.#onBoundary(span);
  }

  #cut(): WindowSpan {
    const nowMs = this.#clock.monotonicMs();
    const span = {
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#clock.wallMs(),
      durationMs: nowMs - this.#startedMs,
    };
    this.#startedMs = nowMs;
    this.#startedAtMs = span.endedAtMs;
    return span;
  }
}
