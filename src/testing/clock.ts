// A clock that tests move: what a store is told to take for its time.

/** A clock that runs, and that can be put forward. Passed to a store as its `clock`. */
export interface TestClock {
  /** Memory that threads share: one 64-bit float, milliseconds that are added to the system's time. */
  readonly offset: SharedArrayBuffer;
  /** Its time, in whole milliseconds since 1970. */
  readonly now: () => number;
  /** Puts it forward, at once and for every thread that holds it, in milliseconds; back where negative. */
  readonly advance: (byMs: number) => void;
}

/**
 * Makes a clock that runs with the system's until it is put forward.
 *
 * @example
 * const clock = createTestClock();
 * const store = await openSqliteStore({ path: ":memory:", namespace: "test", clock });
 * clock.advance(60_000);
 */
export function createTestClock(): TestClock {
  const offset = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
  const view = new Float64Array(offset);
  return {
    offset,
    now: () => Date.now() + Math.round(view[0] ?? 0),
    advance: (byMs) => {
      view[0] = (view[0] ?? 0) + byMs;
    },
  };
}
