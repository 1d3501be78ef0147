// When a worker that claims ahead has to ask for the rest of what it serves: runs, and jobs whose limits are tight.

/**
 * Longest time without a claim for all that is served, in milliseconds. For such a claim what is held has to begin first,
 * which costs two or three claims ahead: a few in a hundred where jobs end at once. Without it a worker whose other jobs
 * never ran out gave a job under a tight limit no slot at all, for as long as was watched (6 s, 250,000 jobs).
 */
const LONGEST_MS = 100;

/** The claims of one worker for all that it serves. Times are of a monotonic clock. */
export class WholeClaims {
  #lastAtMs = Number.NEGATIVE_INFINITY;

  /** There is a claim for all. */
  note(nowMs: number): void {
    this.#lastAtMs = nowMs;
  }

  /** Whether it is time for the next one. */
  isDue(nowMs: number): boolean {
    return nowMs - this.#lastAtMs >= LONGEST_MS;
  }
}
