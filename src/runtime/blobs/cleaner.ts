// Removes large values whose jobs are kept no longer, a page at a time.
import type { JobRecord } from "../../core/job.ts";
import type { Store } from "../../core/store.ts";
import type { Logger } from "../logging/logger.ts";
import { toErrorRecord } from "../../core/errors.ts";
import type { BlobEntry, BlobStore } from "./blob-store.ts";
import { refersTo } from "./large-values.ts";

/** Values looked at in one step. */
const PAGE = 500;
/** Time between two steps; processes that work share the pages among them by chance. */
const STEP_INTERVAL_MS = 30_000;
const JITTER = 0.2;
/**
 * A value is put before its job is enqueued, and before the settlement that refers to it: a young one is let be, for
 * longer than any call to a store is tried.
 */
const YOUNG_MS = 600_000;

/** Cleans up as long as this process works. Starting and stopping twice is harmless. */
export interface BlobCleaner {
  start(): void;
  stop(): Promise<void>;
}

/** One step: gives where the next one begins, and how many values were removed. */
export async function cleanPage(
  { blobs, store }: { readonly blobs: BlobStore; readonly store: Pick<Store, "get"> },
  cursor: string | undefined,
  { nowMs, youngMs = YOUNG_MS }: { readonly nowMs: number; readonly youngMs?: number },
): Promise<{ readonly cursor: string | undefined; readonly removed: number }> {
  const page = await blobs.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
  const old = page.blobs.filter(({ atMs }) => nowMs - atMs >= youngMs);
  const ids = [...new Set(old.map(({ job }) => job))];
  const records = ids.length === 0 ? [] : await store.get({ ids });
  const kept = new Map(ids.map((id, index) => [id, records[index] ?? null]));
  const orphans = old.filter((blob) => !isReferred(blob, kept.get(blob.job) ?? null));
  if (orphans.length > 0) await blobs.remove({ blobs: orphans });
  return { cursor: page.cursor, removed: orphans.length };
}

function isReferred({ name }: BlobEntry, job: JobRecord | null): boolean {
  return job !== null && refersTo(job, name);
}

/** Makes the cleaner of a process. */
export function createBlobCleaner(parts: {
  readonly blobs: BlobStore;
  readonly store: Pick<Store, "get">;
  readonly logger: Logger;
}): BlobCleaner {
  let cursor: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let cleaning: Promise<void> | undefined;
  const clean = async (): Promise<void> => {
    try {
      const step = await cleanPage(parts, cursor, { nowMs: Date.now() });
      ({ cursor } = step);
      if (step.removed > 0) {
        parts.logger.debug({ removed: step.removed }, "large values of removed jobs removed");
      }
    } catch (error) {
      parts.logger.warn({ error: toErrorRecord(error) }, "large values not cleaned up");
    }
  };
  const plan = (): void => {
    const delayMs = STEP_INTERVAL_MS * (1 + JITTER * (Math.random() * 2 - 1));
    timer = setTimeout(() => {
      cleaning = clean().then(() => {
        if (timer !== undefined) plan();
        return undefined;
      });
    }, delayMs);
    timer.unref();
  };
  return {
    start: () => {
      if (timer === undefined) plan();
    },
    stop: async () => {
      clearTimeout(timer);
      timer = undefined;
      await cleaning;
    },
  };
}
