// Claiming: the lowest ranks of the lanes that a worker serves, within one capacity.
import type { ClaimRequest, ClaimedJob } from "../../core/store.ts";
import type { Row, Values } from "./connection.ts";
import { type Context, emit } from "./context.ts";
import { STATE } from "./counts.ts";
import type { Lane } from "./lanes.ts";
import { EXTRA, claimPartOf, dashed, readLongInput } from "./rows.ts";

/** A lane that a request may claim from; lanes of one offer share what is left of its capacity. */
export interface OpenLane {
  readonly lane: Lane;
  readonly offer: { left: number };
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

const RETURNING =
  "RETURNING lower(hex(id)), lane, due_at, enqueued_at, attempts, crashes, extras, input, rest, token";
const CLEAR_PROGRESS =
  "rest = CASE WHEN rest IS NULL THEN NULL ELSE json_remove(rest, '$.progress') END";
const HEAD = `SELECT id FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND
  (expires_at IS NULL OR expires_at > ?) ORDER BY rank, id LIMIT ?`;
/*
 * The driver binds numbers as floats and SQLite makes them integers by the column's affinity. Where there is none (a
 * worker's number, a token's), a BigInt is bound.
 */

/** One statement for any number of jobs of one lane: 25% cheaper a job than an update each. */
const CLAIM_LANE = `UPDATE jobs SET state = 2, worker = ?, started_at = ?, token = ? || (? + place), ${CLEAR_PROGRESS}
  FROM (SELECT id AS head, row_number() OVER () - 1 AS place FROM (${HEAD}))
  WHERE namespace = ? AND id = head ${RETURNING}`;
const CLAIM_ONE = `UPDATE jobs SET state = 2, worker = ?, started_at = ?, token = ?, ${CLEAR_PROGRESS}
  WHERE namespace = ? AND id = ? ${RETURNING}`;
const KEYS = `SELECT rank, id FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND
  (expires_at IS NULL OR expires_at > ?) AND (rank, id) > (?, ?) ORDER BY rank, id LIMIT ?`;

/** Takes what the open lanes have, lowest rank first, until the capacity is used. */
export function claimReady(context: Context, claiming: Claiming, open: readonly OpenLane[]): void {
  const live = open.filter(({ lane, offer }) => lane.mayBeReady && offer.left > 0);
  if (live.length === 0 || claiming.left === 0) return;
  const [only] = live;
  if (live.length === 1 && only !== undefined) claimLane(context, claiming, only);
  else claimMerged(context, claiming, live);
}

function claimLane(context: Context, claiming: Claiming, { lane, offer }: OpenLane): void {
  const { request, workerNo } = claiming;
  const { nowMs, namespace } = context;
  const wanted = Math.min(claiming.left, offer.left);
  const firstToken = request.firstToken + claiming.claimed.length;
  const prefix = `${request.tokenNonce}.`;
  const rows = context.connection.all(
    CLAIM_LANE,
    BigInt(workerNo),
    nowMs,
    prefix,
    BigInt(firstToken),
    lane.no,
    nowMs,
    wanted,
    namespace,
  );
  // RETURNING promises no order: the tokens tell it.
  const place = (row: Row): number => Number(String(row[9]).slice(prefix.length));
  const ordered = rows.length < 2 ? rows : [...rows].sort((a, b) => place(a) - place(b));
  for (const row of ordered) take(context, claiming, lane, row);
  offer.left -= rows.length;
  if (rows.length < wanted) lane.mayBeReady = false;
}

/** Keys read ahead of one lane. */
interface Cursor extends OpenLane {
  keys: readonly Row[];
  next: number;
  isDry: boolean;
}

/** Least keys read ahead a lane: few enough that fifty lanes cost little, enough that one rarely reads again. */
const LEAST_AHEAD = 8;

function claimMerged(context: Context, claiming: Claiming, live: readonly OpenLane[]): void {
  const ahead = Math.max(LEAST_AHEAD, Math.ceil((2 * claiming.left) / live.length));
  const cursors: Cursor[] = live.map((entry) => ({ ...entry, keys: [], next: 0, isDry: false }));
  for (const cursor of cursors) readAhead(context, cursor, ahead);
  while (claiming.left > 0) {
    const best = lowest(cursors);
    if (best === null) return;
    const key = best.keys[best.next];
    best.next += 1;
    if (key === undefined) return;
    claimOne(context, claiming, best.lane, key[1]);
    best.offer.left -= 1;
    if (best.next === best.keys.length && !best.isDry) readAhead(context, best, ahead);
  }
}

function claimOne(
  context: Context,
  claiming: Claiming,
  lane: Lane,
  id: Values[number] | undefined,
): void {
  const { request } = claiming;
  const row = context.connection.first(
    CLAIM_ONE,
    BigInt(claiming.workerNo),
    context.nowMs,
    `${request.tokenNonce}.${request.firstToken + claiming.claimed.length}`,
    context.namespace,
    id ?? null,
  );
  if (row !== undefined) take(context, claiming, lane, row);
}

function lowest(cursors: readonly Cursor[]): Cursor | null {
  let best: Cursor | null = null;
  let bestKey: Row | undefined;
  for (const cursor of cursors) {
    const key = cursor.offer.left > 0 ? cursor.keys[cursor.next] : undefined;
    if (key === undefined) continue;
    if (bestKey === undefined || isBefore(key, bestKey)) {
      best = cursor;
      bestKey = key;
    }
  }
  return best;
}

function isBefore(left: Row, right: Row): boolean {
  if (left[0] !== right[0]) return Number(left[0]) < Number(right[0]);
  return Buffer.compare(left[1] as Uint8Array, right[1] as Uint8Array) < 0;
}

function readAhead(context: Context, cursor: Cursor, ahead: number): void {
  const last = cursor.keys[cursor.keys.length - 1];
  cursor.keys = context.connection.all(
    KEYS,
    cursor.lane.no,
    context.nowMs,
    last === undefined ? Number.MIN_SAFE_INTEGER : (last[0] ?? 0),
    last === undefined ? new Uint8Array(0) : (last[1] ?? null),
    ahead,
  );
  cursor.next = 0;
  cursor.isDry = cursor.keys.length < ahead;
  if (cursor.keys.length === 0) cursor.lane.mayBeReady = false;
}

const SUSPECT_HEAD = `SELECT id FROM jobs WHERE lane = ? AND state = 1 AND company >= ? AND
  (expires_at IS NULL OR expires_at > ?) ORDER BY rank, id LIMIT ?`;

/** Takes suspects of one lane that bear this much company. */
export function claimSuspects(
  context: Context,
  claiming: Claiming,
  { lane, offer }: OpenLane,
  company: number,
): void {
  const wanted = Math.min(company, claiming.left, offer.left);
  const heads = context.connection.all(SUSPECT_HEAD, lane.no, company, context.nowMs, wanted);
  for (const [id] of heads) claimOne(context, claiming, lane, id);
  offer.left -= heads.length;
}

/** Notes a claimed row. */
function take(context: Context, claiming: Claiming, lane: Lane, row: Row): void {
  const id = dashed(String(row[0]));
  const extras = Number(row[6]);
  const { tags, retention } = claimPartOf(row[8]);
  const attempt = Number(row[4]) + 1;
  claiming.left -= 1;
  claiming.claimed.push({
    id,
    type: lane.type,
    queue: lane.queue,
    input: (extras & EXTRA.input) === 0 ? String(row[7]) : readLongInput(context, id),
    token: String(row[9]),
    attempt,
    crashes: Number(row[5]),
    enqueuedAtMs: Number(row[3]),
    dueAtMs: Number(row[2]),
    startedAtMs: context.nowMs,
    tags,
    ...(retention === undefined ? {} : { retention }),
  });
  context.counts.add(lane.no, STATE.ready, -1);
  context.counts.add(lane.no, STATE.running, 1);
  emit(context, lane, id, { kind: "started", worker: claiming.worker, attempt });
}
