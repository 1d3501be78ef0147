// Schedules: one row each, changed by the pure transitions; a tick and its jobs are one transaction.
import { isTerminal } from "../../core/job.ts";
import {
  changeSchedule,
  firesAtMs,
  nameOfChange,
  tickSchedule,
} from "../../core/schedule-transitions.ts";
import type {
  ScheduleChange,
  ScheduleChangeReply,
  SchedulePage,
  ScheduleQuery,
  ScheduleRecord,
  ScheduledJob,
  TickCommand,
  TickReply,
} from "../../core/schedule-record.ts";
import type { Row } from "./thread/connection.ts";
import { type Context, decodeRetention, encodeRetention } from "./context.ts";
import { enqueue } from "./enqueue.ts";
import { readJob } from "./rows.ts";

/*
 * `fire_at` is NULL where nothing fires (over, paused), and only the others are in the index of what is due. What is
 * said of a schedule (`definition`) and what happens to it (`life`) are two columns, so that a tick writes the second.
 */
const COLUMNS = "name, definition, life";
const PUT = `INSERT INTO schedules (namespace, name, type, queue, fire_at, definition, life) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET type = excluded.type, queue = excluded.queue, fire_at = excluded.fire_at,
  definition = excluded.definition, life = excluded.life`;

/** Keeps, pauses, resumes and removes schedules, in their order. */
export function changeSchedules(
  context: Context,
  changes: readonly ScheduleChange[],
): ScheduleChangeReply[] {
  return changes.map((change) => {
    const name = nameOfChange(change);
    const known = find(context, name);
    const changed = changeSchedule(known, change, context.nowMs);
    if (changed === null) remove(context, name);
    else if (changed !== known) write(context, changed);
    return { isChanged: changed !== known, schedule: changed ?? known };
  });
}

/** Schedules by name, page by page, or those that are due. */
export function schedules(context: Context, query: ScheduleQuery): SchedulePage {
  switch (query.kind) {
    case "named":
      return page(
        context,
        query.names.map((name) => find(context, name)).filter((record) => record !== null),
      );
    case "due":
      return due(context, query.limit);
    case "page":
      return byName(context, query);
  }
}

function page(context: Context, records: readonly ScheduleRecord[]): SchedulePage {
  return { nowMs: context.nowMs, schedules: records, lookAgainInMs: null };
}

function due(context: Context, limit: number): SchedulePage {
  const { connection, namespace, nowMs } = context;
  const rows = connection.all(
    `SELECT ${COLUMNS} FROM schedules WHERE namespace = ? AND fire_at <= ? ORDER BY fire_at, name LIMIT ?`,
    namespace,
    nowMs,
    limit + 1,
  );
  const next = connection.first(
    "SELECT fire_at FROM schedules WHERE namespace = ? AND fire_at > ? ORDER BY fire_at LIMIT 1",
    namespace,
    nowMs,
  );
  const untilNextMs = next === undefined ? null : Number(next[0]) - nowMs;
  return {
    ...page(context, rows.slice(0, limit).map(decode)),
    lookAgainInMs: rows.length > limit ? 0 : untilNextMs,
  };
}

function byName(context: Context, query: ScheduleQuery & { readonly kind: "page" }): SchedulePage {
  const { filter, limit } = query;
  const rows = context.connection.all(
    `SELECT ${COLUMNS} FROM schedules WHERE namespace = ? AND name > ?
     AND (? IS NULL OR type = ?) AND (? IS NULL OR queue = ?) ORDER BY name LIMIT ?`,
    context.namespace,
    query.cursor ?? "",
    filter.type ?? null,
    filter.type ?? null,
    filter.queue ?? null,
    filter.queue ?? null,
    limit + 1,
  );
  const found = page(context, rows.slice(0, limit).map(decode));
  const last = found.schedules.at(-1);
  return rows.length > limit && last !== undefined ? { ...found, cursor: last.name } : found;
}

/** Fires ticks. */
export function tick(context: Context, ticks: readonly TickCommand[]): TickReply[] {
  return ticks.map((command) => {
    const known = find(context, command.name);
    if (known === null) return { accepted: false, why: "gone" };
    const transition = tickSchedule(known, command, {
      isLastActive: command.isSkippedWhileActive && isLastActive(context, known),
      nowMs: context.nowMs,
    });
    if (transition.kind === "rejected") return { accepted: false, why: transition.why };
    write(context, transition.schedule);
    const jobs = enqueue(context, transition.jobs);
    return { accepted: true, jobs, skipped: transition.skipped };
  });
}

function isLastActive(context: Context, { last }: ScheduleRecord): boolean {
  const job = last === null ? null : readJob(context, last.jobId);
  return job !== null && !isTerminal(job.record.state);
}

function find(context: Context, name: string): ScheduleRecord | null {
  const row = context.connection.first(
    `SELECT ${COLUMNS} FROM schedules WHERE namespace = ? AND name = ?`,
    context.namespace,
    name,
  );
  return row === undefined ? null : decode(row);
}

function write(context: Context, record: ScheduleRecord): void {
  const { name, job, spec, ...life } = record;
  context.connection.run(
    PUT,
    context.namespace,
    name,
    job.type,
    job.queue,
    firesAtMs(record),
    JSON.stringify({ job: mapJob(job, encodeRetention), spec }),
    JSON.stringify(life),
  );
}

function remove(context: Context, name: string): void {
  const { connection, namespace } = context;
  connection.run("DELETE FROM schedules WHERE namespace = ? AND name = ?", namespace, name);
}

function decode([name, definition, life]: Row): ScheduleRecord {
  const { job, spec } = JSON.parse(String(definition)) as Pick<ScheduleRecord, "job" | "spec">;
  const rest = JSON.parse(String(life)) as Omit<ScheduleRecord, "name" | "job" | "spec">;
  return { name: String(name), job: mapJob(job, decodeRetention), spec, ...rest };
}

function mapJob(job: ScheduledJob, map: typeof encodeRetention): ScheduledJob {
  return job.retention === undefined ? job : { ...job, retention: map(job.retention) };
}
