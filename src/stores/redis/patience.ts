// How long an exchange waits for rooms that are silent while others answer.

/**
 * Of a Cluster one primary may be away for seconds while the others work. Far more than an answer takes on a busy
 * machine, flushes and replicas included; what is done twice by giving up too early is only asked for again.
 */
export const ROOM_PATIENCE_MS = 250;

/** What a room answered; `null`: nothing yet. */
export type Outcome<Value> = PromiseSettledResult<Value> | null;

/**
 * Waits for all that is asked, but once something was answered not for the rest beyond the patience, and never for what
 * is known to be silent. Where nothing is answered there is nothing to go on with: then the first answer, or the last
 * failure, is waited for. `hadAnswer`: there is something to go on with already, from what was asked before.
 */
export function outcomesOf<Value>(
  asked: readonly { readonly answer: Promise<Value>; readonly isSilent: boolean }[],
  patienceMs: number = ROOM_PATIENCE_MS,
  hadAnswer = false,
): Promise<readonly Outcome<Value>[]> {
  const [only] = asked;
  if (only === undefined) return Promise.resolve([]);
  if (asked.length === 1 && !only.isSilent && !hadAnswer) return Promise.allSettled([only.answer]);
  const outcomes: Outcome<Value>[] = asked.map(() => null);
  return new Promise((resolve) => {
    let waitedFor = asked.filter(({ isSilent }) => !isSilent).length;
    let hasAnswer = hadAnswer;
    let isOver = false;
    const look = (): void => {
      if (waitedFor > 0 && !(isOver && hasAnswer)) return;
      clearTimeout(timer);
      resolve([...outcomes]);
    };
    const timer = setTimeout(() => {
      isOver = true;
      look();
    }, patienceMs);
    for (const [index, { answer, isSilent }] of asked.entries()) {
      const note = (outcome: PromiseSettledResult<Value>): void => {
        outcomes[index] = outcome;
        if (!isSilent) waitedFor -= 1;
        hasAnswer ||= outcome.status === "fulfilled";
        look();
      };
      answer.then(
        (value) => note({ status: "fulfilled", value }),
        (reason: unknown) => note({ status: "rejected", reason }),
      );
    }
    look();
  });
}
