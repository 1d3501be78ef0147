// Jobs for a list on the screen: pages are gone through until it is full, for a store may find few in one.
import type { JobPageView, JobQuery, JobView, Operations } from "../runtime/index.ts";
import { jobTable } from "./job-table.ts";
import { print } from "./output.ts";

/** How long is looked before what was found is shown: no longer than an operator takes for a command that hangs. */
const LOOKING_MS = 5_000;

/**
 * The next jobs of a query. Where no index answers a page may be short, or empty, and have a cursor: with a cursor and
 * fewer jobs than asked for, the time was over.
 */
export async function findJobs(
  operations: Operations,
  query: JobQuery & { readonly limit: number },
): Promise<JobPageView> {
  const endsAtMs = performance.now() + LOOKING_MS;
  const jobs: JobView[] = [];
  let cursor = query.cursor;
  do {
    const page = await operations.jobs({
      ...query,
      limit: query.limit - jobs.length,
      ...(cursor === undefined ? {} : { cursor }),
    });
    jobs.push(...page.jobs);
    ({ cursor } = page);
  } while (cursor !== undefined && jobs.length < query.limit && performance.now() < endsAtMs);
  return cursor === undefined ? { jobs } : { jobs, cursor };
}

/** Shows what was found, and tells where the time was over before the list was full. */
export function printFound({ jobs, cursor }: JobPageView, limit: number): void {
  const isCutShort = cursor !== undefined && jobs.length < limit;
  if (jobs.length > 0 || !isCutShort) print(...jobTable(jobs, Date.now()));
  if (isCutShort)
    print(`${jobs.length} found so far: no index answers this, and there are more to look at`);
}
