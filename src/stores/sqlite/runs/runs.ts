// Workflow runs: what their owners append, the children that they enqueue or hand to themselves, and their records.
import type { JobId } from "../../../core/ids.ts";
import { JOB_STATES, isTerminal } from "../../../core/job.ts";
import { advance as decide } from "../../../core/run-transitions.ts";
import type {
  Advance,
  AdvanceReply,
  ChildJob,
  ReadRun,
  RunFact,
  RunPage,
} from "../../../core/run.ts";
import type { Row } from "../thread/connection.ts";
import { changeJobs } from "../orders.ts";
import { type Context, emit, noteRoom, policyOf } from "../context.ts";
import { STATE } from "../counts.ts";
import { countEntries } from "./entries.ts";
import type { Endings } from "./endings.ts";
import { ENTRY, FACT_KINDS } from "./facts.ts";
import { EXTRA } from "../extras.ts";
import { HandOver } from "./hand-over.ts";
import type { HeldRow } from "./held.ts";
import { dashed, laneOf, readJob } from "../rows.ts";
import { findWorkerNumber } from "../worker-names.ts";
import { applyTransition, emitEnding } from "../settle.ts";

const FIND = `SELECT state, lane, entries, token FROM jobs WHERE namespace = ? AND id = unhex(?, '-')`;
const GO_ON = `UPDATE jobs SET state = ?, entries = ?, expires_at = NULL, extras = extras | ${EXTRA.run}
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = ? AND entries <= ?`;
/** Where its row stays as it is: see entries.ts. */
const ADD_ENTRY = `INSERT OR IGNORE INTO runs SELECT namespace, id, ?, ${ENTRY}, ? FROM jobs
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = ? AND entries > 0`;
const PUT_ENTRY = "INSERT INTO runs VALUES (?, unhex(?, '-'), ?, ?, ?)";
const COUNT_FACTS = `SELECT count(*) FROM runs WHERE namespace = ? AND run = unhex(?, '-') AND key > x''`;

/** What comes before the advances of one exchange. */
export interface Settled {
  readonly worker: string;
  /** Jobs of which its settlement was not accepted. */
  readonly refused: ReadonlySet<JobId>;
  /** Ends that runs are to be told with what they say. */
  readonly endings: Endings;
}

/** What the advances of one exchange share. */
interface Turn extends Settled {
  readonly handOver: HandOver;
}

/** Keeps what runs say in one exchange. */
export function advanceRuns(
  context: Context,
  settled: Settled,
  advances: readonly Advance[],
): AdvanceReply[] {
  const turn: Turn = { ...settled, handOver: new HandOver(context, settled.worker) };
  return advances.map((advance) => advanceRun(context, turn, advance));
}

function advanceRun(context: Context, turn: Turn, advance: Advance): AdvanceReply {
  const { next, id } = advance;
  const held = heldRow(context, turn.worker, advance);
  if (held !== undefined && !isRefused(advance, turn.refused)) {
    if (next.kind === "running" || next.kind === "waiting") {
      if (goOn(context, advance, held)) {
        turn.endings.keep(context, id);
        return accepted(context, turn, advance);
      }
    } else if (next.kind === "succeeded" && endPlain(context, turn, advance, next, held)) {
      return accepted(context, turn, advance);
    }
    context.held.forget(id);
  }
  turn.endings.tellAfterAll(context, id);
  return advanceByRow(context, turn, advance);
}

/** The run as it is remembered, where that fits what is said of it. */
function heldRow(
  context: Context,
  worker: string,
  { id, token, from }: Advance,
): HeldRow | undefined {
  const known = context.held.find(id);
  if (known !== undefined)
    return known.token === token && known.entries === from ? known : undefined;
  const lane = from === 0 ? context.claims.take(token) : undefined;
  const owner = lane === undefined ? null : findWorkerNumber(context, worker);
  if (lane === undefined || owner === null) return undefined;
  return { token, lane, owner, state: STATE.running, entries: 0 };
}

function accepted(context: Context, turn: Turn, advance: Advance): AdvanceReply {
  return { accepted: true, claimed: keepChildren(context, turn, advance), nowMs: context.nowMs };
}

function advanceByRow(context: Context, turn: Turn, advance: Advance): AdvanceReply {
  const row = context.connection.first(FIND, context.namespace, advance.id);
  if (row === undefined) return { accepted: false, why: "gone" };
  const { next, token, from } = advance;
  const state = Number(row[0]);
  const isHeld = row[3] === token && (state === STATE.running || state === STATE.waiting);
  if (!isHeld) return { accepted: false, why: "stale" };
  if (next.kind !== "running" && next.kind !== "waiting") return endTurn(context, turn, advance);
  const entries = countEntries(context, advance.id, Number(row[2]));
  const isKept = advance.entries.length > 0 && entries === from + advance.entries.length;
  if (isKept) {
    // Said before: some of its children may have ended by now.
    const children = advance.children?.map((child) => ({ ...child, isAgain: true as const })) ?? [];
    return accepted(context, turn, { ...advance, children });
  }
  if (entries !== from) return { accepted: false, why: "stale" };
  if (isRefused(advance, turn.refused)) return { accepted: false, why: "refused" };
  const owner = findWorkerNumber(context, turn.worker);
  if (owner === null) return { accepted: false, why: "stale" };
  goOn(context, advance, { token, lane: laneOf(context, Number(row[1])), owner, state, entries });
  return accepted(context, turn, advance);
}

function isRefused({ after }: Advance, refused: ReadonlySet<JobId>): boolean {
  return refused.size > 0 && after !== undefined && after.some((id) => refused.has(id));
}

/** `false`: its row is not as it was thought to be. */
function goOn(context: Context, advance: Advance, held: HeldRow): boolean {
  const { connection, namespace, counts } = context;
  const { id, from, entries, next, token } = advance;
  const { lane, state: before } = held;
  const state = next.kind === "running" ? STATE.running : STATE.waiting;
  if (before !== state || from === 0 || entries.length === 0) {
    const known = [namespace, id, token, before, from] as const;
    if (connection.run(GO_ON, BigInt(state), from + entries.length, ...known) === 0) return false;
    counts.add(lane.no, before, -1);
    counts.add(lane.no, state, 1);
    putEntries(context, advance);
  } else if (!addEntries(context, advance, state)) return false;
  context.held.remember(id, { ...held, state, entries: from + entries.length });
  emit(context, lane, id, { kind: "advanced", state: JOB_STATES[state] ?? "waiting" });
  return true;
}

/** `false`: its row is not as it was thought to be. */
function addEntries(
  context: Context,
  { id, token, from, entries }: Advance,
  state: number,
): boolean {
  const { connection, namespace } = context;
  for (const [index, entry] of entries.entries()) {
    const key = BigInt(from + index);
    if (connection.run(ADD_ENTRY, key, entry, namespace, id, token, state) === 0) return false;
  }
  return true;
}

function putEntries(context: Context, { id, from, entries }: Advance): void {
  const { connection, namespace } = context;
  for (const [index, entry] of entries.entries()) {
    connection.run(PUT_ENTRY, namespace, id, BigInt(from + index), BigInt(ENTRY), entry);
  }
}

const REMOVE_ENDED = `DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = ?
  AND entries <= ? AND extras = ${EXTRA.run}`;
const REMOVE_RECORD = "DELETE FROM runs WHERE namespace = ? AND run = unhex(?, '-')";
const KEEP_ENDED = `UPDATE jobs SET state = 4, attempts = attempts + 1, token = NULL, worker = ?, result = ?,
  finished_at = ?, remove_at = ?, entries = ?
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ? AND state = ? AND entries <= ? AND rest IS NULL
  AND extras & ${EXTRA.parent} = 0`;
/** Longest result that the form of one statement keeps: see settle.ts. */
const PLAIN_RESULT_LENGTH = 512;

/** Success of a run that nobody waits for and nobody cancelled. `false` where that does not fit: nothing was changed. */
function endPlain(
  context: Context,
  { worker, endings }: Turn,
  advance: Advance,
  { result, retention }: Extract<Advance["next"], { kind: "succeeded" }>,
  { lane, state }: HeldRow,
): boolean {
  const { connection, namespace, nowMs, counts } = context;
  const { id, token, from, entries } = advance;
  const isRemoved = retention.ageMs === 0 || retention.count === 0;
  if (isRemoved) {
    if (connection.run(REMOVE_ENDED, namespace, id, token, state, from) === 0) return false;
    endings.drop(id);
    connection.run(REMOVE_RECORD, namespace, id);
  } else {
    if (result.length > PLAIN_RESULT_LENGTH) return false;
    const kept = [worker, result, nowMs, nowMs + retention.ageMs, from + entries.length];
    const isKept = connection.run(KEEP_ENDED, ...kept, namespace, id, token, state, from) === 1;
    if (!isKept) return false;
    endings.keep(context, id);
    putEntries(context, advance);
    counts.add(lane.no, STATE.succeeded, 1);
  }
  counts.add(lane.no, state, -1);
  context.held.forget(id);
  noteRoom(context);
  emit(context, lane, id, { kind: "succeeded", result });
  if (isRemoved) emit(context, lane, id, { kind: "removed" });
  return true;
}

/** The owner lets go of the run: it is parked, given back, or ends. */
function endTurn(context: Context, turn: Turn, advance: Advance): AdvanceReply {
  const { id, next } = advance;
  const job = readJob(context, id);
  if (job === null) return { accepted: false, why: "gone" };
  const facts = next.kind === "parked" ? countFacts(context, id) : 0;
  const policy = policyOf(context, job.record.type, job.retention);
  const transition = decide(job.record, advance, facts, policy, context.nowMs);
  if (transition.kind === "rejected" || transition.kind === "again") {
    return { accepted: false, why: "stale" };
  }
  if (isRefused(advance, turn.refused)) return { accepted: false, why: "refused" };
  context.held.forget(id);
  // The last words of a run that is removed at once would be removed with it.
  if (transition.kind === "changed") putEntries(context, advance);
  const extras = advance.entries.length > 0 ? job.extras | EXTRA.run : job.extras;
  const after = { ...job, extras, strikes: 0, company: null };
  applyTransition(context, job, after, transition, turn.worker);
  if (isTerminal(transition.job.state)) {
    emitEnding(context, job.lane, transition.job, transition.kind === "removed");
  } else emit(context, job.lane, id, { kind: "advanced", state: transition.job.state });
  return accepted(context, turn, advance);
}

function countFacts({ connection, namespace }: Context, id: JobId): number {
  return Number(connection.first(COUNT_FACTS, namespace, id)?.[0] ?? 0);
}

/** Enqueues the children of an advance and cancels others. Gives back the children that its owner runs itself. */
function keepChildren(
  context: Context,
  { handOver }: Turn,
  { id, children, cancels }: Advance,
): readonly JobId[] {
  const claimed: JobId[] = [];
  for (const child of children ?? NO_CHILDREN) {
    if (handOver.keep(id, child)) claimed.push(child.id);
  }
  if (cancels !== undefined && cancels.length > 0) {
    const reason = "its workflow run has no need of it any more";
    changeJobs(context, { ids: cancels, order: { kind: "cancel", reason } });
  }
  return claimed;
}

const NO_CHILDREN: readonly ChildJob[] = [];

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
