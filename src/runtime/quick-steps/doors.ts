// Which job types' steps may be tried here before they are jobs: those whose queue the store was found to leave open.

/**
 * For so long after the store handed over a child of a type at once, its queue is taken to be open, with nothing in it
 * that waits: a pause, and limits set by hand, are followed within a second.
 */
const OPEN_FOR_MS = 500;
/** From this age on one step asks again, while others go on. */
const ASK_AFTER_MS = 250;
/** An answer that takes longer is not waited for: the run that asked may have left the memory. */
const LONGEST_ANSWER_MS = 100;
/** Where others wait, or something holds the queue, its steps are jobs for so long. */
export const CROWDED_FOR_MS = 100;
/** A type whose step did not end soon is slow: each second one of its steps is tried. */
export const SLOW_FOR_MS = 1_000;

interface Door {
  openAtMs: number;
  askedAtMs: number;
  closedUntilMs: number;
}

/** A door for each job type. Times are those of a monotonic clock. */
export class Doors {
  readonly #doors = new Map<string, Door>();

  /** Whether its steps may be tried at all, once the store has said that its queue is open. */
  isClosed(type: string, nowMs: number): boolean {
    return nowMs < this.#of(type).closedUntilMs;
  }

  isOpen(type: string, nowMs: number): boolean {
    const { openAtMs, closedUntilMs } = this.#of(type);
    return nowMs - openAtMs <= OPEN_FOR_MS && nowMs >= closedUntilMs;
  }

  /** Whether the next step of the type is to be a job, by which the store is asked. */
  isToBeAsked(type: string, nowMs: number): boolean {
    return nowMs - this.#of(type).openAtMs > ASK_AFTER_MS && !this.isAsking(type, nowMs);
  }

  isAsking(type: string, nowMs: number): boolean {
    return nowMs - this.#of(type).askedAtMs <= LONGEST_ANSWER_MS;
  }

  ask(type: string, nowMs: number): void {
    this.#of(type).askedAtMs = nowMs;
  }

  /** The store handed over a child at once. */
  open(type: string, nowMs: number): void {
    const door = this.#of(type);
    door.openAtMs = nowMs;
    door.askedAtMs = -Infinity;
  }

  close(type: string, untilMs: number): void {
    const door = this.#of(type);
    door.openAtMs = -Infinity;
    door.askedAtMs = -Infinity;
    door.closedUntilMs = Math.max(door.closedUntilMs, untilMs);
  }

  /** How many types the store is being asked about. */
  countAsking(nowMs: number): number {
    let count = 0;
    for (const type of this.#doors.keys()) if (this.isAsking(type, nowMs)) count += 1;
    return count;
  }

  /** The step by which it was to be asked found no slot. */
  unask(type: string): void {
    this.#of(type).askedAtMs = -Infinity;
  }

  #of(type: string): Door {
    let door = this.#doors.get(type);
    if (door === undefined) {
      door = { openAtMs: -Infinity, askedAtMs: -Infinity, closedUntilMs: -Infinity };
      this.#doors.set(type, door);
    }
    return door;
  }
}
