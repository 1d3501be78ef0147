// What steps came to that was put away: read before the function is told of it.
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { type Ending, type RunFact, writeEnding } from "../../core/run.ts";
import type { RoomParts } from "../../runtime/index.ts";
import type { Item } from "../record/record.ts";

/** What reading needs. */
export type EndingValues = Pick<RoomParts["values"], "read" | "isAwayParsed">;

/**
 * The ending with what the child came to.
 *
 * @throws MillraceError `BLOB_MISSING`, `BLOB_FAILED`
 */
export async function readEnding(
  values: EndingValues,
  child: JobId,
  ending: Ending,
): Promise<Ending> {
  const text = await values.read(child, JSON.stringify(ending.result));
  return { ...ending, result: JSON.parse(text) as unknown };
}

/** The facts of a record as far as they can be read. */
export interface ReadFacts {
  readonly facts: readonly RunFact[];
  /** Children whose results are gone. */
  readonly missing: ReadonlyMap<JobId, MillraceError>;
}

/**
 * Reads what the facts of a record refer to.
 *
 * @throws MillraceError `BLOB_FAILED`
 */
export async function readFacts(
  values: EndingValues,
  facts: readonly RunFact[],
): Promise<ReadFacts> {
  const read: RunFact[] = [];
  const missing = new Map<JobId, MillraceError>();
  for (const fact of facts) {
    const ending = fact.kind === "ended" ? (JSON.parse(fact.body) as Ending) : null;
    if (ending === null || !values.isAwayParsed(ending.result)) {
      read.push(fact);
      continue;
    }
    try {
      const { result, ...rest } = await readEnding(values, fact.key, ending);
      read.push({ ...fact, body: writeEnding(rest, JSON.stringify(result)) });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "BLOB_MISSING") throw error;
      missing.set(fact.key, error);
      read.push(fact);
    }
  }
  return { facts: read, missing };
}

/** Why a run can't be gone through again: it was told a result that is gone since. `null`: it can. */
export function lostAnswer(
  items: readonly Item[],
  missing: ReadFacts["missing"],
): MillraceError | null {
  if (missing.size === 0) return null;
  const told = new Set(items.flatMap((item) => (item.kind === "got" ? item.steps : [])));
  for (const item of items) {
    if (item.kind !== "job" || item.jobId === null || !told.has(item.step)) continue;
    const error = missing.get(item.jobId);
    if (error !== undefined) return error;
  }
  return null;
}
