// Whether what one member owes would come sooner from another that has nothing to do.

/** What is known of a member's samples. Times of the monotonic clock. */
export interface Giver {
  /** Samples it was asked for and has not given; 0 for a member with nothing to do. */
  readonly owed: number;
  /** When it was asked for them. */
  readonly askedAtMs: number;
  /** Its last sample since it was started; undefined for a fresh one, whose first sample comes at once. */
  readonly lastSampleAtMs: number | undefined;
}

/** A member may be late by half a pace, and by this: a busy machine holds anybody up for so long. */
const LEAST_TOLERANCE_MS = 100;
/** To ask another costs a connection, and a guess of when a sample comes is a few milliseconds wrong. */
const LEAST_GAIN_MS = 20;
const LEAST_GAIN_PACES = 0.05;

/** When the next sample comes, or should have come. */
function nextAtMs({ lastSampleAtMs, askedAtMs }: Giver, paceMs: number): number {
  return lastSampleAtMs === undefined ? askedAtMs : lastSampleAtMs + paceMs;
}

/** From when on a member that owes a sample is not to be counted on. */
function overdueAtMs(giver: Giver, paceMs: number): number {
  return nextAtMs(giver, paceMs) + Math.max(LEAST_TOLERANCE_MS, paceMs / 2);
}

/** When all that it owes will have come. */
function doneAtMs(giver: Giver, paceMs: number, nowMs: number): number {
  if (nowMs >= overdueAtMs(giver, paceMs)) return Number.POSITIVE_INFINITY;
  return Math.max(nowMs, nextAtMs(giver, paceMs)) + (giver.owed - 1) * paceMs;
}

/**
 * The member whose share is to be cut anew because `free` would give a part of it sooner: the one
 * that would be done last. Undefined when nothing is to be gained.
 */
export function chooseSlowest<Busy extends Giver>(
  free: Giver,
  busy: readonly Busy[],
  paceMs: number,
  nowMs: number,
): Busy | undefined {
  let slowest: Busy | undefined;
  let latestMs = Math.max(nowMs, nextAtMs({ ...free, askedAtMs: nowMs }, paceMs));
  latestMs += Math.max(LEAST_GAIN_MS, LEAST_GAIN_PACES * paceMs);
  for (const giver of busy) {
    const doneMs = doneAtMs(giver, paceMs, nowMs);
    if (giver.owed === 0 || doneMs <= latestMs) continue;
    slowest = giver;
    latestMs = doneMs;
  }
  return slowest;
}

/** When one of them will be overdue if it stays silent; undefined when all are or nobody owes. */
export function nextOverdueAtMs(
  busy: readonly Giver[],
  paceMs: number,
  nowMs: number,
): number | undefined {
  const later = busy
    .filter((giver) => giver.owed > 0)
    .map((giver) => overdueAtMs(giver, paceMs))
    .filter((timeMs) => timeMs > nowMs);
  return later.length === 0 ? undefined : Math.min(...later);
}
