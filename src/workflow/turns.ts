// Turns: between two things that runs are told, all that the first one caused has happened.

/** Something that takes turns. */
interface TurnTaker {
  turn(): void;
}

/** Gives turns: one for each that asked, when promises have settled. */
export interface Turns {
  ask(taker: TurnTaker): void;
}

/*
 * A replay tells a function the same things in the same order, so in the first run each must have had its consequences
 * before the next was told: whatever the function awaited meanwhile was settled already, so one pass of the event loop's
 * microtasks is all it takes. Runs share the passes: with a thousand in memory one `setImmediate` serves them all.
 */
export function createTurns(): Turns {
  let waiting = new Set<TurnTaker>();
  const give = (): void => {
    const takers = waiting;
    waiting = new Set();
    for (const taker of takers) taker.turn();
  };
  return {
    ask: (taker) => {
      if (waiting.size === 0) setImmediate(give);
      waiting.add(taker);
    },
  };
}
