// Upkeep in bounded steps: dead workers' jobs, overdue cancellations, expiry, retention, forgotten keys.
import { type TerminalState, isTerminal } from "../../core/job.ts";
import type { SweepReply } from "../../core/store.ts";
import { expire, isOverdue, withdraw } from "../../core/transitions.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { STATE } from "./counts.ts";
import { forgetFigures } from "./figures.ts";
import { sweepFollowers } from "./followers.ts";
import { emitWithdrawn, takeBack } from "./leases.ts";
import { COLUMNS, type StoredJob, decodeRow, removeJob } from "./rows.ts";
import { applyTransition } from "./settle.ts";

/** One step, of at most `limit` jobs. */
export function sweep(context: Context, limit: number): SweepReply {
  let left = limit;
  const taken = takeBack(context, left);
  left -= taken.takenBack;
  const cancelled = left > 0 ? withdrawOverdue(context, left) : 0;
  left -= cancelled;
  const expired = left > 0 ? expireJobs(context, left) : 0;
  left -= expired;
  let removed = left > 0 ? removeOld(context, left) : 0;
  left -= removed;
  if (left > 0) {
    const excess = removeExcess(context, left);
    removed += excess;
    left -= excess;
  }
  if (left > 0) left -= forgetKeys(context, left);
  if (left > 0) left -= sweepFollowers(context, left);
  if (left > 0) left -= forgetFigures(context, left);
  return {
    deadWorkers: taken.deadWorkers,
    takenBack: taken.takenBack,
    crashed: taken.crashed,
    cancelled,
    expired,
    removed,
    more: left <= 0,
  };
}

const CANCELS = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_cancel WHERE namespace = ? AND state = 2 AND cancel_at IS NOT NULL`;

function withdrawOverdue(context: Context, limit: number): number {
  let done = 0;
  for (const row of context.connection.all(CANCELS, context.namespace)) {
    if (done >= limit) break;
    const job = decodeRow(context, row);
    const policy = policyOf(context, job.record.type, job.retention);
    if (!isOverdue(job.record, policy, context.nowMs)) continue;
    const transition = withdraw(job.record, policy, context.nowMs);
    if (transition.kind === "rejected") continue;
    applyTransition(context, job, job, transition);
    emitWithdrawn(context, job, transition.kind === "removed");
    done += 1;
  }
  return done;
}

const EXPIRED = `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND expires_at <= ? AND expires_at IS NOT NULL
  AND state < 2 ORDER BY expires_at LIMIT ?`;

function expireJobs(context: Context, limit: number): number {
  const { connection, namespace, nowMs } = context;
  let done = 0;
  for (const row of connection.all(EXPIRED, namespace, nowMs, limit)) {
    const job = decodeRow(context, row);
    const transition = expire(job.record, policyOf(context, job.record.type, job.retention), nowMs);
    if (transition.kind === "rejected") continue;
    applyTransition(context, job, job, transition);
    emit(context, job.lane, job.record.id, {
      kind: "failed",
      error: { name: "MillraceError", code: "JOB_EXPIRED", message: "the job expired" },
    });
    if (transition.kind === "removed") {
      emit(context, job.lane, job.record.id, { kind: "removed" });
    }
    done += 1;
  }
  return done;
}

const OLD = `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND remove_at <= ? AND remove_at IS NOT NULL
  ORDER BY remove_at LIMIT ?`;

function removeOld(context: Context, limit: number): number {
  const { connection, namespace, nowMs } = context;
  const rows = connection.all(OLD, namespace, nowMs, limit);
  for (const row of rows) drop(context, decodeRow(context, row));
  return rows.length;
}

const TERMINAL: readonly TerminalState[] = ["succeeded", "failed", "cancelled"];
const FIRST_FINISHED = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_finished WHERE lane = ? AND state = ? AND state >= 4
  ORDER BY finished_at, id LIMIT ?`;

/** Removes what a type keeps beyond its count, what finished first first. */
function removeExcess(context: Context, limit: number): number {
  let done = 0;
  for (const [type, lanes] of lanesByType(context)) {
    const { retention } = policyOf(context, type, undefined);
    for (const state of TERMINAL) {
      const kept = lanes.reduce((sum, lane) => sum + countOf(context, lane, state), 0);
      const excess = Math.min(kept - retention[state].count, limit - done);
      if (excess <= 0) continue;
      const jobs = lanes.flatMap((lane) =>
        context.connection
          .all(FIRST_FINISHED, lane, STATE[state], excess)
          .map((row) => decodeRow(context, row)),
      );
      jobs.sort(byFinish);
      for (const job of jobs.slice(0, excess)) drop(context, job);
      done += excess;
    }
  }
  return done;
}

function byFinish(left: StoredJob, right: StoredJob): number {
  const apart = (left.record.finishedAtMs ?? 0) - (right.record.finishedAtMs ?? 0);
  if (apart !== 0) return apart;
  return left.record.id < right.record.id ? -1 : 1;
}

function lanesByType(context: Context): Map<string, number[]> {
  const byType = new Map<string, number[]>();
  for (const { no, type } of context.lanes.all()) {
    byType.set(type, [...(byType.get(type) ?? []), no]);
  }
  return byType;
}

/** Counts as of the last commit, and what this transaction changed since: the sweep writes them before it counts. */
function countOf(context: Context, lane: number, state: TerminalState): number {
  context.counts.write();
  const row = context.connection.first(
    "SELECT n FROM counts WHERE lane = ? AND state = ?",
    lane,
    STATE[state],
  );
  return Number(row?.[0] ?? 0);
}

function drop(context: Context, job: StoredJob): void {
  if (!isTerminal(job.record.state)) return;
  removeJob(context, job);
  emit(context, job.lane, job.record.id, { kind: "removed" });
}

function forgetKeys(context: Context, limit: number): number {
  return context.connection.run(
    `DELETE FROM keys WHERE (namespace, type, key) IN
       (SELECT namespace, type, key FROM keys WHERE namespace = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    context.namespace,
    context.nowMs,
    limit,
  );
}
