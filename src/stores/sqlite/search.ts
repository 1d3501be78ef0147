// Searching: the jobs that a filter fits, by the best index, and by looking at the rest of what it asks.
import { examinedParts, matches } from "../../core/matching.ts";
import type { ChangeStep, JobFilter, JobPage, ListRequest } from "../../core/store.ts";
import type { Context } from "./context.ts";
import { type IdPage, type Through, findIds, indexedPart } from "./list.ts";
import { COLUMNS, decodeRow, type StoredJob } from "./rows.ts";

/** Jobs looked at in one step at most where no index answers: about 30 ms. */
const MAX_EXAMINED = 2_000;
/** Jobs looked at between two counts of what was found. */
const EXAMINED_AT_A_TIME = 250;

/** One page. It may be short, or empty, and have a cursor nevertheless. */
export function list(context: Context, request: ListRequest): JobPage {
  const found = searchJobs(context, request.filter, {
    limit: request.limit,
    cursor: request.cursor ?? null,
  });
  const jobs = found.jobs.map(({ record }) => record);
  return found.cursor === null ? { jobs } : { jobs, cursor: found.cursor };
}

/** Jobs of one step. */
export interface Found {
  readonly jobs: readonly StoredJob[];
  readonly examined: number;
  /** Where the next step begins, exclusively; `null` on the last one. */
  readonly cursor: string | null;
}

/** Which page is looked for, and until when. */
export interface Search {
  readonly limit: number;
  readonly cursor: string | null;
  readonly through?: Through;
  readonly isOver?: () => boolean;
}

/**
 * The next jobs that a filter fits, newest first. It may find few, or none, and have a cursor nevertheless: where no
 * index answers it looks at so many, or until it is told that time is over.
 */
export function searchJobs(
  context: Context,
  filter: JobFilter,
  { limit, cursor, through = "a page", isOver = () => false }: Search,
): Found {
  if (!hasExamined(filter)) {
    const page = findIds(context, filter, limit, cursor, through);
    return { jobs: readAll(context, page), examined: page.examined, cursor: page.cursor };
  }
  const jobs: StoredJob[] = [];
  let from = cursor;
  let examined = 0;
  do {
    const page = findIds(context, filter, EXAMINED_AT_A_TIME, from, through);
    for (const job of readAll(context, page)) {
      examined += 1;
      from = job.record.id.replaceAll("-", "");
      if (!matches(job.record, filter)) continue;
      jobs.push(job);
      if (jobs.length === limit) return { jobs, examined, cursor: from };
    }
    // A page may have looked at many rows to find few.
    examined += Math.max(0, page.examined - page.ids.length);
    if (page.cursor === null) return { jobs, examined, cursor: null };
    from = page.cursor;
  } while (examined < MAX_EXAMINED && !isOver());
  return { jobs, examined, cursor: from };
}

/** Counts the next jobs that a filter fits, at most so many. */
export function countMatching(
  context: Context,
  filter: JobFilter,
  limit: number,
  cursor: string | null,
): ChangeStep {
  const { count, examined, next } = hasExamined(filter)
    ? counted(searchJobs(context, filter, { limit, cursor }))
    : countIds(findIds(context, filter, limit, cursor));
  const unindexed = unindexedParts(filter);
  return {
    matched: count,
    changed: 0,
    examined,
    unindexed,
    ...(next === null ? {} : { cursor: next }),
  };
}

interface Counted {
  readonly count: number;
  readonly examined: number;
  readonly next: string | null;
}

function counted({ jobs, examined, cursor }: Found): Counted {
  return { count: jobs.length, examined, next: cursor };
}

function countIds({ ids, examined, cursor }: IdPage): Counted {
  return { count: ids.length, examined, next: cursor };
}

/** Parts of a filter that are answered by looking at jobs. */
export function unindexedParts(filter: JobFilter): readonly (keyof JobFilter)[] {
  const indexed = indexedPart(filter);
  return examinedParts(filter, indexed === null ? [] : [indexed]);
}

/** Whether jobs must be looked at to know whether a filter fits them. */
export function hasExamined(filter: JobFilter): boolean {
  return unindexedParts(filter).length > 0;
}

/** Jobs by their ids as the tables have them. */
export function readAll(context: Context, { ids }: Pick<IdPage, "ids">): StoredJob[] {
  const jobs: StoredJob[] = [];
  for (const id of ids) {
    const row = context.connection.first(
      `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND id = ?`,
      context.namespace,
      id,
    );
    if (row !== undefined) jobs.push(decodeRow(context, row));
  }
  return jobs;
}
