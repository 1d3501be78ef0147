// How many entries the record of a run has.
import type { JobId } from "../../../core/ids.ts";
import type { Context } from "../context.ts";

const LAST = `SELECT key FROM runs WHERE namespace = ? AND run = unhex(?, '-') AND key < x'' ORDER BY key DESC LIMIT 1`;

/**
 * The entries of a run whose row says `least`: none where it says none, and else at least so many. An entry that changes
 * nothing else of its run is one row in `runs` and no change of the row in `jobs`, which would cost as much again.
 */
export function countEntries(
  { connection, namespace }: Context,
  run: JobId,
  least: number,
): number {
  if (least === 0) return 0;
  const last = connection.first(LAST, namespace, run)?.[0];
  return last === undefined ? least : Math.max(least, Number(last) + 1);
}
