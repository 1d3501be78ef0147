// The hot path: settles what ended, makes due jobs ready, claims, and says when to look again.
import type {
  ClaimRequest,
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
} from "../../core/store.ts";
import { type Claiming, type OpenLane, claimReady } from "./claim.ts";
import type { Context } from "./context.ts";
import { STATE } from "./counts.ts";
import type { Lane } from "./lanes.ts";
import { findWorkerNumber } from "./rows.ts";
import { advanceRun } from "./runs.ts";
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
  const settled = request.settlements.map((settlement) =>
    settle(context, request.worker, settlement),
  );
  const done = { settled, ...advanceRuns(context, request, settled) };
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
  const open = openLanes(context, request.claim);
  let nextDueAtMs: number | null = null;
  for (const { lane } of open) {
    const dueAtMs = promoteDue(context, lane, request.claim.capacity);
    if (dueAtMs !== null) nextDueAtMs = Math.min(dueAtMs, nextDueAtMs ?? dueAtMs);
  }
  claimForSuspects(context, claiming, open);
  claimReady(context, claiming, open);
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
function advanceRuns(
  context: Context,
  { worker, settlements, advances }: ExchangeRequest,
  settled: readonly SettleReply[],
): Pick<ExchangeReply, "advanced"> {
  if (advances === undefined || advances.length === 0) return {};
  const refused = new Set<string>();
  for (const [index, reply] of settled.entries()) {
    const id = settlements[index]?.id;
    if (!reply.accepted && id !== undefined) refused.add(id);
  }
  return { advanced: advances.map((each) => advanceRun(context, worker, each, refused)) };
}

/** The lanes that a request may claim from: offered, not paused, every label at hand. */
export function openLanes(context: Context, request: ClaimRequest): OpenLane[] {
  const open: OpenLane[] = [];
  for (const { queue, type, capacity } of request.offers) {
    if (capacity <= 0 || context.paused.has(queue)) continue;
    const offer = { left: capacity };
    for (const lane of context.lanes.offered(queue, type)) {
      if (lane.labels.every((label) => request.labels.includes(label))) open.push({ lane, offer });
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
  const promoted = connection.run(PROMOTE, namespace, lane.no, nowMs, most);
  if (promoted > 0) {
    context.counts.add(lane.no, STATE.scheduled, -promoted);
    context.counts.add(lane.no, STATE.ready, promoted);
    lane.mayBeReady = true;
    lane.mayBeSuspect = true;
  }
  lane.nextDueAtMs = readNextDue(context, lane);
  return lane.nextDueAtMs;
}

function readNextDue(context: Context, lane: Lane): number | null {
  const at = context.connection.first(NEXT_DUE, lane.no)?.[0];
  return at === null || at === undefined ? null : Number(at);
}

const HAS_READY = "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL LIMIT 1";
const HAS_SUSPECT =
  "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NOT NULL LIMIT 1";

/** Whether a request that came up short would get something now, or has to look again earlier than it knows. */
export function hasWork(context: Context, request: ClaimRequest, nextDueAtMs: number): boolean {
  return openLanes(context, request).some(({ lane }) => {
    if (context.connection.first(HAS_READY, lane.no) !== undefined) return true;
    if (context.connection.first(HAS_SUSPECT, lane.no) !== undefined) return true;
    const dueAtMs = readNextDue(context, lane);
    return dueAtMs !== null && dueAtMs < nextDueAtMs;
  });
}
