// The door of the schedule room: rhythms, their ticks, and the part that fires them.
export { MAX_SEARCH_MONTHS } from "./cron.ts";
export { MAX_SEARCH_STEPS, type Due, type DueSearch } from "./next-tick.ts";
export { describeSchedule } from "./prose.ts";
export { createSchedules, type Schedules } from "./schedules.ts";
export { createScheduler, type Scheduler, type SchedulerParts } from "./scheduler.ts";
export { readSchedule } from "./spec.ts";
export { SCHEDULE_TAG_PREFIX, tickJitterMs, tickJobId, tickOf, type TickOfJob } from "./tick-id.ts";
export {
  MAX_PREVIEW,
  MISSED_AFTER_MS,
  createTimetable,
  planTicks,
  previewTicks,
  type TickPlan,
  type Timetable,
} from "./timetable.ts";
