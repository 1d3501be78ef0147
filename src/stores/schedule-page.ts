// A page of schedules, cut by the store that reads all of them.
import type { SchedulePage, ScheduleQuery, ScheduleRecord } from "../core/schedule-record.ts";

/** The page that is asked for, of the schedules behind its cursor in the order of their names. */
export function cutSchedulePage(
  behind: readonly ScheduleRecord[],
  { filter, limit }: ScheduleQuery & { readonly kind: "page" },
  nowMs: number,
): SchedulePage {
  const fitting = behind.filter(
    ({ job }) =>
      (filter.type === undefined || filter.type === job.type) &&
      (filter.queue === undefined || filter.queue === job.queue),
  );
  const schedules = fitting.slice(0, limit);
  const last = schedules.at(-1);
  const page = { nowMs, schedules, lookAgainInMs: null };
  return fitting.length > limit && last !== undefined ? { ...page, cursor: last.name } : page;
}
