// The sign of life of the loop that runs handlers, in memory that the store thread reads without asking it.

/** Milliseconds of a clock that every thread of the process shares and that nobody moves. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Two 64-bit floats: when the loop was last heard, and when at the latest it must be heard again (monotonic). */
export interface Heartbeat {
  readonly buffer: SharedArrayBuffer;
  /** Says that the loop lives, and its deadline; `null`: none. */
  beat(nowMs: number, deadlineInMs: number | null): void;
}

/** The side of the loop. It begins without a deadline. */
export function createHeartbeat(): Heartbeat {
  const buffer = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
  const cells = new Float64Array(buffer);
  cells[1] = Number.POSITIVE_INFINITY;
  return {
    buffer,
    beat: (nowMs, deadlineInMs) => {
      cells[0] = nowMs;
      cells[1] = deadlineInMs === null ? Number.POSITIVE_INFINITY : nowMs + deadlineInMs;
    },
  };
}

/** Time past its deadline after which a loop is given up, so that jobs' own timeouts are dealt with first. */
const PATIENCE_MS = 250;
/** Looks that must find it late: a process that was stopped as a whole gets time to speak first. */
const LATE_LOOKS = 10;

/** The side of the keeper: whether the loop is silent past its deadline. */
export function watchHeartbeat(buffer: SharedArrayBuffer): (nowMs: number) => boolean {
  const cells = new Float64Array(buffer);
  let lateLooks = 0;
  return (nowMs) => {
    const isLate = nowMs > (cells[1] ?? Number.POSITIVE_INFINITY) + PATIENCE_MS;
    lateLooks = isLate ? lateLooks + 1 : 0;
    return lateLooks >= LATE_LOOKS;
  };
}
