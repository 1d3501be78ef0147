// Queues and job types that nothing knows: a name may be given before its first job comes, and may as well be a slip of the hand.
import { nearNames } from "../core/near-names.ts";
import type { Operations } from "../runtime/index.ts";
import { clean } from "./output.ts";

/** Whether a queue is unknown, and what may have been meant. To be asked before it is made known. */
export interface QueueLook {
  readonly isKnown: boolean;
  /** Whether somebody paused or drained it. */
  readonly isClosed: boolean;
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
  const own = queues.find(({ name }) => name === queue);
  // A store that can't drain says nothing of it.
  const isClosed = own !== undefined && (own.paused !== null || (own.draining ?? null) !== null);
  return { isKnown: known.has(queue), isClosed, near: nearNames(queue, known) };
}

/** What an unknown queue means to whoever named it, and the command that takes back what was done, if any. */
export interface QueueWarning {
  readonly means: string;
  readonly undo?: string;
}

/** Tells on standard error that what was done to a queue does nothing yet. */
export function warnOfUnknown(
  queue: string,
  { isKnown, near }: QueueLook,
  { means, undo }: QueueWarning,
): void {
  if (isKnown) return;
  const back = undo === undefined ? "" : ` To take it back: millrace ${clean(undo)}`;
  console.error(
    `no job, job type or worker has the queue ${clean(queue)}: ${means}.${meant(near)}${back}`,
  );
}

/** Tells on standard error, where nothing was found, of a job type or queue that there is none of its name. */
export async function warnOfNothing(
  operations: Pick<Operations, "queues" | "types" | "workers">,
  { type, queue }: { readonly type?: string; readonly queue?: string },
): Promise<void> {
  if (type !== undefined) {
    const names = (await operations.types()).map(({ name }) => name);
    if (!names.includes(type)) {
      console.error(`no job type is named ${clean(type)}.${meant(nearNames(type, names))}`);
    }
  }
  if (queue === undefined) return;
  const { isKnown, near } = await lookForQueue(operations, queue);
  if (!isKnown) {
    console.error(`no job, job type or worker has the queue ${clean(queue)}.${meant(near)}`);
  }
}

function meant(near: readonly string[]): string {
  return near.length === 0 ? "" : ` Did you mean ${near.map(clean).join(" or ")}?`;
}
