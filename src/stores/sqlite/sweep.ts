// Upkeep in bounded steps: dead workers' jobs, overdue cancellations, expiry, retention, forgotten keys.
import type { SweepReply } from "../../core/store.ts";
import { expire, expiryError, isOverdue, withdraw } from "../../core/transitions.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { forgetFigures } from "./figures.ts";
import { sweepFollowers } from "./followers.ts";
import { emitWithdrawn, takeBack } from "./leases.ts";
import { forgetIdleKeys } from "./flow/idle-keys.ts";
import { forgetKeys, removeExcess, removeOld } from "./retention.ts";
import { COLUMNS, decodeRow } from "./rows.ts";
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
  if (left > 0) left -= forgetIdleKeys(context, left);
  return {
    deadWorkers: taken.deadWorkers,
    takenBack: taken.takenBack,
    crashed: taken.crashed,
    cancelled: taken.cancelled + cancelled,
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
    const policy = policyOf(context, job.record.type, job.retention);
    const transition = expire(job.record, policy, nowMs);
    if (transition.kind === "rejected") continue;
    applyTransition(context, job, job, transition);
    emit(context, job.lane, job.record.id, { kind: "failed", error: expiryError(job.record) });
    if (transition.kind === "removed") {
      emit(context, job.lane, job.record.id, { kind: "removed" });
    }
    done += 1;
  }
  return done;
}
