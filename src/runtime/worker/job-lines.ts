// The lines that a log gets of every job: when work on it begins, and how it ended.
import type { LogLevel } from "../../core/job.ts";
import type { ClaimedJob, SettleOutcome } from "../../core/store.ts";
import { type Logger, isEnabled } from "../logging/logger.ts";

/** The line of an end: how much it matters, and what it says. */
export const END_LINES: Readonly<
  Record<SettleOutcome["kind"] | "void", readonly [LogLevel, string]>
> = {
  succeeded: ["info", "job succeeded"],
  failed: ["error", "job failed"],
  retry: ["warn", "job failed and will be retried"],
  cancelled: ["warn", "job cancelled"],
  snooze: ["info", "job snoozed"],
  release: ["info", "job given back"],
  void: ["warn", "job abandoned"],
};

/** Writes a line about a job. */
export function sayOfJob(
  { logger, workerId }: { readonly logger: Logger; readonly workerId: () => string },
  { id: jobId, type, queue, attempt }: ClaimedJob,
  [level, message]: readonly [LogLevel, string],
  fields: object = {},
): void {
  if (!isEnabled(logger, level)) return;
  logger[level]({ jobId, type, queue, attempt, worker: workerId(), ...fields }, message);
}
