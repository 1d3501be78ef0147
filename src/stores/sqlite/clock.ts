// The store's clock: the system's, plus an offset in shared memory that tests may move.

/** An offset that is added to the system's clock, in milliseconds, in memory that the store thread shares. */
export interface SharedClock {
  /** One 64-bit float: the offset in milliseconds. */
  readonly offset: SharedArrayBuffer;
}

/** Reads the store's time, in whole milliseconds since 1970. */
export function clockReader(clock: SharedClock | undefined): () => number {
  if (clock === undefined) return () => Date.now();
  const offset = new Float64Array(clock.offset);
  return () => Date.now() + Math.round(offset[0] ?? 0);
}
