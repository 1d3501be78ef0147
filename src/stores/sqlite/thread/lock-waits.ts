// Waits for the write lock: between attempts, and of those who would take it again and again.

/** Attempts that come soon after each other: most waits end within them. An attempt costs some 10 µs, so 1% of a core. */
const SOON_ATTEMPTS = 60;
const SOON_MAX_MS = 2;
/** Waits after them. */
const LATE_MAX_MS = 20;
const MIN_MS = 1;

/** How long to wait before the next attempt; drawn evenly, so that processes do not move in step. */
export function lockRetryMs(attempts: number, random: () => number = Math.random): number {
  const most = attempts < SOON_ATTEMPTS ? SOON_MAX_MS : LATE_MAX_MS;
  return MIN_MS + random() * (most - MIN_MS);
}

/**
 * How long a bulk order leaves the lock alone after each of its parts, so that whoever waits for it gets it: longer than
 * they wait between attempts. Taking it again at once let a part of 10 ms hold up another process's work for 370.
 */
export const LEAVE_LOCK_MS: number = SOON_MAX_MS + 1;
