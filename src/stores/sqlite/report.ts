// What running jobs tell: progress, the latest wins; log lines, the first ones up to the bound.
import { type JobLogLine, LOG_LEVELS } from "../../core/job.ts";
import { MAX_LOG_LINES } from "../../core/limits.ts";
import type { JobReport, LogsRequest, NewLogLine } from "../../core/store.ts";
import { isHeld } from "../../core/transitions.ts";
import { type Context, emit } from "./context.ts";
import { EXTRA } from "./extras.ts";
import { readJob, type StoredJob, writeJob } from "./rows.ts";

/** Keeps one report. `false`: the claim was superseded. */
export function report(context: Context, said: JobReport): boolean {
  const job = readJob(context, said.id);
  if (job === null || !isHeld(job.record, said.token)) return false;
  keepReport(context, job, said);
  return true;
}

/** Keeps the progress and log lines of a running job, and gives back the job as it is then. */
export function keepReport(
  context: Context,
  job: StoredJob,
  said: Pick<JobReport, "progress" | "logs">,
): StoredJob {
  const { progress, logs = [] } = said;
  if (progress === undefined && logs.length === 0) return job;
  let extras = job.extras;
  if (logs.length > 0) {
    keepLogs(context, job, logs);
    extras |= EXTRA.logs;
  }
  const record = progress === undefined ? job.record : { ...job.record, progress };
  const after: StoredJob = { ...job, record, extras };
  if (progress !== undefined || extras !== job.extras) writeJob(context, job, after);
  if (progress !== undefined) emit(context, job.lane, record.id, { kind: "progress", progress });
  return after;
}

/** Lines over the bound are told to followers and not kept. */
function keepLogs(context: Context, job: StoredJob, logs: readonly NewLogLine[]): void {
  const { connection, namespace } = context;
  const { id } = job.record;
  let seq = 0;
  if ((job.extras & EXTRA.logs) !== 0) {
    const row = connection.first(
      "SELECT max(seq) FROM logs WHERE namespace = ? AND id = unhex(?, '-')",
      namespace,
      id,
    );
    seq = Number(row?.[0] ?? 0);
  }
  for (const { level, message, atMs } of logs) {
    emit(context, job.lane, id, { kind: "log", level, message });
    seq += 1;
    if (seq > MAX_LOG_LINES) continue;
    connection.run(
      "INSERT INTO logs VALUES (?, unhex(?, '-'), ?, ?, ?, ?)",
      namespace,
      id,
      seq,
      atMs,
      LOG_LEVELS.indexOf(level),
      message,
    );
  }
}

/** The lines of a job, oldest first. */
export function logs(context: Context, request: LogsRequest): JobLogLine[] {
  const rows = context.connection.all(
    "SELECT seq, at, level, message FROM logs WHERE namespace = ? AND id = unhex(?, '-') AND seq > ? ORDER BY seq LIMIT ?",
    context.namespace,
    request.id,
    request.afterSeq ?? 0,
    request.limit,
  );
  return rows.map(([seq, at, level, message]) => ({
    seq: Number(seq),
    atMs: Number(at),
    level: LOG_LEVELS[Number(level)] ?? "info",
    message: String(message),
  }));
}
