// Claiming: the lowest ranks of the lanes that a worker serves, within one capacity.
import type { ClaimRequest, ClaimedJob } from "../../core/store.ts";
import type { FlowClaim } from "./claims.ts";
import type { Row } from "./thread/connection.ts";
import { type Context, emit } from "./context.ts";
import { STATE } from "./counts.ts";
import { type Group, passGates, shutGate } from "./flow/gates.ts";
import type { Lane } from "./lanes.ts";
import { EXTRA } from "./extras.ts";
import { readLongInput } from "./documents.ts";
import { claimPartOf, hasProgress, keysOf } from "./rest.ts";
import { dashed, parentOf } from "./rows.ts";
import { Turns } from "./flow/turns.ts";

/** A lane that a request may claim from; lanes of one offer share what is left of its capacity. */
export interface OpenLane {
  readonly lane: Lane;
  readonly offer: { left: number };
  /** What its queue's limit lets start; shared by all lanes of the queue. */
  readonly room: { left: number };
}

/** One exchange's claim under way. */
export interface Claiming {
  readonly request: ClaimRequest;
  readonly workerNo: number;
  readonly worker: string;
  /** Jobs that may still be taken. */
  left: number;
  readonly claimed: ClaimedJob[];
}

/** The id as text alone: a BLOB is an array with memory of its own, and costs a quarter of what a head costs. */
const COLUMNS =
  "rank, lower(hex(id)), due_at, enqueued_at, attempts, crashes, extras, input, rest, parent";
const HEADS = `SELECT ${COLUMNS} FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND
  grp IS NULL AND (expires_at IS NULL OR expires_at > ?) ORDER BY rank, id LIMIT ?`;
const NEXT_HEADS = `SELECT ${COLUMNS} FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND
  grp IS NULL AND (expires_at IS NULL OR expires_at > ?) AND (rank, id) > (?, unhex(?)) ORDER BY rank, id LIMIT ?`;
const KEYED_HEADS = `SELECT ${COLUMNS} FROM jobs WHERE grp = ? AND state = 1 AND company IS NULL AND
  (expires_at IS NULL OR expires_at > ?) ORDER BY rank, id LIMIT ?`;
const NEXT_KEYED_HEADS = `SELECT ${COLUMNS} FROM jobs WHERE grp = ? AND state = 1 AND company IS NULL AND
  (expires_at IS NULL OR expires_at > ?) AND (rank, id) > (?, unhex(?)) ORDER BY rank, id LIMIT ?`;
/** Groups with the first job of each: one statement for all of them halves what a claim of many keys costs. */
const RING = `SELECT ${COLUMNS.replace("hex(id)", "hex(j.id)")}, g.no FROM key_groups g
  LEFT JOIN jobs j ON j.namespace = ? AND j.id = (
    SELECT first.id FROM jobs first WHERE first.grp = g.no AND first.state = 1 AND first.company IS NULL
      AND (first.expires_at IS NULL OR first.expires_at > ?) ORDER BY first.rank, first.id LIMIT 1)
  WHERE g.lane = ? AND g.turn > ? AND g.turn <= ? AND g.parked_at IS NULL ORDER BY g.turn LIMIT ?`;
const SUSPECT_HEADS = `SELECT ${COLUMNS} FROM jobs WHERE lane = ? AND state = 1 AND company >= ? AND
  (expires_at IS NULL OR expires_at > ?) ORDER BY rank, id LIMIT ?`;
/*
 * An update for each job: one for all of them (UPDATE FROM with row numbers for the tokens, RETURNING the rows) costs as
 * much a job at 100 and 60 µs more a claim.
 * OR FAIL: any error takes the whole transaction back, so no statement needs a journal of its own.
 */
const CLAIM = `UPDATE OR FAIL jobs SET state = 2, worker = ?, started_at = ?, token = ?
  WHERE namespace = ? AND id = unhex(?)`;
const CLEAR_PROGRESS =
  "UPDATE jobs SET rest = json_remove(rest, '$.progress') WHERE namespace = ? AND id = unhex(?)";

/** Heads read ahead of one lane. */
interface Cursor extends OpenLane {
  rows: readonly Row[];
  next: number;
  /** Whether the lane has no more than was read. */
  isDry: boolean;
  /** Jobs of the lane that have keys: these take turns, and are read by their groups. */
  readonly turns: Turns | undefined;
}

/** Least heads read ahead of a lane among others: fifty lanes then cost little, and few are read again. */
const LEAST_AHEAD = 8;

/** Takes what the open lanes have, lowest rank first, until the capacity is used. */
export function claimReady(context: Context, claiming: Claiming, open: readonly OpenLane[]): void {
  const live = open.filter(
    ({ lane, offer, room }) =>
      (lane.mayBeReady || (lane.isKeyed && lane.mayHaveTurns)) && offer.left > 0 && room.left > 0,
  );
  if (live.length === 0 || claiming.left === 0) return;
  const share = Math.ceil((2 * claiming.left) / live.length);
  const ahead = live.length === 1 ? claiming.left : Math.max(LEAST_AHEAD, share);
  const cursors: Cursor[] = [];
  for (const entry of live) {
    if (entry.lane.mayBeReady) cursors.push(openCursor(entry, undefined));
    if (entry.lane.isKeyed && entry.lane.mayHaveTurns) {
      cursors.push(openCursor(entry, openTurns(context, entry.lane, claiming.left)));
    }
  }
  for (const cursor of cursors) {
    if (cursor.turns === undefined) readAhead(context, cursor, ahead);
  }
  takeLowest(context, claiming, cursors, ahead);
  for (const { turns } of cursors) turns?.close();
}

function openCursor(entry: OpenLane, turns: Turns | undefined): Cursor {
  return { ...entry, rows: [], next: 0, isDry: false, turns };
}

function openTurns(context: Context, lane: Lane, most: number): Turns {
  const { connection, namespace, nowMs } = context;
  return new Turns(context, lane, most, {
    ring: ({ after, upTo }, count) =>
      connection.all(RING, namespace, nowMs, lane.no, after, upTo, count),
    heads: (group, after, count) =>
      after === undefined
        ? connection.all(KEYED_HEADS, group.no, nowMs, count)
        : connection.all(
            NEXT_KEYED_HEADS,
            group.no,
            nowMs,
            after[0] ?? null,
            after[1] ?? null,
            count,
          ),
  });
}

function takeLowest(
  context: Context,
  claiming: Claiming,
  cursors: readonly Cursor[],
  ahead: number,
): void {
  while (claiming.left > 0) {
    const found = lowest(cursors);
    if (found === null) return;
    const [best, row] = found;
    if (best.turns !== undefined) {
      take(context, claiming, best, row, best.turns.take());
      continue;
    }
    best.next += 1;
    take(context, claiming, best, row);
    if (best.isDry && best.next === best.rows.length) best.lane.mayBeReady = false;
    const isUsedUp = best.next === best.rows.length && !best.isDry;
    const hasRoom = claiming.left > 0 && best.offer.left > 0 && best.room.left > 0;
    if (isUsedUp && hasRoom) readAhead(context, best, ahead);
  }
}

function headOf(cursor: Cursor): Row | undefined {
  if (cursor.offer.left <= 0 || cursor.room.left <= 0) return undefined;
  return cursor.turns === undefined ? cursor.rows[cursor.next] : cursor.turns.head();
}

function lowest(cursors: readonly Cursor[]): readonly [Cursor, Row] | null {
  let best: readonly [Cursor, Row] | null = null;
  for (const cursor of cursors) {
    const row = headOf(cursor);
    if (row !== undefined && (best === null || isBefore(row, best[1]))) best = [cursor, row];
  }
  return best;
}

function isBefore(left: Row, right: Row): boolean {
  if (left[0] !== right[0]) return Number(left[0]) < Number(right[0]);
  return String(left[1]) < String(right[1]);
}

function readAhead(context: Context, cursor: Cursor, ahead: number): void {
  const { lane, offer, rows } = cursor;
  const last = rows[rows.length - 1];
  const most = Math.min(ahead, offer.left, cursor.room.left);
  cursor.rows =
    last === undefined
      ? context.connection.all(HEADS, lane.no, context.nowMs, most)
      : context.connection.all(
          NEXT_HEADS,
          lane.no,
          context.nowMs,
          last[0] ?? null,
          last[1] ?? null,
          most,
        );
  cursor.next = 0;
  cursor.isDry = cursor.rows.length < most;
  if (cursor.rows.length === 0) lane.mayBeReady = false;
}

/** Takes suspects of one lane that bear this much company. */
export function claimSuspects(
  context: Context,
  claiming: Claiming,
  open: OpenLane,
  company: number,
): void {
  const wanted = Math.min(company, claiming.left, open.offer.left, open.room.left);
  const { nowMs } = context;
  const rows = context.connection.all(SUSPECT_HEADS, open.lane.no, company, nowMs, wanted);
  for (const row of rows) {
    if ((Number(row[6]) & EXTRA.keys) === 0) take(context, claiming, open, row);
    else takeKeyedSuspect(context, claiming, open, row);
  }
}

/** A suspect waits apart from its group: its gates are looked at here. */
function takeKeyedSuspect(context: Context, claiming: Claiming, open: OpenLane, row: Row): void {
  const group = context.gates.ofKeys(context, open.lane, keysOf(row[8]));
  if (shutGate(context, group) !== undefined) return;
  passGates(context, group);
  take(context, claiming, open, row, group);
  const { connection, namespace } = context;
  connection.run(
    "UPDATE jobs SET grp = ? WHERE namespace = ? AND id = unhex(?)",
    group.no,
    namespace,
    row[1] ?? null,
  );
}

/** Claims one job. */
function take(
  context: Context,
  claiming: Claiming,
  { lane, offer, room }: OpenLane,
  row: Row,
  group?: Group,
): void {
  const { connection, namespace, nowMs } = context;
  const { request, claimed } = claiming;
  const token = `${request.tokenNonce}.${request.firstToken + claimed.length}`;
  const key = row[1] ?? null;
  // A BigInt: numbers are bound as floats, and only columns with a type make integers of them.
  connection.run(CLAIM, BigInt(claiming.workerNo), nowMs, token, namespace, key);
  const rest = row[8] === group?.plainRest ? null : row[8];
  if (hasProgress(rest)) connection.run(CLEAR_PROGRESS, namespace, key);
  const id = dashed(String(row[1]));
  const extras = Number(row[6]);
  const { tags, own, unique } = claimPartOf(rest);
  const attempt = Number(row[4]) + 1;
  if (extras === 0) context.claims.remember(token, lane);
  else if ((extras & ~FLOW) === 0 && hasKeys(extras) === (group !== undefined)) {
    rememberFlow(context, token, { lane, extras, group, unique, rest: String(row[8]) });
  }
  const parent = (extras & EXTRA.parent) === 0 ? undefined : parentOf(row[9]);
  if (extras === EXTRA.parent && parent !== undefined) {
    context.claims.rememberStep(token, { lane, parent, attempt, startedAtMs: nowMs });
  }
  claiming.left -= 1;
  offer.left -= 1;
  room.left -= 1;
  claimed.push({
    id,
    type: lane.type,
    queue: lane.queue,
    input: (extras & EXTRA.input) === 0 ? String(row[7]) : readLongInput(context, id),
    token,
    attempt,
    crashes: Number(row[5]),
    enqueuedAtMs: Number(row[3]),
    dueAtMs: Number(row[2]),
    startedAtMs: nowMs,
    tags,
    ...own,
    ...(parent === undefined ? {} : { parent }),
    ...((extras & EXTRA.run) === 0 ? {} : { resumes: true }),
  });
  context.counts.add(lane.no, STATE.ready, -1);
  context.counts.add(lane.no, STATE.running, 1);
  emit(context, lane, id, { kind: "started", worker: claiming.worker, attempt });
}

const FLOW: number = EXTRA.keys | EXTRA.unique;

function hasKeys(extras: number): boolean {
  return (extras & EXTRA.keys) !== 0;
}

/** Only what would be kept as it is when the job succeeds: nothing of a failed try. */
function rememberFlow(context: Context, token: string, claim: FlowClaim): void {
  const { group, rest } = claim;
  const mayChange =
    rest !== group?.plainRest &&
    (rest.includes('"error":') || rest.includes('"strikes":') || hasProgress(rest));
  if (!mayChange) context.claims.rememberFlow(token, claim);
}
