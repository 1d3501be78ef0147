// The store's clock: the system's, plus an offset in shared memory that tests may move.

/** An offset that is added to the system's clock, in milliseconds, in memory that the store thread shares. */
export interface SharedClock {
  /** One 64-bit float: the offset in milliseconds. */
  readonly offset: SharedArrayBuffer;
}

/** Reads by how much a clock was moved, in whole milliseconds. */
export function shiftOf(clock: SharedClock | undefined): () => number {
  if (clock === undefined) return () => 0;
  const offset = new Float64Array(clock.offset);
  return () => Math.round(offset[0] ?? 0);
}

/** Reads the store's time, in whole milliseconds since 1970. */
export function clockReader(clock: SharedClock | undefined): () => number {
  const shiftMs = shiftOf(clock);
  return () => Date.now() + shiftMs();
}
