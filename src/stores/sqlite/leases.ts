// Leases: one row per worker, whatever it runs; renewed by whoever keeps it, taken back by the sweep.
import { isTerminal } from "../../core/job.ts";
import { crashError, lose as decideLose, settle as decideSettle } from "../../core/transitions.ts";
import type { WorkerDescription, WorkerRecord } from "../../core/store.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { COLUMNS, decodeRow, type StoredJob } from "./rows.ts";
import { applyTransition } from "./settle.ts";
import { suspectAfterDeath } from "./suspects.ts";

/** Joins a worker and gives back its number. Attaching again with the same id takes the row over. */
export function attach(
  context: Context,
  worker: WorkerDescription,
  leaseDurationMs: number,
): number {
  const row = context.connection.first(
    `INSERT INTO workers (namespace, id, description, attached_at, lease_until) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET description = excluded.description, lease_until = excluded.lease_until
     RETURNING no`,
    context.namespace,
    worker.id,
    JSON.stringify(worker),
    context.nowMs,
    context.nowMs + leaseDurationMs,
  );
  return Number(row?.[0]);
}

/** A worker serves other queues or types from now on. */
export function redescribe(context: Context, no: number, worker: WorkerDescription): void {
  context.connection.run(
    "UPDATE workers SET description = ? WHERE no = ?",
    JSON.stringify(worker),
    no,
  );
}

/** Keeps a lease. `false`: it ended, its jobs are being taken back or are. */
export function renew(context: Context, no: number, leaseDurationMs: number): boolean {
  return (
    context.connection.run(
      "UPDATE workers SET lease_until = ? WHERE no = ? AND died_with IS NULL",
      context.nowMs + leaseDurationMs,
      no,
    ) === 1
  );
}

/** Lets a lease go: the next sweep takes its jobs back. */
export function letGo(context: Context, no: number): void {
  context.connection.run(
    "UPDATE workers SET lease_until = min(lease_until, ?) WHERE no = ?",
    context.nowMs,
    no,
  );
}

/** Jobs given back in one step, so that a detach holds up nobody for long. */
const MAX_GIVEN_BACK = 1_000;

/** Ends a lease: what its worker still holds is ready again, its tries not counted. `false`: call again. */
export function detach(context: Context, no: number): boolean {
  const jobs = heldBy(context, no, MAX_GIVEN_BACK);
  for (const job of jobs) {
    const policy = policyOf(context, job.record.type, job.retention);
    const token = job.record.token ?? "";
    const transition = decideSettle(job.record, token, { kind: "release" }, policy, context.nowMs);
    if (transition.kind === "rejected") continue;
    applyTransition(context, job, job, transition);
    const isCancelled = isTerminal(transition.job.state);
    if (!isCancelled) emit(context, job.lane, job.record.id, { kind: "readied", why: "released" });
    else emitWithdrawn(context, job, transition.kind === "removed");
  }
  if (jobs.length === MAX_GIVEN_BACK) return false;
  removeWorker(context, no);
  return true;
}

/** Tells that a cancel request ended a job. */
export function emitWithdrawn(context: Context, job: StoredJob, isRemoved: boolean): void {
  const { lane, record } = job;
  emit(context, lane, record.id, {
    kind: "cancelled",
    error: {
      name: "MillraceError",
      code: "JOB_CANCELLED",
      message: record.cancelRequest?.reason ?? "",
    },
  });
  if (isRemoved) emit(context, lane, record.id, { kind: "removed" });
}

/** The workers that hold a lease. */
export function workers(context: Context): WorkerRecord[] {
  const rows = context.connection.all(
    `SELECT description, attached_at, lease_until,
       (SELECT count(*) FROM jobs WHERE worker = workers.no AND state = 2)
     FROM workers WHERE namespace = ? AND died_with IS NULL ORDER BY no`,
    context.namespace,
  );
  return rows.map(([description, attachedAt, leaseUntil, running]) => ({
    ...(JSON.parse(String(description)) as WorkerDescription),
    attachedAtMs: Number(attachedAt),
    leaseUntilMs: Number(leaseUntil),
    running: Number(running),
  }));
}

/** What the workers that hold a lease said of themselves. */
export function workerDescriptions({ connection, namespace }: Context): WorkerDescription[] {
  return connection
    .all("SELECT description FROM workers WHERE namespace = ? AND died_with IS NULL", namespace)
    .map(([description]) => JSON.parse(String(description)) as WorkerDescription);
}

/** What was taken back from dead workers in one step. */
export interface TakenBack {
  readonly deadWorkers: string[];
  takenBack: number;
  crashed: number;
  cancelled: number;
}

/** Takes back jobs of workers whose lease is over, at most `limit`. */
export function takeBack(context: Context, limit: number): TakenBack {
  const { connection, namespace, nowMs } = context;
  const result: TakenBack = { deadWorkers: [], takenBack: 0, crashed: 0, cancelled: 0 };
  const dead = connection.all(
    "SELECT no, id, died_with FROM workers WHERE namespace = ? AND (lease_until <= ? OR died_with IS NOT NULL) ORDER BY no",
    namespace,
    nowMs - context.leaseExtensionMs,
  );
  for (const [noValue, name, diedWith] of dead) {
    const no = Number(noValue);
    let runningJobs = Number(diedWith);
    if (diedWith === null) {
      runningJobs = countRunning(context, no);
      // Kept, because the steps of taking back make fewer of them.
      connection.run("UPDATE workers SET died_with = ? WHERE no = ?", runningJobs, no);
      result.deadWorkers.push(String(name));
    }
    const left = limit - result.takenBack;
    if (left <= 0) break;
    const jobs = heldBy(context, no, left);
    for (const job of jobs) takeBackOne(context, job, runningJobs, result);
    if (jobs.length < left) removeWorker(context, no);
  }
  return result;
}

function takeBackOne(
  context: Context,
  job: StoredJob,
  runningJobs: number,
  result: TakenBack,
): void {
  const policy = policyOf(context, job.record.type, job.retention);
  // A run that waited has no part in what its worker died of.
  const { isCharged, strikes, company } =
    job.record.state === "waiting"
      ? { isCharged: false, strikes: job.strikes, company: job.company }
      : suspectAfterDeath(job, runningJobs);
  const transition = decideLose(job.record, policy, { isCharged }, context.nowMs);
  if (transition.kind === "rejected") return;
  applyTransition(context, job, { ...job, strikes, company }, transition);
  result.takenBack += 1;
  const { lane, record } = job;
  if (transition.job.state === "cancelled") {
    result.cancelled += 1;
    emitWithdrawn(context, job, transition.kind === "removed");
    return;
  }
  if (transition.kind === "changed" && transition.job.state === "ready") {
    emit(context, lane, record.id, { kind: "readied", why: "lost" });
    return;
  }
  result.crashed += 1;
  const error = crashError({ ...record, crashes: record.crashes + 1 }, policy);
  emit(context, lane, record.id, { kind: "failed", error });
  if (transition.kind === "removed") emit(context, lane, record.id, { kind: "removed" });
}

function countRunning(context: Context, no: number): number {
  return Number(
    context.connection.first("SELECT count(*) FROM jobs WHERE worker = ? AND state = 2", no)?.[0],
  );
}

const RUNNING = `SELECT ${COLUMNS} FROM jobs WHERE worker = ? AND state = 2 LIMIT ?`;
const WAITING = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_held WHERE worker = ? AND state = 3 AND token IS NOT NULL
  LIMIT ?`;

/** What a worker runs, and the workflow runs that wait in its memory. */
function heldBy(context: Context, no: number, limit: number): StoredJob[] {
  const rows = [...context.connection.all(RUNNING, no, limit)];
  if (rows.length < limit) rows.push(...context.connection.all(WAITING, no, limit - rows.length));
  return rows.map((row) => decodeRow(context, row));
}

function removeWorker(context: Context, no: number): void {
  context.connection.run("DELETE FROM workers WHERE no = ?", no);
  context.connection.run("DELETE FROM news WHERE worker = ?", no);
  const name = context.workerNames.get(no);
  context.workerNames.delete(no);
  if (name !== undefined) context.workerNumbers.delete(name);
  context.suspectWorkers.delete(no);
}

const CANCELS = `SELECT ${COLUMNS} FROM jobs WHERE worker = ? AND state = 2 AND cancel_at IS NOT NULL`;
const RUN_CANCELS = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_held WHERE worker = ? AND state = 3
  AND token IS NOT NULL AND cancel_at IS NOT NULL`;

/** Jobs that a worker holds which were asked to cancel. */
export function cancelRequests(
  context: Context,
  no: number,
): { readonly id: string; readonly reason: string }[] {
  const rows = [...context.connection.all(CANCELS, no), ...context.connection.all(RUN_CANCELS, no)];
  return rows.map((row) => {
    const { record } = decodeRow(context, row);
    return { id: record.id, reason: record.cancelRequest?.reason ?? "" };
  });
}
