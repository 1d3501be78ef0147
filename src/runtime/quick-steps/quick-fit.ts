// Which steps can be tried before they are jobs, and which of them can end so.
import type { AnyJobType } from "../../core/define-job.ts";
import { DEFAULT_MAX_CRASHES } from "../../core/limits.ts";
import type { NewJob, SettleOutcome } from "../../core/store.ts";
import { isReference } from "../blobs/index.ts";
import type { LastWords } from "../worker/reporter.ts";

/** Longest result kept with the word of its run, in UTF-16 units: a longer one is told of by the store, once. */
const MAX_QUICK_RESULT = 16 * 1_024;

/** Whether nothing about a type is for the store to judge. */
export function isSuited({ workflow, flow, maxCrashes }: AnyJobType): boolean {
  if (workflow !== undefined || flow.limits.length > 0) return false;
  // Who bounds the deaths of workers has them counted from the first try on.
  return maxCrashes === DEFAULT_MAX_CRASHES;
}

/** Nothing holds it apart from others of its type and queue, and nothing is to be kept of it. */
export function isPlain(child: NewJob): boolean {
  return (
    child.headStartMs === undefined &&
    child.labels === undefined &&
    child.delayMs === undefined &&
    child.runAtMs === undefined &&
    child.expireAfterMs === undefined &&
    child.idempotency === undefined &&
    child.keys === undefined &&
    child.unique === undefined &&
    child.retention === undefined &&
    !isReference(child.input)
  );
}

/** Whether the record of its run has room for how it ended, and says all. */
export function isShort(outcome: SettleOutcome, { progress, logs }: LastWords): boolean {
  if (progress !== undefined || logs !== undefined) return false;
  if (outcome.kind === "cancelled") return true;
  return (
    outcome.kind === "succeeded" &&
    outcome.result.length <= MAX_QUICK_RESULT &&
    !isReference(outcome.result)
  );
}
