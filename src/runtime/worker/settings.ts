// Reads and checks the worker options.
import {
  type OptionNames,
  checkList,
  checkOptions,
  tellValue,
  wrongArgument,
} from "../../core/arguments.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { checkName, checkTags } from "../../core/limits.ts";
import type { WorkerOptions } from "../millrace.ts";

/** The worker's options, read and checked. */
export interface WorkerSettings {
  readonly concurrency: number;
  readonly queues: readonly string[] | undefined;
  readonly labels: readonly string[];
  readonly leaseDurationMs: number;
  readonly sweepIntervalMs: number;
  readonly shutdownGraceMs: number;
  readonly pollIntervalMs: number;
}

const WORKER_NAMES: OptionNames<WorkerOptions> = {
  concurrency: true,
  queues: true,
  labels: true,
  leaseDuration: true,
  sweepInterval: true,
  shutdownGrace: true,
  pollInterval: true,
};

/** Handlers mostly wait for others, so several at once are no burden; a heavy type says its own `concurrency`. */
const DEFAULT_CONCURRENCY = 10;
/** Most jobs at once in one process: each holds memory, and beyond this more processes serve better. */
const MAX_CONCURRENCY = 100_000;
/** Shorter leases would end in a long garbage collection or a busy disk. */
const MIN_LEASE_MS = 1_000;

/** @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION` or `TOO_MANY`, naming the field */
export function readWorkerSettings(options: WorkerOptions = {}): WorkerSettings {
  checkOptions(options, "worker", WORKER_NAMES);
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `worker.concurrency is ${tellValue(concurrency)}; expected a whole number from 1 to ${MAX_CONCURRENCY}`,
    });
  }
  const leaseDurationMs = parseDuration(options.leaseDuration ?? "30s", "worker.leaseDuration");
  if (leaseDurationMs < MIN_LEASE_MS) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `worker.leaseDuration is ${leaseDurationMs} ms; expected at least ${MIN_LEASE_MS} ms`,
    });
  }
  return {
    concurrency,
    queues:
      options.queues &&
      checkList(options.queues, "worker.queues", "names").map((queue) =>
        checkName(queue, "worker.queues"),
      ),
    labels: checkTags(options.labels, "worker.labels"),
    leaseDurationMs,
    sweepIntervalMs: readInterval(options.sweepInterval, "worker.sweepInterval"),
    shutdownGraceMs: parseDuration(options.shutdownGrace ?? "25s", "worker.shutdownGrace"),
    pollIntervalMs: readInterval(options.pollInterval, "worker.pollInterval"),
  };
}

/** An interval of none would have the loop do nothing else. */
function readInterval(interval: Duration = "5s", field: string): number {
  const intervalMs = parseDuration(interval, field);
  if (intervalMs < 1) throw wrongArgument(field, interval, "at least 1 ms");
  return intervalMs;
}
