// A collection as a job type: submitted, watched, cancelled and scheduled like any other job.
import { type OptionNames, checkOptions } from "../../core/arguments.ts";
import { z } from "zod";
import { type JobContext, type JobType, defineJob } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { RETRY_NAMES, type RetryOptions } from "../../core/retry.ts";
import { MAX_MEMBERS, wholeNumber } from "../supervisor/policy.ts";
import { startCollection } from "./collection.ts";
import { COLLECT_NAMES, checkCollectOptions } from "./options.ts";
import type { CollectOptions } from "./options.ts";
import type { CollectReport, CollectResult } from "./report.ts";

/** What a job of the type asks for. The program is never part of it: who may enqueue may not choose what runs. */
export interface CollectInput {
  readonly samples: number;
  /** Most members at one time. The type's bound by default. */
  readonly workers?: number | undefined;
  /** When the samples are wanted, from the first spawn; a late collection succeeds and says so. */
  readonly within?: number | string | undefined;
}

/** How far a collection is: what the job's progress shows. */
export type CollectProgress = Pick<
  CollectReport,
  "count" | "wanted" | "elapsedMs" | "crashes" | "restarts" | "stalls"
>;

/** What the developer says of the type. */
export interface CollectJobOptions extends Omit<
  CollectOptions<number>,
  "samples" | "workers" | "within" | "signal"
> {
  /** The job type's name. */
  readonly name: string;
  /** Most members that a job may ask for. */
  readonly maxWorkers: number;
  /** Most samples that a job may ask for. Default 10,000, which as a result is under 100 kB. */
  readonly maxSamples?: number;
  /** Collections of this type that one worker process runs at once. Default 1: each is a fleet of its own. */
  readonly concurrency?: number;
  readonly retry?: RetryOptions;
}

const {
  samples: _samples,
  workers: _workers,
  within: _within,
  signal: _signal,
  ...OF_A_COLLECTION
} = COLLECT_NAMES;
const COLLECT_JOB_NAMES: OptionNames<CollectJobOptions> = {
  ...OF_A_COLLECTION,
  name: true,
  maxWorkers: true,
  maxSamples: true,
  concurrency: true,
  retry: RETRY_NAMES,
};

const DEFAULT_MAX_SAMPLES = 10_000;
/** A result of numbers this long is within the bound on results. */
const MAX_SAMPLES = 30_000;
const PROGRESS_EVERY_MS = 250;

/**
 * Declares a job type that collects samples.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 * @example
 * const collectNumbers = defineCollectJob({
 *   name: "collect-numbers",
 *   command: "./worker -workerId {id} -port {port}",
 *   url: "http://localhost:{port}/rnd?n={n}",
 *   maxWorkers: 16,
 * });
 * await mill.enqueue(collectNumbers, { samples: 150, within: "10s" });
 */
export function defineCollectJob(
  options: CollectJobOptions,
): JobType<CollectInput, CollectInput, CollectResult<number>> {
  const {
    name,
    maxWorkers,
    maxSamples = DEFAULT_MAX_SAMPLES,
    concurrency = 1,
    retry,
    ...collection
  } = checkOptions(options, "options", COLLECT_JOB_NAMES);
  wholeNumber(maxWorkers, "maxWorkers", 1, MAX_MEMBERS);
  wholeNumber(maxSamples, "maxSamples", 1, MAX_SAMPLES);
  checkCollectOptions({ ...collection, samples: maxSamples, workers: maxWorkers });
  return defineJob({
    name,
    concurrency,
    ...(retry === undefined ? {} : { retry }),
    input: z.object({
      samples: z.int().min(1).max(maxSamples),
      workers: z.int().min(1).max(maxWorkers).optional(),
      within: z.union([z.number(), z.string()]).optional(),
    }),
    run: (context: JobContext<CollectInput>) => runCollection(collection, maxWorkers, context),
  });
}

async function runCollection(
  options: Omit<CollectOptions<number>, "samples" | "workers" | "within" | "signal">,
  maxWorkers: number,
  { input, signal, progress, log }: JobContext<CollectInput>,
): Promise<CollectResult<number>> {
  const { samples, workers = maxWorkers, within } = input;
  const wish = within === undefined ? {} : { within };
  const collection = startCollection({ ...options, ...wish, samples, workers, signal });
  collection.subscribe((event) => {
    if (event.type === "crashed" || event.type === "failed" || event.type === "degraded") {
      log.warn(`member ${event.member} ${event.type}: ${event.reason}`, { member: event.member });
    }
  });
  const timer = setInterval(() => progress(progressOf(collection.snapshot())), PROGRESS_EVERY_MS);
  const result = await collection.result.finally(() => clearInterval(timer));
  signal.throwIfAborted();
  if (result.outcome !== "incomplete") return result;
  throw new MillraceError("LAUNCH_FAILED", {
    message: `only ${result.count} of ${samples} samples came: ${result.problem}`,
    details: progressOf(result),
  });
}

function progressOf(report: CollectReport): CollectProgress & Record<string, unknown> {
  const { count, wanted, elapsedMs, crashes, restarts, stalls } = report;
  return { count, wanted, elapsedMs, crashes, restarts, stalls };
}
