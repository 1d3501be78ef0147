// Timers for any duration: Node's own fire at once when they are asked to wait longer than 24.8 days.

/** Longest time that Node's timers take; a longer one fires at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/** Calls `run` after a time, however long. Gives back how to cancel it. */
export function startTimer(delayMs: number, run: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    const stepMs = Math.min(leftMs, MAX_TIMER_MS);
    timer = setTimeout(() => {
      if (stepMs < leftMs) wait(leftMs - stepMs);
      else run();
    }, stepMs);
  };
  wait(delayMs);
  return () => {
    clearTimeout(timer);
  };
}
