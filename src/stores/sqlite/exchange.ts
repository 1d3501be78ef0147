// The hot path: settles what ended, makes due jobs ready, claims, and says when to look again.
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
} from "../../core/store.ts";
import { promote } from "../../core/transitions.ts";
import { type Claiming, type OpenLane, claimReady } from "./claim.ts";
import type { Context } from "./context.ts";
import { STATE } from "./counts.ts";
import { Endings } from "./runs/endings.ts";
import { openDue } from "./flow/openings.ts";
import type { Lane } from "./lanes.ts";
import { type QueueRoom, isLimited, noteQueueStarts, queueRoom } from "./flow/limits.ts";
import { COLUMNS, decodeRow, writeJob } from "./rows.ts";
import { findWorkerNumber } from "./worker-names.ts";
import { advanceRuns } from "./runs/runs.ts";
import { settle } from "./settle.ts";
import { claimForSuspects } from "./suspects.ts";

/** What a request claims from, for whoever must know when there is more. */
export interface ExchangeResult {
  readonly reply: ExchangeReply;
  /** Whether it asked for more than there was. */
  readonly isHungry: boolean;
  readonly nextDueAtMs: number | null;
}

/** Settles and claims. */
export function exchange(context: Context, request: ExchangeRequest): ExchangeResult {
  const endings = new Endings(request.worker, request.advances ?? []);
  const settled = request.settlements.map((settlement) =>
    settle(context, request.worker, settlement, endings),
  );
  const done = { settled, ...advance(context, request, settled, endings) };
  // Without a lease nothing may be claimed: nobody would notice its end.
  const workerNo = request.claim === undefined ? null : findWorkerNumber(context, request.worker);
  if (request.claim === undefined || workerNo === null) {
    return {
      reply: { ...done, claimed: [], lookAgainInMs: null },
      isHungry: false,
      nextDueAtMs: null,
    };
  }
  const claiming: Claiming = {
    request: request.claim,
    workerNo,
    worker: request.worker,
    left: request.claim.capacity,
    claimed: [],
  };
  const rooms = new Map<string, QueueRoom>();
  const open = openLanes(context, request.claim, rooms);
  let nextDueAtMs: number | null = null;
  for (const { lane } of open) {
    const dueAtMs = promoteDue(context, lane, request.claim.capacity);
    nextDueAtMs = earlier(nextDueAtMs, dueAtMs);
  }
  openDue(context);
  claimForSuspects(context, claiming, open);
  claimReady(context, claiming, open);
  noteStarts(context, claiming.claimed, rooms);
  nextDueAtMs = earlier(nextDueAtMs, nextOpening(context, rooms));
  return {
    reply: {
      ...done,
      claimed: claiming.claimed,
      lookAgainInMs: nextDueAtMs === null ? null : Math.max(0, nextDueAtMs - context.nowMs),
    },
    isHungry: claiming.claimed.length < request.claim.capacity,
    nextDueAtMs,
  };
}

/** Runs go on after the settlements that they stand on, and refused with them. */
function advance(
  context: Context,
  { worker, settlements, advances }: ExchangeRequest,
  settled: readonly SettleReply[],
  endings: Endings,
): Pick<ExchangeReply, "advanced"> {
  if (advances === undefined || advances.length === 0) return {};
  const refused = new Set<string>();
  for (const [index, reply] of settled.entries()) {
    const id = settlements[index]?.id;
    if (!reply.accepted && id !== undefined) refused.add(id);
  }
  return { advanced: advanceRuns(context, { worker, refused, endings }, advances) };
}

function earlier(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.min(left, right);
}

/** Rates count what was claimed. */
function noteStarts(
  context: Context,
  claimed: readonly ClaimedJob[],
  rooms: ReadonlyMap<string, QueueRoom>,
): void {
  for (const queue of rooms.keys()) {
    if (!isLimited(context, queue)) continue;
    noteQueueStarts(context, queue, claimed.filter((job) => job.queue === queue).length);
  }
}

/** When a rate, or a handler's push-back, lets the next job start. */
function nextOpening(context: Context, rooms: ReadonlyMap<string, QueueRoom>): number | null {
  // What this claim used up is shut now, and opens by time.
  let nextMs = context.lanes.keyed().length === 0 ? null : openDue(context);
  for (const [queue, room] of rooms) {
    if (!isLimited(context, queue) || room.left > 0) continue;
    nextMs = earlier(nextMs, queueRoom(context, queue).opensAtMs);
  }
  return nextMs;
}

/**
 * The lanes that a request may claim from: offered, not paused, every label at hand, and with room in their queue. Where
 * `rooms` is given, it gets the room of each queue.
 */
export function openLanes(
  context: Context,
  request: ClaimRequest,
  rooms: Map<string, QueueRoom> = new Map(),
): OpenLane[] {
  const open: OpenLane[] = [];
  for (const { queue, type, capacity } of request.offers) {
    if (capacity <= 0 || context.paused.has(queue)) continue;
    const room = rooms.get(queue) ?? queueRoom(context, queue);
    rooms.set(queue, room);
    if (room.left <= 0) continue;
    const offer = { left: capacity };
    for (const lane of context.lanes.offered(queue, type)) {
      if (lane.labels.every((label) => request.labels.includes(label))) {
        open.push({ lane, offer, room });
      }
    }
  }
  return open;
}

/** Least jobs made ready in one step, so that a backlog that fell due at once is worked off in few steps. */
const LEAST_PROMOTED = 100;
const PROMOTE = `UPDATE jobs SET state = 1 WHERE namespace = ? AND id IN
  (SELECT id FROM jobs WHERE lane = ? AND state = 0 AND due_at <= ? ORDER BY due_at LIMIT ?)`;
const NEXT_DUE = "SELECT min(due_at) FROM jobs WHERE lane = ? AND state = 0";

/** Makes due jobs of a lane ready, a bounded number. Gives back when the next one is due; `null`: none is scheduled. */
function promoteDue(context: Context, lane: Lane, capacity: number): number | null {
  const { connection, namespace, nowMs } = context;
  if (lane.nextDueAtMs === undefined) lane.nextDueAtMs = readNextDue(context, lane);
  if (lane.nextDueAtMs === null || lane.nextDueAtMs > nowMs) return lane.nextDueAtMs;
  const most = Math.max(LEAST_PROMOTED, capacity);
  if (lane.isKeyed) promoteEach(context, lane, most);
  else {
    const promoted = connection.run(PROMOTE, namespace, lane.no, nowMs, most);
    if (promoted > 0) {
      context.counts.add(lane.no, STATE.scheduled, -promoted);
      context.counts.add(lane.no, STATE.ready, promoted);
      lane.mayBeReady = true;
      lane.mayBeSuspect = true;
    }
  }
  lane.nextDueAtMs = readNextDue(context, lane);
  return lane.nextDueAtMs;
}

const DUE = `SELECT ${COLUMNS} FROM jobs WHERE lane = ? AND state = 0 AND due_at <= ? ORDER BY due_at LIMIT ?`;

/** Jobs with keys enter their groups one by one. */
function promoteEach(context: Context, lane: Lane, most: number): void {
  for (const row of context.connection.all(DUE, lane.no, context.nowMs, most)) {
    const job = decodeRow(context, row);
    const transition = promote(job.record, context.nowMs);
    if (transition.kind !== "changed") continue;
    writeJob(context, job, { ...job, record: transition.job });
  }
}

function readNextDue(context: Context, lane: Lane): number | null {
  const at = context.connection.first(NEXT_DUE, lane.no)?.[0];
  return at === null || at === undefined ? null : Number(at);
}

const HAS_READY =
  "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND grp IS NULL LIMIT 1";
const HAS_TURNS =
  "SELECT 1 FROM key_groups WHERE lane = ? AND turn IS NOT NULL AND parked_at IS NULL LIMIT 1";
const HAS_SUSPECT =
  "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NOT NULL LIMIT 1";

/** Whether a request that came up short would get something now, or has to look again earlier than it knows. */
export function hasWork(context: Context, request: ClaimRequest, nextDueAtMs: number): boolean {
  const isYoung = request.isYoung === true;
  return openLanes(context, request).some(({ lane }) => {
    if (context.connection.first(HAS_READY, lane.no) !== undefined) return true;
    if (!isYoung && context.connection.first(HAS_SUSPECT, lane.no) !== undefined) return true;
    if (lane.isKeyed && context.connection.first(HAS_TURNS, lane.no) !== undefined) return true;
    const dueAtMs = readNextDue(context, lane);
    return dueAtMs !== null && dueAtMs < nextDueAtMs;
  });
}
