// Which queues a store lists: those of which there is something to tell, so that a name given by mistake goes with what
// was done to it.
import type { LimitTable } from "./flow.ts";
import type { QueueRecord, TypeRecord, WorkerDescription } from "./store.ts";

/** Names of the queues that are listed without a job too: those of a job type, of a worker, or with a limit. */
export function namedQueues(named: {
  readonly types: Iterable<Pick<TypeRecord, "queue">>;
  readonly workers: Iterable<Pick<WorkerDescription, "queues">>;
  readonly limits?: LimitTable;
}): Set<string> {
  const names = new Set<string>(named.limits?.keys());
  for (const { queue } of named.types) names.add(queue);
  for (const { queues } of named.workers) for (const queue of queues) names.add(queue);
  return names;
}

/** Whether a queue is listed: it is named so, jobs of it are kept, or one of its doors is closed. */
export function isListedQueue(
  { name, counts, paused, draining }: QueueRecord,
  named: ReadonlySet<string>,
): boolean {
  const isClosed = paused !== null || (draining ?? null) !== null;
  return isClosed || named.has(name) || Object.values(counts).some((count) => count > 0);
}
