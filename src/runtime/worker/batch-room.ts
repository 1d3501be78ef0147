// Batches that can't fill: a worker runs fewer jobs at once than they may have, so each waits for all of its time.
import type { AnyJobType } from "../../core/define-job.ts";
import { formatDuration } from "../../core/duration.ts";
import type { Logger } from "../logging/logger.ts";

/** Tells of a type whose batches wait for more jobs than a worker of this concurrency runs of it at once. */
export function tellBatchRoom(
  { name, batch, concurrency: ofType }: Pick<AnyJobType, "name" | "batch" | "concurrency">,
  ofWorker: number,
  logger: Pick<Logger, "warn">,
): void {
  const concurrency = Math.min(ofWorker, ofType);
  // With no time to wait, the size is just the most that a batch may have.
  if (batch === undefined || batch.withinMs === 0 || batch.size <= concurrency) return;
  const raised = [
    ...(ofWorker < batch.size ? ["worker.concurrency"] : []),
    ...(ofType < batch.size ? ["the type's concurrency"] : []),
  ].join(" and ");
  logger.warn(
    { type: name, batchSize: batch.size, concurrency },
    `batches can't fill, so each waits for all of batch.within (${formatDuration(batch.withinMs)}): raise ${raised} to ${batch.size} or more, or lower batch.size to ${concurrency}`,
  );
}
