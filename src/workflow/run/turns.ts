// Turns: between two things that runs are told, all that the first one caused has happened.

/** Something that takes turns. */
interface TurnTaker {
  /** Whether it has asked for one and waits for it. */
  isToTurn: boolean;
  turn(): void;
}

/** Gives turns: one for each that asked, when promises have settled. */
export interface Turns {
  ask(taker: TurnTaker): void;
}

/** How long turns may follow each other before the event loop goes on to timers and the disk: a long replay takes longer. */
const LONGEST_PASS_MS = 5;

/*
 * A replay tells a function the same things in the same order, so in the first run each must have had its consequences
 * before the next was told: whatever the function awaited meanwhile was settled already, so one pass of the event loop's
 * microtasks is all it takes. A tick comes when these are done. Runs share the passes: with a thousand in memory one
 * tick serves them all. In the same turn of the event loop, so that what a run says of a step that ended is there when
 * its worker settles the step: an exchange for both, where two turns later it took one each.
 */
export function createTurns(): Turns {
  let waiting: TurnTaker[] = [];
  let passSinceMs: number | null = null;
  const give = (): void => {
    const takers = waiting;
    waiting = [];
    for (const taker of takers) {
      taker.isToTurn = false;
      taker.turn();
    }
  };
  const endPass = (): void => {
    passSinceMs = null;
  };
  // A tick that is asked for in a tick comes before the microtasks; one asked for in a microtask, after the last of them.
  const giveAfterMicrotasks = (): void => process.nextTick(give);
  return {
    ask: (taker) => {
      if (taker.isToTurn) return;
      taker.isToTurn = true;
      if (waiting.length === 0) {
        const nowMs = performance.now();
        if (passSinceMs === null) {
          passSinceMs = nowMs;
          setImmediate(endPass);
        }
        if (nowMs - passSinceMs > LONGEST_PASS_MS) setImmediate(give);
        else queueMicrotask(giveAfterMicrotasks);
      }
      waiting.push(taker);
    },
  };
}
