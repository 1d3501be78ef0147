// Rows and records: how a job is written to the tables and read from them, whole.
import { JOB_STATES, type JobRecord, isTerminal } from "../../core/job.ts";
import type { RetentionPolicy } from "../../core/store.ts";
import { rankOf } from "../../core/transitions.ts";
import type { Row } from "./thread/connection.ts";
import { type Context, decodeRetention } from "./context.ts";
import { STATE } from "./counts.ts";
import {
  dropLongInput,
  isLongInput,
  putLongInput,
  readInput,
  readResult,
  writeResult,
} from "./documents.ts";
import { countEntries } from "./runs/entries.ts";
import { EXTRA } from "./extras.ts";
import { leaveGates } from "./flow/gates.ts";
import { endFlow, flowExtras, regroup } from "./flow/keyed.ts";
import { type Lane, noteDue } from "./lanes.ts";
import { decodeRest, encodeRest } from "./rest.ts";
import { workerName, workerNumber } from "./worker-names.ts";

/** A job as it is kept, with what only the store needs. */
export interface StoredJob {
  readonly record: JobRecord;
  readonly lane: Lane;
  readonly extras: number;
  readonly retention: RetentionPolicy | undefined;
  /** Worker deaths in a row that it was part of: see suspects.ts. */
  readonly strikes: number;
  readonly company: number | null;
  /** Its group, while it is ready or runs. */
  readonly group: number | null;
  /** What it stands for while it is not over. */
  readonly unique: string | undefined;
}

/** The columns of {@link decodeRow}. */
export const COLUMNS =
  "lower(hex(id)), lane, state, due_at, rank, enqueued_at, attempts, crashes, extras, expires_at, worker, token, started_at, finished_at, remove_at, cancel_at, company, input, result, rest, parent, entries, grp";

const SELECT = `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND id = unhex(?, '-')`;
const UPDATE = `UPDATE jobs SET state = ?, due_at = ?, rank = ?, attempts = ?, crashes = ?, extras = ?, expires_at = ?,
  worker = ?, token = ?, started_at = ?, finished_at = ?, remove_at = ?, cancel_at = ?, company = ?, result = ?, rest = ?, entries = ?,
  grp = ? WHERE namespace = ? AND id = unhex(?, '-')`;

/** Reads a job. `null` when it is not kept in this namespace. */
export function readJob(context: Context, id: string): StoredJob | null {
  const row = context.connection.first(SELECT, context.namespace, id);
  return row === undefined ? null : decodeRow(context, row);
}

/** Makes a job of a row of {@link COLUMNS}. */
export function decodeRow(context: Context, row: Row): StoredJob {
  const lane = laneOf(context, Number(row[1]));
  const id = dashed(String(row[0]));
  const rest = decodeRest(row[19]);
  const extras = Number(row[8]);
  const state = JOB_STATES[Number(row[2])] ?? "ready";
  const cancelAtMs = numberOrNull(row[15]);
  const record: JobRecord = {
    id,
    type: lane.type,
    queue: lane.queue,
    state,
    labels: lane.labels,
    tags: rest.tags ?? [],
    input: readInput(context, id, row[17], extras),
    headStartMs: Number(row[3]) - Number(row[4]),
    attempts: Number(row[6]),
    crashes: Number(row[7]),
    enqueuedAtMs: Number(row[5]),
    dueAtMs: Number(row[3]),
    expiresAtMs: numberOrNull(row[9]),
    startedAtMs: numberOrNull(row[12]),
    finishedAtMs: numberOrNull(row[13]),
    removeAtMs: numberOrNull(row[14]),
    worker: typeof row[10] === "number" ? workerName(context, row[10]) : textOrNull(row[10]),
    token: textOrNull(row[11]),
    progress: rest.progress ?? null,
    result: readResult(context, id, row[18], extras),
    error: rest.error ?? null,
    cancelRequest:
      cancelAtMs === null ? null : { atMs: cancelAtMs, reason: rest.cancelReason ?? "" },
    history: rest.history ?? [],
    idempotencyKey: rest.key ?? null,
    keys: rest.keys === undefined ? NO_KEYS : rest.keys.map(([limit, key]) => ({ limit, key })),
    ...(rest.terms === undefined ? {} : { terms: rest.terms }),
    ...runPartOf(row[20], isTerminal(state) ? row[21] : countEntries(context, id, Number(row[21]))),
  };
  return {
    record,
    lane,
    extras,
    retention: rest.retention === undefined ? undefined : decodeRetention(rest.retention),
    strikes: rest.strikes ?? 0,
    company: numberOrNull(row[16]),
    group: numberOrNull(row[22]),
    unique: rest.unique,
  };
}

/** Writes a changed job over the one that was read. */
export function writeJob(context: Context, before: StoredJob, after: StoredJob): void {
  const { record } = after;
  const withResult =
    record.result === before.record.result
      ? after.extras
      : writeResult(context, record.id, record.result, after.extras);
  const extras = flowExtras(context, after, withResult);
  context.connection.run(
    UPDATE,
    STATE[record.state],
    record.dueAtMs,
    rankOf(record),
    record.attempts,
    record.crashes,
    extras,
    record.expiresAtMs,
    record.token !== null && record.worker !== null
      ? BigInt(workerNumber(context, record.worker))
      : record.worker,
    record.token,
    record.startedAtMs,
    record.finishedAtMs,
    record.removeAtMs,
    record.cancelRequest?.atMs ?? null,
    after.company,
    (extras & EXTRA.result) === 0 ? record.result : null,
    encodeRest(after),
    record.entries ?? 0,
    regroup(context, before, after),
    context.namespace,
    record.id,
  );
  noteState(context, after.lane, before.record.state, record);
}

function noteState(
  context: Context,
  lane: Lane,
  before: JobRecord["state"],
  record: JobRecord,
): void {
  if (before !== record.state) {
    context.counts.add(lane.no, STATE[before], -1);
    context.counts.add(lane.no, STATE[record.state], 1);
  }
  if (record.state === "ready") noteReady(context, lane);
  if (record.state === "scheduled") noteScheduled(context, lane, record.dueAtMs);
}

/** A lane has something to claim. */
export function noteReady(context: Context, lane: Lane): void {
  lane.mayBeReady = true;
  lane.mayBeSuspect = true;
  lane.mayHaveTurns = true;
  context.effects.readied.add(lane);
}

/** A lane has something to claim later. */
export function noteScheduled(context: Context, lane: Lane, dueAtMs: number): void {
  noteDue(lane, dueAtMs);
  context.effects.readied.add(lane);
}

/** Puts another input in the place of a job's. Called after its row was written. */
export function writeInput(context: Context, before: StoredJob, input: string): void {
  const { connection, namespace } = context;
  const { id } = before.record;
  const isLong = isLongInput(input);
  if (isLong) putLongInput(context, id, input);
  else if ((before.extras & EXTRA.input) !== 0) dropLongInput(context, id);
  connection.run(
    `UPDATE jobs SET input = ?, extras = (extras & ~${EXTRA.input}) | ?
     WHERE namespace = ? AND id = unhex(?, '-')`,
    isLong ? null : input,
    isLong ? EXTRA.input : 0,
    namespace,
    id,
  );
}

/** Gives a job another id and lane, with all that is kept of it. */
export function moveRows(
  context: Context,
  { record }: StoredJob,
  to: { readonly id: string; readonly lane: Lane },
): void {
  const { connection, namespace } = context;
  connection.run(
    "UPDATE jobs SET id = unhex(?, '-'), lane = ? WHERE namespace = ? AND id = unhex(?, '-')",
    to.id,
    to.lane.no,
    namespace,
    record.id,
  );
  for (const table of ["documents", "logs", "tags"] as const) {
    connection.run(
      `UPDATE ${table} SET id = unhex(?, '-') WHERE namespace = ? AND id = unhex(?, '-')${table === "tags" ? " AND tag IN (SELECT value FROM json_each(?))" : ""}`,
      to.id,
      namespace,
      record.id,
      ...(table === "tags" ? [JSON.stringify(record.tags)] : []),
    );
  }
  if (record.idempotencyKey === null) return;
  connection.run(
    `UPDATE keys SET id = unhex(?, '-') WHERE namespace = ? AND type = ? AND key = ? AND id = unhex(?, '-')`,
    to.id,
    namespace,
    record.type,
    record.idempotencyKey,
    record.id,
  );
}

/** Removes a job with all that is kept of it. */
export function removeJob(context: Context, job: StoredJob): void {
  context.connection.run(
    "DELETE FROM jobs WHERE namespace = ? AND id = unhex(?, '-')",
    context.namespace,
    job.record.id,
  );
  context.counts.add(job.lane.no, STATE[job.record.state], -1);
  if (job.record.token !== null && job.group !== null)
    leaveGates(context, context.gates.group(context, job.group));
  endFlow(context, job.lane, job.record.id, job.extras, job.unique);
  removeExtras(context, job.record.id, job.extras, job.record.tags);
}

/** Removes what other tables keep of a job. */
export function removeExtras(
  context: Context,
  id: string,
  extras: number,
  tags: readonly string[],
): void {
  if (extras === 0) return;
  const { connection, namespace } = context;
  if ((extras & (EXTRA.input | EXTRA.result)) !== 0) {
    connection.run(
      "DELETE FROM documents WHERE namespace = ? AND id = unhex(?, '-')",
      namespace,
      id,
    );
  }
  if ((extras & EXTRA.run) !== 0) {
    connection.run("DELETE FROM runs WHERE namespace = ? AND run = unhex(?, '-')", namespace, id);
  }
  if ((extras & EXTRA.logs) !== 0) {
    connection.run("DELETE FROM logs WHERE namespace = ? AND id = unhex(?, '-')", namespace, id);
  }
  for (const tag of tags) {
    connection.run(
      "DELETE FROM tags WHERE namespace = ? AND tag = ? AND id = unhex(?, '-')",
      namespace,
      tag,
      id,
    );
  }
}

type Column = Row[number] | undefined;

/** The parent in its column. */
export function parentOf(column: Column): JobRecord["parent"] {
  if (column === null || column === undefined) return undefined;
  const bytes = column as Uint8Array;
  return dashed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex"));
}

function runPartOf(parentColumn: Column, entries: Column): Pick<JobRecord, "parent" | "entries"> {
  const parent = parentOf(parentColumn);
  return {
    ...(parent === undefined ? {} : { parent }),
    ...(entries === 0 ? {} : { entries: Number(entries) }),
  };
}

const NO_KEYS: JobRecord["keys"] = [];

/** Puts a state's terminal form apart from the others: what finishes keeps no lease and no company. */
export function cleared(job: StoredJob, record: JobRecord): StoredJob {
  return isTerminal(record.state)
    ? { ...job, record, strikes: 0, company: null }
    : { ...job, record };
}

export function laneOf(context: Context, no: number): Lane {
  const known = context.lanes.byNo(no);
  if (known !== undefined) return known;
  context.lanes.refresh();
  const lane = context.lanes.byNo(no);
  if (lane === undefined) throw new Error(`lane ${no} is not of namespace ${context.namespace}`);
  return lane;
}

/** The usual text form of 32 hex digits. */
export function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function numberOrNull(value: Column): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function textOrNull(value: Column): string | null {
  return typeof value === "string" ? value : null;
}
