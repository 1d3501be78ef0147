// How long an exchange waits for rooms that are silent while others answer.

/**
 * Of a Cluster one primary may be away for seconds while the others work. Far more than an answer takes on a busy
 * machine, flushes and replicas included; what is done twice by giving up too early is only asked for again.
 */
export const ROOM_PATIENCE_MS = 250;

/**
 * On a Cluster, how many times as long an exchange waits where nobody has answered yet: those that were not asked may
 * have work meanwhile. Longer, because a machine that is only slow lets all wait, and what is claimed too late is given
 * back. Without it an exchange that asked one room, of a primary that was killed, stood for the six seconds until
 * another had taken over, and its worker with it.
 */
const FIRST_ANSWER_FACTOR = 4;

/** How long an exchange waits where nobody has answered yet. Of one server all rooms are silent at once. */
export function firstAnswerMsOf(patienceMs: number, isCluster: boolean): number {
  return isCluster ? patienceMs * FIRST_ANSWER_FACTOR : Number.POSITIVE_INFINITY;
}

/** What a room answered; `null`: nothing yet. */
export type Outcome<Value> = PromiseSettledResult<Value> | null;

/**
 * Waits for all that is asked, but once something was answered not for the rest beyond the patience, and never for what
 * is known to be silent. Where nothing is answered the first answer, or the last failure, is waited for, for at most
 * `firstAnswerMs`. `hadAnswer`: there is something to go on with already, from what was asked before.
 */
export function outcomesOf<Value>(
  asked: readonly { readonly answer: Promise<Value>; readonly isSilent: boolean }[],
  patienceMs: number = ROOM_PATIENCE_MS,
  hadAnswer = false,
  firstAnswerMs: number = Number.POSITIVE_INFINITY,
): Promise<readonly Outcome<Value>[]> {
  const [only] = asked;
  if (only === undefined) return Promise.resolve([]);
  const isPatient = firstAnswerMs === Number.POSITIVE_INFINITY;
  if (asked.length === 1 && !only.isSilent && !hadAnswer && isPatient) {
    return Promise.allSettled([only.answer]);
  }
  const outcomes: Outcome<Value>[] = asked.map(() => null);
  return new Promise((resolve) => {
    let waitedFor = asked.filter(({ isSilent }) => !isSilent).length;
    let hasAnswer = hadAnswer;
    let isOver = false;
    let timer: NodeJS.Timeout;
    const end = (): void => {
      clearTimeout(timer);
      resolve([...outcomes]);
    };
    const look = (): void => {
      if (waitedFor === 0 || (isOver && hasAnswer)) end();
    };
    timer = setTimeout(() => {
      isOver = true;
      if (!isPatient) timer = setTimeout(end, Math.max(0, firstAnswerMs - patienceMs));
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
