// Settling: how a try's end is kept. The usual end, success without anything to keep, is one statement.
import { type JobRecord, type JobState, isTerminal } from "../../core/job.ts";
import type { SettleOutcome, SettleReply, Settlement } from "../../core/store.ts";
import { type Transition, isHeld, settle as decide } from "../../core/transitions.ts";
import { type Context, emit, noteRoom, policyOf } from "./context.ts";
import { STATE } from "./counts.ts";
import type { Endings } from "./runs/endings.ts";
import { tellParent } from "./runs/facts.ts";
import { leaveGates } from "./flow/gates.ts";
import { endFlow } from "./flow/keyed.ts";
import type { Lane } from "./lanes.ts";
import { pushBack } from "./flow/limits.ts";
import { keepReport } from "./report.ts";
import { EXTRA } from "./extras.ts";
import { tagsOf, uniqueOf } from "./rest.ts";
import {
  cleared,
  laneOf,
  parentOf,
  readJob,
  removeExtras,
  removeJob,
  type StoredJob,
  writeJob,
} from "./rows.ts";
import { findWorkerNumber } from "./worker-names.ts";

/** Without RETURNING, which would double the cost of the statement (1.5 µs instead of 3). */
const REMOVE_PLAIN = `DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2
  AND extras = 0`;
const REMOVE_SUCCEEDED = `DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2
  RETURNING lane, extras, rest, parent, attempts, started_at, grp`;
/** A job with keys, or one that stands for others, that is as it was when it was claimed. */
const REMOVE_FLOW = `DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2
  AND extras = ?`;
/** By the worker that ran it: the record keeps that one, whoever tells of the end. */
const KEEP_FLOW = `UPDATE jobs SET state = 4, attempts = attempts + 1, token = NULL, worker = ?, result = ?,
  finished_at = ?, remove_at = ?, extras = 0, grp = NULL
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2 AND worker = ? AND extras = ?
  AND rest = ?`;
const KEEP_SUCCEEDED = `UPDATE jobs SET state = 4, attempts = attempts + 1, token = NULL, worker = ?, result = ?,
  finished_at = ?, remove_at = ?
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2 AND worker = ? AND rest IS NULL
  AND extras & ${EXTRA.run | EXTRA.parent} = 0 RETURNING lane`;
/** A step of a run that is as it was when it was claimed. */
const REMOVE_STEP = `DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = 2
  AND extras = ${EXTRA.parent}`;
/** Longest result that the one-statement form keeps: longer ones are documents. */
const PLAIN_RESULT_LENGTH = 512;

/** Settles the end of one try. */
export function settle(
  context: Context,
  worker: string,
  settlement: Settlement,
  endings: Endings,
): SettleReply {
  const known = context.claims.take(settlement.token);
  return (
    settlePlain(context, { worker, known, endings }, settlement) ??
    settleByRecord(context, worker, settlement)
  );
}

interface Claimant {
  readonly worker: string;
  /** The lane, where this process made the claim and remembers it. */
  readonly known: Lane | undefined;
  /** By which the runs of children hear of their ends. */
  readonly endings: Endings;
}

/** Success without last words, in one statement. `null` where that does not fit: nothing was changed then. */
function settlePlain(context: Context, by: Claimant, settlement: Settlement): SettleReply | null {
  const { outcome, id } = settlement;
  if (outcome.kind !== "succeeded") return null;
  if (settlement.progress !== undefined || settlement.logs !== undefined) return null;
  const { ageMs, count } = outcome.retention;
  const isRemoved = ageMs === 0 || count === 0;
  if (!isRemoved && outcome.result.length > PLAIN_RESULT_LENGTH) return null;
  const lane =
    settleFlow(context, by.worker, settlement, outcome) ??
    (isRemoved
      ? removePlain(context, by, settlement, outcome.result)
      : keepPlain(context, by, settlement, outcome));
  if (lane === null) return null;
  context.counts.add(lane.no, STATE.running, -1);
  noteRoom(context);
  emit(context, lane, id, { kind: "succeeded", result: outcome.result });
  if (isRemoved) emit(context, lane, id, { kind: "removed" });
  else context.counts.add(lane.no, STATE.succeeded, 1);
  return { accepted: true, state: "succeeded" };
}

/** A job with keys, or one that stands for others, unchanged since it was claimed; `null`: another way fits. */
function settleFlow(
  context: Context,
  worker: string,
  { id, token }: Settlement,
  { result, retention }: Extract<SettleOutcome, { kind: "succeeded" }>,
): Lane | null {
  const claim = context.claims.takeFlow(token);
  if (claim === undefined) return null;
  const { lane, extras, rest, group, unique } = claim;
  const { connection, namespace, nowMs } = context;
  const isRemoved = retention.ageMs === 0 || retention.count === 0;
  const changed = isRemoved
    ? connection.run(REMOVE_FLOW, namespace, id, token, extras)
    : connection.run(
        KEEP_FLOW,
        worker,
        result,
        nowMs,
        nowMs + retention.ageMs,
        namespace,
        id,
        token,
        findWorkerNumber(context, worker),
        extras,
        rest,
      );
  if (changed === 0) return null;
  if (group !== undefined) leaveGates(context, context.gates.group(context, group.no));
  endFlow(context, lane, id, extras, unique);
  return lane;
}

function removePlain(
  context: Context,
  { known, endings }: Claimant,
  { id, token }: Settlement,
  result: string,
): Lane | null {
  const { connection, namespace } = context;
  if (known !== undefined && connection.run(REMOVE_PLAIN, namespace, id, token) === 1) return known;
  const step = context.claims.takeStep(token);
  if (step !== undefined && connection.run(REMOVE_STEP, namespace, id, token) === 1) {
    const { attempt, startedAtMs } = step;
    endings.tell(context, step.parent, { child: id, attempt, startedAtMs, result });
    return step.lane;
  }
  const row = connection.first(REMOVE_SUCCEEDED, namespace, id, token);
  if (row === undefined) return null;
  const lane = laneOf(context, Number(row[0]));
  removeExtras(context, id, Number(row[1]), tagsOf(row[2]));
  const parent = parentOf(row[3]);
  if (parent !== undefined) {
    const attempt = Number(row[4]) + 1;
    endings.tell(context, parent, { child: id, attempt, startedAtMs: Number(row[5]), result });
  }
  endFlow(context, lane, id, Number(row[1]), uniqueOf(row[2]));
  if (row[6] !== null) leaveGates(context, context.gates.group(context, Number(row[6])));
  return lane;
}

function keepPlain(
  context: Context,
  { worker }: Claimant,
  { id, token }: Settlement,
  outcome: Extract<SettleOutcome, { kind: "succeeded" }>,
): Lane | null {
  const { connection, namespace, nowMs } = context;
  const row = connection.first(
    KEEP_SUCCEEDED,
    worker,
    outcome.result,
    nowMs,
    nowMs + outcome.retention.ageMs,
    namespace,
    id,
    token,
    findWorkerNumber(context, worker),
  );
  return row === undefined ? null : laneOf(context, Number(row[0]));
}

function settleByRecord(context: Context, worker: string, settlement: Settlement): SettleReply {
  const read = readJob(context, settlement.id);
  if (read === null) return { accepted: false, why: "gone" };
  if (!isHeld(read.record, settlement.token)) return { accepted: false, why: "stale" };
  const before = keepReport(context, read, settlement);
  const { record } = before;
  const policy = policyOf(context, record.type, before.retention);
  const transition = decide(record, settlement.token, settlement.outcome, policy, context.nowMs);
  if (transition.kind === "rejected") return { accepted: false, why: "stale" };
  const { state } = transition.job;
  const { outcome } = settlement;
  if ("pushBack" in outcome) pushBack(context, before, outcome.pushBack);
  const settled = endsSuspicion(settlement) ? { ...before, strikes: 0, company: null } : before;
  applyTransition(context, before, settled, transition, worker);
  emitSettled(context, before, settlement, state, transition);
  return { accepted: true, state };
}

/** Its worker outlived the try, unless it was given back before its end. */
function endsSuspicion(settlement: Settlement): boolean {
  return settlement.outcome.kind !== "release";
}

/** Writes what a transition made of a job. */
export function applyTransition(
  context: Context,
  before: StoredJob,
  after: StoredJob,
  transition: Exclude<Transition, { kind: "rejected" }>,
  by: string | null = null,
): void {
  noteRoom(context);
  if (transition.kind === "removed") removeJob(context, before);
  else writeJob(context, before, cleared(after, transition.job));
  const hasEnded = transition.kind === "removed" || isTerminal(transition.job.state);
  if (hasEnded && !isTerminal(before.record.state)) tellParent(context, transition.job, by);
}

function emitSettled(
  context: Context,
  before: StoredJob,
  settlement: Settlement,
  state: JobState,
  transition: Transition,
): void {
  const { lane } = before;
  const { id, outcome } = settlement;
  if (state === "cancelled" && outcome.kind !== "cancelled") {
    emitCancelled(context, before, before.record.cancelRequest?.reason ?? "");
  } else if (outcome.kind === "succeeded") {
    emit(context, lane, id, { kind: "succeeded", result: outcome.result });
  } else if (outcome.kind === "failed") {
    emit(context, lane, id, { kind: "failed", error: outcome.error });
  } else if (outcome.kind === "cancelled") {
    emit(context, lane, id, { kind: "cancelled", error: outcome.error });
  } else if (outcome.kind === "retry") {
    emit(context, lane, id, { kind: "retrying", error: outcome.error, delayMs: outcome.delayMs });
  } else if (outcome.kind === "snooze") {
    emit(context, lane, id, { kind: "snoozed", delayMs: outcome.delayMs });
  } else {
    emit(context, lane, id, { kind: "readied", why: "released" });
  }
  if (transition.kind === "removed") emit(context, lane, id, { kind: "removed" });
}

/** Tells of a job's end. */
export function emitEnding(
  context: Context,
  lane: Lane,
  { id, state, result, error }: JobRecord,
  isRemoved: boolean,
): void {
  if (state === "succeeded") emit(context, lane, id, { kind: state, result: result ?? "null" });
  else if (state === "failed" || state === "cancelled") {
    emit(context, lane, id, { kind: state, error: error ?? { name: "Error", message: state } });
  }
  if (isRemoved) emit(context, lane, id, { kind: "removed" });
}

/** Tells that a job was cancelled by the store. */
export function emitCancelled(context: Context, job: StoredJob, reason: string): void {
  emit(context, job.lane, job.record.id, {
    kind: "cancelled",
    error: { name: "MillraceError", code: "JOB_CANCELLED", message: reason },
  });
}
