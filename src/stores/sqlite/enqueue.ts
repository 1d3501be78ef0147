// Enqueue: one row per job, or the word that it is there already.
import type { JobId } from "../../core/ids.ts";
import { JOB_STATES } from "../../core/job.ts";
import type { EnqueueReply, NewJob } from "../../core/store.ts";
import { type Context, emit } from "./context.ts";
import { STATE } from "./counts.ts";
import { findStanding, flowOfNew, putFlow } from "./flow/standing.ts";
import type { Lane } from "./lanes.ts";
import { EXTRA } from "./extras.ts";
import { isLongInput, putLongInput } from "./documents.ts";
import { encodeRest } from "./rest.ts";
import { dashed, noteReady, noteScheduled } from "./rows.ts";

const INSERT = `INSERT INTO jobs (namespace, id, lane, state, due_at, rank, enqueued_at, expires_at, extras, input, rest, parent, grp)
  VALUES (?, unhex(?, '-'), ?, ?, ?, ?, ?, ?, ?, ?, ?, unhex(?, '-'), ?) ON CONFLICT DO NOTHING`;
/** A job that is claimed by the act that keeps it. */
const INSERT_CLAIMED = `INSERT INTO jobs (namespace, id, lane, state, due_at, rank, enqueued_at, extras, input, rest, parent, worker, started_at, token)
  VALUES (?, unhex(?, '-'), ?, 2, ?, ?, ?, ?, ?, ?, unhex(?, '-'), ?, ?, ?) ON CONFLICT DO NOTHING`;
const FIND_KEY = `SELECT lower(hex(id)), (SELECT state FROM jobs WHERE namespace = keys.namespace AND id = keys.id)
  FROM keys WHERE namespace = ? AND type = ? AND key = ? AND expires_at > ?`;
const PUT_KEY = "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, unhex(?, '-'), ?)";
const NO_LABELS: readonly string[] = [];
const NO_FLOW = { extras: 0, group: null } as const;

/** Keeps new jobs. The same id or idempotency key makes nothing twice. */
export function enqueue(context: Context, jobs: readonly NewJob[]): EnqueueReply[] {
  const replies: EnqueueReply[] = [];
  for (const job of jobs) replies.push(enqueueOne(context, job));
  return replies;
}

function enqueueOne(context: Context, job: NewJob): EnqueueReply {
  const standing = job.idempotency === undefined ? null : findByKey(context, job);
  if (standing !== null) return standing;
  // A step is no new work: its run was taken in.
  const isNewWork = job.parent === undefined;
  if (isNewWork && context.draining.has(job.queue)) return refuse(context, job.id);
  const hasFlow = job.keys !== undefined || job.unique !== undefined;
  if (hasFlow) {
    const kept = findStanding(context, job);
    if (kept !== null) return kept;
  }
  const lane = context.lanes.of(job.queue, job.type, job.labels ?? NO_LABELS);
  const { nowMs } = context;
  const wantedMs = job.runAtMs ?? nowMs + (job.delayMs ?? 0);
  const dueAtMs = Math.max(wantedMs, nowMs);
  const state = wantedMs > nowMs ? STATE.scheduled : STATE.ready;
  const rest = restOf(job);
  const flow = hasFlow ? flowOfNew(context, lane, job, state === STATE.ready) : NO_FLOW;
  const isNew = insert(context, lane, job, { state, dueAtMs, rest, ...flow });
  if (!isNew) return standingReply(context, job.id);
  if (hasFlow) putFlow(context, job);
  context.counts.add(lane.no, state, 1);
  if (state === STATE.ready) noteReady(context, lane);
  else noteScheduled(context, lane, dueAtMs);
  if (job.tags !== undefined) putTags(context, job);
  if (job.idempotency !== undefined) putKey(context, job);
  const stateName = state === STATE.ready ? "ready" : "scheduled";
  emit(context, lane, job.id, { kind: "enqueued", state: stateName });
  return { id: job.id, state: stateName, isNew: true };
}

/** A new job with its claim. */
export interface ClaimedNewJob extends NewJob {
  readonly parent: JobId;
  readonly worker: string;
  readonly workerNo: number;
  readonly token: string;
}

/** Keeps a plain job that is due, claimed. `false`: its id was known. */
export function enqueueClaimed(context: Context, lane: Lane, job: ClaimedNewJob): boolean {
  const { connection, namespace, nowMs } = context;
  const { parent, token, worker, workerNo } = job;
  const extras = extrasOf(job);
  const isLong = (extras & EXTRA.input) !== 0;
  const changed = connection.run(
    INSERT_CLAIMED,
    namespace,
    job.id,
    lane.no,
    nowMs,
    nowMs - (job.headStartMs ?? 0),
    nowMs,
    extras,
    isLong ? null : job.input,
    restOf(job),
    parent,
    // A BigInt: numbers are bound as floats, and only columns with a type make integers of them.
    BigInt(workerNo),
    nowMs,
    token,
  );
  if (changed === 0) return false;
  if (isLong) putLongInput(context, job.id, job.input);
  if (job.tags !== undefined) putTags(context, job);
  context.counts.add(lane.no, STATE.running, 1);
  if (extras === EXTRA.parent) {
    context.claims.rememberStep(token, { lane, parent, attempt: 1, startedAtMs: nowMs });
  }
  emit(context, lane, job.id, { kind: "enqueued", state: "ready" });
  emit(context, lane, job.id, { kind: "started", worker, attempt: 1 });
  return true;
}

function extrasOf(job: NewJob): number {
  return (
    (isLongInput(job.input) ? EXTRA.input : 0) |
    ((job.tags?.length ?? 0) > 0 ? EXTRA.tags : 0) |
    (job.parent === undefined ? 0 : EXTRA.parent)
  );
}

function insert(
  context: Context,
  lane: Lane,
  job: NewJob,
  row: {
    readonly state: number;
    readonly dueAtMs: number;
    readonly rest: string | null;
    readonly extras: number;
    readonly group: number | null;
  },
): boolean {
  const { connection, namespace, nowMs } = context;
  const extras = extrasOf(job);
  const isLong = (extras & EXTRA.input) !== 0;
  const changed = connection.run(
    INSERT,
    namespace,
    job.id,
    lane.no,
    row.state,
    row.dueAtMs,
    row.dueAtMs - (job.headStartMs ?? 0),
    nowMs,
    job.expireAfterMs === undefined ? null : row.dueAtMs + job.expireAfterMs,
    row.extras | extras,
    isLong ? null : job.input,
    row.rest,
    job.parent ?? null,
    row.group,
  );
  if (changed === 1 && isLong) putLongInput(context, job.id, job.input);
  return changed === 1;
}

function restOf(job: NewJob): string | null {
  if (
    job.tags === undefined &&
    job.retention === undefined &&
    job.terms === undefined &&
    job.idempotency === undefined &&
    job.keys === undefined &&
    job.unique === undefined
  ) {
    return null;
  }
  return encodeRest({
    record: {
      tags: job.tags ?? [],
      ...(job.terms === undefined ? {} : { terms: job.terms }),
      progress: null,
      error: null,
      cancelRequest: null,
      history: [],
      idempotencyKey: job.idempotency?.key ?? null,
      keys: job.keys ?? [],
    },
    retention: job.retention,
    strikes: 0,
    unique: job.unique?.key,
  });
}

/** A draining queue takes nothing new in; what it took before is answered as ever. */
function refuse(context: Context, id: string): EnqueueReply {
  const standing = standingReply(context, id);
  return standing.state === null ? { ...standing, because: "draining" } : standing;
}

function standingReply(context: Context, id: string): EnqueueReply {
  const row = context.connection.first(
    "SELECT state FROM jobs WHERE namespace = ? AND id = unhex(?, '-')",
    context.namespace,
    id,
  );
  return { id, state: JOB_STATES[Number(row?.[0])] ?? null, isNew: false };
}

function findByKey(context: Context, job: NewJob): EnqueueReply | null {
  const row = context.connection.first(
    FIND_KEY,
    context.namespace,
    job.type,
    job.idempotency?.key ?? "",
    context.nowMs,
  );
  if (row === undefined) return null;
  const state = row[1] === null ? null : (JOB_STATES[Number(row[1])] ?? null);
  return { id: dashed(String(row[0])), state, isNew: false };
}

function putTags(context: Context, job: NewJob): void {
  for (const tag of job.tags ?? []) {
    context.connection.run(
      "INSERT OR IGNORE INTO tags VALUES (?, ?, unhex(?, '-'))",
      context.namespace,
      tag,
      job.id,
    );
  }
}

function putKey(context: Context, job: NewJob): void {
  if (job.idempotency === undefined) return;
  context.connection.run(
    PUT_KEY,
    context.namespace,
    job.type,
    job.idempotency.key,
    job.id,
    context.nowMs + job.idempotency.rememberMs,
  );
}
