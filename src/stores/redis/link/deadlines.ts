// Deadlines for many calls at the cost of one timer.
import { MillraceError } from "../../../core/errors.ts";
import { SlidingMap } from "../../../core/sliding-map.ts";

/** How late a deadline may be noticed. */
const TICK_MS = 50;

/** A deadline that passed. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

interface Waiting {
  readonly endAtMs: number;
  readonly fail: (error: unknown) => void;
}

/** Ends promises that take too long. A command of a lost connection may never settle by itself. */
export interface Deadlines {
  /** The promise, or a rejection `STORE_BUSY` at the deadline. */
  limit<Value>(promise: Promise<Value>, endAtMs: number): Promise<Value>;
  /** Ends all with `STORE_CLOSED`. */
  close(): void;
}

/** Makes deadlines by a monotonic clock. */
export function createDeadlines(now: () => number): Deadlines {
  const waiting = new SlidingMap<number, Waiting>();
  let calls = 0;
  let timer: NodeJS.Timeout | null = null;
  const tick = (): void => {
    const nowMs = now();
    for (const entry of waiting.values()) {
      if (entry.endAtMs <= nowMs) entry.fail(new NoAnswer("no answer"));
    }
    if (waiting.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
  return {
    limit: (promise, endAtMs) =>
      new Promise((resolve, reject) => {
        const call = (calls += 1);
        const entry: Waiting = {
          endAtMs,
          fail: (error) => {
            waiting.delete(call);
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        };
        waiting.set(call, entry);
        timer ??= setInterval(tick, TICK_MS);
        promise.then((value) => {
          waiting.delete(call);
          return resolve(value);
        }, entry.fail);
      }),
    close: () => {
      for (const entry of waiting.values()) entry.fail(new MillraceError("STORE_CLOSED"));
      tick();
    },
  };
}
