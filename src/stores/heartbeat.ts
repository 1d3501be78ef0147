// The sign of life of the loop that runs handlers, in memory that the keeper of its lease reads without asking it.

/** Milliseconds of a clock that every thread of the process shares and that nobody moves. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Two 64-bit floats: when the loop was last heard, and when at the latest it must be heard again (monotonic). */
export interface Heartbeat {
  readonly buffer: SharedArrayBuffer;
  /** Says that the loop lives, and its deadline; `null`: none. */
  beat(deadlineInMs: number | null, nowMs?: number): void;
}

/** The side of the loop. It begins without a deadline. */
export function createHeartbeat(): Heartbeat {
  const buffer = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
  const cells = new Float64Array(buffer);
  cells[1] = Number.POSITIVE_INFINITY;
  return {
    buffer,
    beat: (deadlineInMs, nowMs = monotonicMs()) => {
      cells[0] = nowMs;
      cells[1] = deadlineInMs === null ? Number.POSITIVE_INFINITY : nowMs + deadlineInMs;
    },
  };
}

/** Time past its deadline after which a loop is given up, so that jobs' own timeouts are dealt with first. */
const PATIENCE_MS = 250;
/**
 * Time without a word after which a loop is silent: workers beat twice a second. A try that takes all of its grace ends at
 * its deadline, of which the keeper hears with the next beat only: by its deadline alone a loop that lives was given up.
 */
const SILENCE_MS = 1_200;

/**
 * The side of the keeper: whether the loop is silent past its deadline. So many looks in a row must find it so: a process
 * that was stopped as a whole gets time to speak first.
 */
export function watchHeartbeat(
  buffer: SharedArrayBuffer,
  lateLooks: number,
): (nowMs?: number) => boolean {
  const cells = new Float64Array(buffer);
  let found = 0;
  return (nowMs = monotonicMs()) => {
    const isPast = nowMs > (cells[1] ?? Number.POSITIVE_INFINITY) + PATIENCE_MS;
    const isSilent = nowMs > (cells[0] ?? 0) + SILENCE_MS;
    found = isPast && isSilent ? found + 1 : 0;
    return found >= lateLooks;
  };
}
