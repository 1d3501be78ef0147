// What may be asked of a store about schedules: the same checks for every store, made before anything is sent.
import { wrongArgument } from "./arguments.ts";
import { MillraceError } from "./errors.ts";
import { isJobId } from "./ids.ts";
import {
  MAX_ENQUEUE_BATCH,
  MAX_IDS,
  MAX_PAGE,
  MAX_VALUE_BYTES,
  checkBytes,
  checkName,
  checkTags,
} from "./limits.ts";
import type {
  NewSchedule,
  ScheduleChange,
  ScheduleQuery,
  ScheduledJob,
  TickCommand,
} from "./schedule-record.ts";
import type { Tick } from "./schedule.ts";

/**
 * Checks changes of schedules, and gives the request back.
 *
 * @throws MillraceError `TOO_MANY`, `TOO_LARGE`, `INVALID_ARGUMENT`
 */
export function checkScheduleChanges<
  Request extends { readonly changes: readonly ScheduleChange[] },
>(request: Request): Request {
  checkCount(request.changes.length, MAX_IDS, "changes of schedules");
  for (const change of request.changes) {
    if (change.kind === "put") checkNewSchedule(change.schedule);
    else checkName(change.name, "schedule name");
    if (change.kind === "resume") checkTick(change.next, "next");
  }
  return request;
}

/**
 * Checks which schedules are asked for, and gives the query back.
 *
 * @throws MillraceError `TOO_MANY`, `INVALID_ARGUMENT`
 */
export function checkScheduleQuery(query: ScheduleQuery): ScheduleQuery {
  if (query.kind === "named") {
    checkCount(query.names.length, MAX_IDS, "names of schedules");
    for (const name of query.names) checkName(name, "schedule name");
  } else {
    checkWhole(query.limit, "limit", 1, MAX_PAGE);
  }
  return query;
}

/**
 * Checks ticks, and gives the request back.
 *
 * @throws MillraceError `TOO_MANY`, `INVALID_ARGUMENT`
 */
export function checkTicks<Request extends { readonly ticks: readonly TickCommand[] }>(
  request: Request,
): Request {
  checkCount(request.ticks.length, MAX_IDS, "ticks");
  let jobs = 0;
  for (const { name, fire, next, missed } of request.ticks) {
    checkName(name, "schedule name");
    checkTick(next, "next");
    checkWhole(missed, "missed", 0, Number.MAX_SAFE_INTEGER);
    jobs += fire.length;
    for (const { id, dueAtMs } of fire) {
      if (!isJobId(id)) throw wrongArgument("id", id, "a UUID in lower case");
      checkTime(dueAtMs, "dueAtMs");
    }
  }
  checkCount(jobs, MAX_ENQUEUE_BATCH, "jobs of ticks");
  return request;
}

function checkNewSchedule({ name, job, spec, next }: NewSchedule): void {
  checkName(name, "schedule name");
  checkBytes(spec, "spec", MAX_VALUE_BYTES);
  checkTick(next, "next");
  checkScheduledJob(job);
}

function checkScheduledJob(job: ScheduledJob): void {
  checkName(job.type, "type");
  checkName(job.queue, "queue");
  checkBytes(job.input, "input", MAX_VALUE_BYTES);
  checkTags(job.labels, "labels");
  checkTags(job.tags, "tags");
  if (job.headStartMs !== undefined) checkTime(job.headStartMs, "headStartMs");
  if (job.expireAfterMs !== undefined) checkTime(job.expireAfterMs, "expireAfterMs");
}

function checkTick(tick: Tick | null, field: string): void {
  if (tick === null) return;
  checkTime(tick.dueAtMs, `${field}.dueAtMs`);
  checkTime(tick.fireAtMs, `${field}.fireAtMs`);
}

function checkTime(value: number, field: string): void {
  if (!Number.isSafeInteger(value))
    throw wrongArgument(field, value, "a whole number of milliseconds");
}

function checkWhole(value: number, field: string, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw wrongArgument(field, value, `a whole number from ${least} to ${most}`);
  }
}

function checkCount(count: number, bound: number, what: string): void {
  if (count <= bound) return;
  throw new MillraceError("TOO_MANY", {
    message: `${count} ${what} in one call; at most ${bound} are allowed`,
  });
}
