// Reads the whole record of a run, page by page.
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";
import type { RunFact } from "../../core/run.ts";
import type { CancelRequest } from "../../core/job.ts";
import type { Store } from "../../core/store.ts";

/** Rows asked for at a time: some hundred kilobytes of usual steps. */
const PAGE = 500;

/** All that is kept of a run beside its job. */
export interface RunRecord {
  readonly entries: readonly JsonText[];
  readonly facts: readonly RunFact[];
  readonly cancelReason: string | null;
}

/** Reads it; `null` where the job is not kept. */
export async function readRecord(
  store: Pick<Store, "readRun">,
  id: JobId,
): Promise<RunRecord | null> {
  const entries: JsonText[] = [];
  const facts: RunFact[] = [];
  let cancelRequest: CancelRequest | null = null;
  for (;;) {
    const page = await store.readRun({
      id,
      afterEntries: entries.length,
      afterFact: facts.at(-1)?.key ?? null,
      limit: PAGE,
    });
    if (page === null) return null;
    entries.push(...page.entries);
    facts.push(...page.facts);
    ({ cancelRequest } = page);
    if (!page.more) return { entries, facts, cancelReason: cancelRequest?.reason ?? null };
  }
}
