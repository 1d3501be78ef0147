// Queues that nothing knows: a name may be given before its first job comes, and may as well be a slip of the hand.
import type { Operations } from "../runtime/index.ts";
import { nearNames } from "./near-names.ts";
import { clean } from "./output.ts";

/** Whether a queue is unknown, and what may have been meant. To be asked before it is made known. */
export interface QueueLook {
  readonly isKnown: boolean;
  readonly near: readonly string[];
}

/** Looks whether any job, job type or worker has a queue. */
export async function lookForQueue(
  operations: Pick<Operations, "queues" | "types" | "workers">,
  queue: string,
): Promise<QueueLook> {
  const [queues, types, workers] = await Promise.all([
    operations.queues(),
    operations.types(),
    operations.workers(),
  ]);
  const used = queues.filter(({ counts }) => Object.values(counts).some((count) => count > 0));
  const known = new Set([
    ...used.map(({ name }) => name),
    ...types.map((type) => type.queue),
    ...workers.flatMap((worker) => worker.queues),
  ]);
  return { isKnown: known.has(queue), near: nearNames(queue, known) };
}

/** Tells on standard error that what was done to a queue does nothing yet. `undo`: the command that takes it back. */
export function warnOfUnknown(queue: string, { isKnown, near }: QueueLook, undo: string): void {
  if (isKnown) return;
  const meant = near.length === 0 ? "" : ` Did you mean ${near.map(clean).join(" or ")}?`;
  console.error(
    `no job, job type or worker has the queue ${clean(queue)}: this holds from when one does.${meant} To take it back: millrace ${clean(undo)}`,
  );
}
