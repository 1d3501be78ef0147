// Workflow runs: what their owners append, the children that they enqueue or hand to themselves, and their records.
import type { JobId } from "../../core/ids.ts";
import { JOB_STATES, isTerminal } from "../../core/job.ts";
import { advance as decide } from "../../core/run-transitions.ts";
import type { Advance, AdvanceReply, ChildJob, ReadRun, RunFact, RunPage } from "../../core/run.ts";
import type { Row } from "./connection.ts";
import { changeJobs } from "./orders.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { STATE } from "./counts.ts";
import { enqueue } from "./enqueue.ts";
import { isLimited } from "./limits.ts";
import { ENTRY, FACT_KINDS } from "./facts.ts";
import { EXTRA } from "./extras.ts";
import { dashed, laneOf, readJob } from "./rows.ts";
import { findWorkerNumber } from "./worker-names.ts";
import { applyTransition, emitEnding } from "./settle.ts";

const FIND = `SELECT state, lane, entries, token FROM jobs WHERE namespace = ? AND id = unhex(?, '-')`;
const GO_ON = `UPDATE jobs SET state = ?, entries = ?, expires_at = NULL, extras = extras | ${EXTRA.run}
  WHERE namespace = ? AND id = unhex(?, '-')`;
const PUT_ENTRY = "INSERT INTO runs VALUES (?, unhex(?, '-'), ?, ?, ?)";
const COUNT_FACTS = `SELECT count(*) FROM runs WHERE namespace = ? AND run = unhex(?, '-') AND key > x''`;

/** Keeps one advance. `refused`: jobs of which this exchange's settlement was not accepted. */
export function advanceRun(
  context: Context,
  worker: string,
  advance: Advance,
  refused: ReadonlySet<JobId>,
): AdvanceReply {
  const row = context.connection.first(FIND, context.namespace, advance.id);
  if (row === undefined) return { accepted: false, why: "gone" };
  const { next } = advance;
  const isHeld = row[3] === advance.token && (row[0] === STATE.running || row[0] === STATE.waiting);
  if (!isHeld) return { accepted: false, why: "stale" };
  if (next.kind !== "running" && next.kind !== "waiting") {
    return endTurn(context, worker, advance, refused);
  }
  const kept = Number(row[2]);
  const isKept = advance.entries.length > 0 && kept === advance.from + advance.entries.length;
  if (!isKept) {
    if (kept !== advance.from) return { accepted: false, why: "stale" };
    if (isRefused(advance, refused)) return { accepted: false, why: "refused" };
    goOn(context, advance, row);
  }
  return { accepted: true, claimed: keepChildren(context, worker, advance), nowMs: context.nowMs };
}

function isRefused({ after }: Advance, refused: ReadonlySet<JobId>): boolean {
  return refused.size > 0 && after !== undefined && after.some((id) => refused.has(id));
}

function goOn(context: Context, advance: Advance, row: Row): void {
  const { connection, namespace } = context;
  const { id, from, entries, next } = advance;
  const state = next.kind === "running" ? STATE.running : STATE.waiting;
  const lane = laneOf(context, Number(row[1]));
  connection.run(GO_ON, BigInt(state), from + entries.length, namespace, id);
  if (row[0] !== state) {
    context.counts.add(lane.no, Number(row[0]), -1);
    context.counts.add(lane.no, state, 1);
  }
  putEntries(context, advance);
  emit(context, lane, id, { kind: "advanced", state: JOB_STATES[state] ?? "waiting" });
}

function putEntries(context: Context, { id, from, entries }: Advance): void {
  const { connection, namespace } = context;
  for (const [index, entry] of entries.entries()) {
    connection.run(PUT_ENTRY, namespace, id, BigInt(from + index), BigInt(ENTRY), entry);
  }
}

/** The owner lets go of the run: it is parked, given back, or ends. */
function endTurn(
  context: Context,
  worker: string,
  advance: Advance,
  refused: ReadonlySet<JobId>,
): AdvanceReply {
  const job = readJob(context, advance.id);
  if (job === null) return { accepted: false, why: "gone" };
  const facts = Number(
    context.connection.first(COUNT_FACTS, context.namespace, advance.id)?.[0] ?? 0,
  );
  const policy = policyOf(context, job.record.type, job.retention);
  const transition = decide(job.record, advance, facts, policy, context.nowMs);
  if (transition.kind === "rejected" || transition.kind === "again") {
    return { accepted: false, why: "stale" };
  }
  if (isRefused(advance, refused)) return { accepted: false, why: "refused" };
  // The last words of a run that is removed at once would be removed with it.
  if (transition.kind === "changed") putEntries(context, advance);
  const extras = advance.entries.length > 0 ? job.extras | EXTRA.run : job.extras;
  applyTransition(context, job, { ...job, extras, strikes: 0, company: null }, transition, worker);
  if (isTerminal(transition.job.state)) {
    emitEnding(context, job.lane, transition.job, transition.kind === "removed");
  } else emit(context, job.lane, advance.id, { kind: "advanced", state: transition.job.state });
  return { accepted: true, claimed: keepChildren(context, worker, advance), nowMs: context.nowMs };
}

const HAND_OVER = `UPDATE OR FAIL jobs SET state = 2, worker = ?, started_at = ?, token = ?
  WHERE namespace = ? AND id = unhex(?, '-')`;
const IS_MINE = `SELECT 1 FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND state = 2 AND token = ?`;

/** Enqueues the children of an advance and cancels others. Gives back the children that its owner runs itself. */
function keepChildren(
  context: Context,
  worker: string,
  { id, children, cancels }: Advance,
): readonly JobId[] {
  const claimed: JobId[] = [];
  for (const child of children ?? NO_CHILDREN) {
    if (keepChild(context, worker, id, child)) claimed.push(child.id);
  }
  if (cancels !== undefined && cancels.length > 0) {
    const reason = "its workflow run has no need of it any more";
    changeJobs(context, { ids: cancels, order: { kind: "cancel", reason } });
  }
  return claimed;
}

const NO_CHILDREN: readonly ChildJob[] = [];

/** `true`: its parent's owner has claimed it. */
function keepChild(context: Context, worker: string, parent: JobId, child: ChildJob): boolean {
  const { connection, namespace, nowMs, counts } = context;
  const { token } = child;
  const lane = context.lanes.of(child.queue, child.type, child.labels ?? []);
  const wasReady = lane.mayBeReady || lane.mayBeSuspect;
  const [reply] = enqueue(context, [{ ...child, parent }]);
  if (token === undefined || reply === undefined) return false;
  if (!reply.isNew) {
    return (
      reply.state === "running" &&
      connection.first(IS_MINE, namespace, child.id, token) !== undefined
    );
  }
  // Others that wait come first: it is claimed in its turn.
  const owner = findWorkerNumber(context, worker);
  if (reply.state !== "ready" || wasReady || owner === null) return false;
  if (context.paused.has(child.queue)) return false;
  // Whether a limit lets it start is for a claim to say.
  if (child.keys !== undefined || isLimited(context, child.queue)) return false;
  connection.run(HAND_OVER, BigInt(owner), nowMs, token, namespace, child.id);
  counts.add(lane.no, STATE.ready, -1);
  counts.add(lane.no, STATE.running, 1);
  emit(context, lane, child.id, { kind: "started", worker, attempt: 1 });
  return true;
}

const READ_ENTRIES = `SELECT body FROM runs WHERE namespace = ? AND run = unhex(?, '-') AND key >= ? AND key < x''
  ORDER BY key LIMIT ?`;
const READ_FACTS = `SELECT kind, lower(hex(key)), body FROM runs WHERE namespace = ? AND run = unhex(?, '-')
  AND key > unhex(?, '-') ORDER BY key LIMIT ?`;

/** One page of a run's record. */
export function readRun(context: Context, request: ReadRun): RunPage | null {
  const { connection, namespace } = context;
  const { id, limit } = request;
  const job = readJob(context, id);
  if (job === null) return null;
  const entries = connection
    .all(READ_ENTRIES, namespace, id, BigInt(request.afterEntries), limit)
    .map(([body]) => String(body));
  const left = limit - entries.length;
  const facts =
    left === 0
      ? []
      : connection.all(READ_FACTS, namespace, id, request.afterFact ?? "", left).map(decodeFact);
  const { cancelRequest } = job.record;
  return { entries, facts, cancelRequest, more: entries.length + facts.length === limit };
}

function decodeFact([kind, key, body]: Row): RunFact {
  return {
    key: dashed(String(key)),
    kind: FACT_KINDS[Number(kind)] ?? "ended",
    body: String(body),
  };
}
