// Debounce: the newest input takes the place of that of a job that has not started.
import { debouncedDueAtMs } from "../../../core/flow.ts";
import type { EnqueueReply, NewJob } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { EXTRA } from "../extras.ts";
import { isLongInput } from "../documents.ts";
import { readJob, type StoredJob, writeInput, writeJob } from "../rows.ts";

/** Puts the input and the keys of a new job into one that waits, and puts that off. */
export function debounce(
  context: Context,
  id: string,
  job: NewJob,
  rule: { readonly waitMs: number; readonly longestMs: number },
): EnqueueReply | null {
  const before = readJob(context, id);
  if (before === null) return null;
  const { nowMs } = context;
  const dueAtMs = debouncedDueAtMs(rule, before.record.enqueuedAtMs, nowMs);
  const after: StoredJob = {
    ...before,
    extras: isLongInput(job.input) ? before.extras | EXTRA.input : before.extras & ~EXTRA.input,
    record: {
      ...before.record,
      dueAtMs,
      state: dueAtMs > nowMs ? "scheduled" : "ready",
      keys: (job.keys ?? []).map(({ limit, key }) => ({ limit, key })),
    },
  };
  writeInput(context, before, job.input);
  writeJob(context, before, after);
  return { id, state: after.record.state, isNew: false, because: "debounced" };
}
