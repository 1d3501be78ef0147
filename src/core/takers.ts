// Who could take a job, and what else they take: which of the jobs that wait are before it.
import type { JobRecord } from "./job.ts";
import type { Taker, WorkerRecord } from "./store.ts";

/** Most kinds of workers that are told apart: a fleet has few, and each is a list of types in a call. */
const MAX_TAKERS = 100;

/**
 * The workers that could take a job, by what they take, each kind once. Where there is none: one that takes any type and
 * offers just the labels which the job requires.
 */
export function takersOf(
  { queue, type, labels }: Pick<JobRecord, "queue" | "type" | "labels">,
  workers: readonly Pick<WorkerRecord, "queues" | "types" | "labels">[],
): readonly Taker[] {
  const own = { type, labels };
  const kinds = new Map<string, Taker>();
  for (const worker of workers) {
    if (!worker.queues.includes(queue) || !isTaken(own, [worker])) continue;
    const taker = { types: [...worker.types].sort(), labels: [...worker.labels].sort() };
    kinds.set(JSON.stringify(taker), taker);
    if (kinds.size === MAX_TAKERS) break;
  }
  return kinds.size === 0 ? [{ labels }] : [...kinds.values()];
}

/** Whether one of them would claim a job of this type that requires these labels. */
export function isTaken(
  { type, labels }: Pick<JobRecord, "type" | "labels">,
  takers: readonly Taker[],
): boolean {
  return takers.some(
    (taker) =>
      (taker.types === undefined || taker.types.includes(type)) &&
      labels.every((label) => taker.labels.includes(label)),
  );
}
