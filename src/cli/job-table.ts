// Jobs as a table, for every command that lists some.
import { messageWithCauses } from "../core/index.ts";
import type { JobView } from "../runtime/index.ts";
import { brief, clean, paintState, relativeTime, table, widthOf } from "./output.ts";

/** Columns of a job's detail where no terminal's edge bounds it, and the least that still tells something. */
const MAX_DETAIL_COLUMNS = 60;
const MIN_DETAIL_COLUMNS = 20;

/**
 * Lines of a table of jobs, or the word that there are none. The detail ends at the terminal's edge, since a row that
 * wraps is no row.
 */
export function jobTable(
  jobs: readonly JobView[],
  nowMs: number,
  columns: number | undefined = process.stdout.columns,
): readonly string[] {
  if (jobs.length === 0) return ["no jobs"];
  const lines = (detail: (job: JobView) => string): readonly string[] =>
    table(
      ["ID", "TYPE", "STATE", "ATTEMPT", "ENQUEUED", "DETAIL"],
      jobs.map((job) => [
        job.id,
        clean(job.type),
        paintState(job.state),
        job.attempt,
        relativeTime(job.enqueuedAt, nowMs),
        detail(job),
      ]),
    );
  const taken = widthOf(lines(() => "")[0] ?? "") - "DETAIL".length;
  const room = (columns ?? 0) > 0 ? (columns ?? 0) - taken : MAX_DETAIL_COLUMNS;
  return lines((job) => brief(detailOf(job), Math.max(MIN_DETAIL_COLUMNS, room)));
}

/** The one thing worth knowing of a job in a list. */
function detailOf(job: JobView): unknown {
  if (job.error !== null) return messageWithCauses(job.error);
  if (job.state === "running") return job.progress;
  if (job.state === "succeeded") return job.result;
  return job.input;
}
