// Jobs as a table, for every command that lists some.
import type { JobView } from "../runtime/index.ts";
import { brief, clean, paintState, relativeTime, table } from "./output.ts";

/** Lines of a table of jobs, or the word that there are none. */
export function jobTable(jobs: readonly JobView[], nowMs: number): readonly string[] {
  if (jobs.length === 0) return ["no jobs"];
  return table(
    ["ID", "TYPE", "STATE", "ATTEMPT", "ENQUEUED", "DETAIL"],
    jobs.map((job) => [
      job.id,
      clean(job.type),
      paintState(job.state),
      job.attempt,
      relativeTime(job.enqueuedAt, nowMs),
      detailOf(job),
    ]),
  );
}

/** The one thing worth knowing of a job in a list. */
function detailOf(job: JobView): string {
  if (job.error !== null) return brief(job.error.message, 60);
  if (job.state === "running") return brief(job.progress, 60);
  if (job.state === "succeeded") return brief(job.result, 60);
  return brief(job.input, 60);
}
