// Claims: BullMQ hands out a queue's next jobs; those that the worker can't take go back to where they were.
import { MAX_CLAIM_BATCH } from "../../core/limits.ts";
import type { ClaimRequest, ClaimedJob } from "../../core/store.ts";
import { expire, expiryError, isExpired } from "../../core/transitions.ts";
import { type Context, type Held, policyOf, typesNamed, watchJobs } from "./context.ts";
import type { Keys } from "./keys.ts";
import type { Sent } from "./link.ts";
import { type Move, writeMoves } from "./moves.ts";
import { noticeCommand } from "./notices.ts";
import { type Found, fieldsOf, foundOf, processedBy } from "./records.ts";

/** Most jobs that one claim looks at: of a queue's head that belongs to other workers' types, it sees so much. */
const MAX_LOOKED_AT = MAX_CLAIM_BATCH;
/** BullMQ's scores of delayed jobs: the time, and 12 bits for the order within a millisecond. */
const DELAYED_SCALE = 0x1000;

/**
 * A job goes back behind a delay, or this very worker would be handed it again at once: a short one where it has no room
 * for the job now, a longer one where it does not serve the type, which is for others to do.
 */
const BUSY_HOLD_MS = 500;
const UNSERVED_HOLD_MS = 15_000;

/** What a claim gave. */
export interface Claim {
  readonly claimed: readonly ClaimedJob[];
  readonly lookAgainInMs: number | null;
}

/** A claim under way. */
interface Claiming {
  readonly context: Context;
  readonly worker: string;
  readonly lockMs: number;
  readonly request: ClaimRequest;
  readonly room: Map<string, number>;
  readonly taken: Found[];
  /** Jobs that go back, or that are ended because they came too late. */
  readonly back: Found[];
  readonly numbers: number[];
  looked: number;
  left: number;
}

/** Claims what there is, within the capacities. */
export async function claimJobs(
  context: Context,
  worker: string,
  lockMs: number,
  request: ClaimRequest,
): Promise<Claim> {
  const own = [...context.held.values()].filter((held) => held.worker === worker);
  const claiming: Claiming = {
    context,
    worker,
    lockMs,
    request,
    room: new Map(request.offers.map((offer) => [laneOf(offer), offer.capacity])),
    taken: [],
    back: [],
    numbers: Array.from({ length: request.capacity }, (_, index) => request.firstToken + index),
    looked: 0,
    // Beside a suspect nothing runs.
    left: own.some(({ isSuspect }) => isSuspect) ? 0 : request.capacity,
  };
  const queues = [...new Set(request.offers.map(({ queue }) => queue))];
  if (queues.length === 0) return { claimed: [], lookAgainInMs: null };
  const isIdle = own.length === 0;
  while (claiming.left > 0) {
    const available = await lookAt(claiming, queues);
    const before = claiming.back.length;
    for (const queue of queues) await takeFrom(claiming, queue, available.get(queue) ?? 0, isIdle);
    // What could not be taken made room for others: they are looked for. Else the queues gave all that they had.
    if (claiming.back.length === before) break;
  }
  await putBack(claiming);
  return finishClaim(claiming, queues);
}

function laneOf({ queue, type }: { readonly queue: string; readonly type: string }): string {
  return `${queue}:${type}`;
}

/** How many jobs each queue could give now; none at all where the worker holds no lease. */
async function lookAt(
  { context: { link }, worker }: Claiming,
  queues: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { keys } = link;
  const nowMs = Date.now();
  const dueScore = (nowMs + 1) * DELAYED_SCALE - 1;
  const [lease, ...counts] = await link.read([
    ["ZSCORE", keys.leases, worker],
    ...queues.flatMap((queue): Sent[] => [
      ["LLEN", keys.bull(queue, "wait")],
      ["ZCARD", keys.bull(queue, "prioritized")],
      ["ZCOUNT", keys.bull(queue, "delayed"), 0, dueScore],
      ["HEXISTS", keys.bull(queue, "meta"), "paused"],
    ]),
  ]);
  const available = new Map<string, number>();
  if (lease === null) return available;
  for (const [index, queue] of queues.entries()) {
    const [wait, prioritized, due, paused] = counts.slice(index * 4, index * 4 + 4).map(Number);
    const count = (wait ?? 0) + (prioritized ?? 0) + (due ?? 0);
    available.set(queue, paused === 1 ? 0 : count);
  }
  return available;
}

async function takeFrom(
  claiming: Claiming,
  queue: string,
  available: number,
  isIdle: boolean,
): Promise<void> {
  const { context, request, worker, lockMs, numbers } = claiming;
  const { link } = context;
  const room = request.offers
    .filter((offer) => offer.queue === queue)
    .reduce((sum, offer) => sum + (claiming.room.get(laneOf(offer)) ?? 0), 0);
  const count = Math.min(claiming.left, room, available, MAX_LOOKED_AT - claiming.looked);
  if (count <= 0) return;
  const tokens = numbers.slice(0, count).map((number) => `${request.tokenNonce}.${number}`);
  const ids = await link.run("claim", async (peer) => {
    const backend = peer.backend(queue, lockMs);
    const replies = await Promise.all(
      tokens.map((token) => backend.moveToActive(token, processedBy(worker))),
    );
    return replies.map((reply) => (reply[0] ? String(reply[1]) : null));
  });
  const held = ids.flatMap((bullId, index) =>
    bullId === null ? [] : [{ bullId, token: tokens[index] ?? "" }],
  );
  const hashes = await link.read(
    held.map(({ bullId }): Sent => ["HGETALL", link.keys.bull(queue, bullId)]),
  );
  for (const [index, { bullId, token }] of held.entries()) {
    const hash = fieldsOf(hashes[index]);
    if (hash["name"] === undefined) continue;
    claiming.looked += 1;
    place(claiming, foundOf({ queue, bullId, hash, list: "active", lock: token }), isIdle);
  }
}

/** Decides whether a job that BullMQ handed out is taken. */
function place(claiming: Claiming, found: Found, isIdle: boolean): void {
  const { room, taken, back, numbers } = claiming;
  const lane = laneOf(found.record);
  const isWelcome =
    claiming.left > 0 &&
    (room.get(lane) ?? 0) > 0 &&
    found.deferredFailure === null &&
    !isLate(found) &&
    !taken.some(({ extras }) => extras.isSuspect === true) &&
    (found.extras.isSuspect !== true || (isIdle && taken.length === 0));
  if (!isWelcome) {
    back.push(found);
    return;
  }
  taken.push(found);
  room.set(lane, (room.get(lane) ?? 0) - 1);
  numbers.splice(numbers.indexOf(Number(found.lock?.slice(found.lock.lastIndexOf(".") + 1))), 1);
  claiming.left = found.extras.isSuspect === true ? 0 : claiming.left - 1;
}

function isLate({ record }: Found): boolean {
  return isExpired({ ...record, state: "ready" }, Date.now());
}

/** Gives back what was not taken, and ends what came too late or what BullMQ wants failed. */
async function putBack(claiming: Claiming): Promise<void> {
  const { context, back } = claiming;
  if (back.length === 0) return;
  const { link } = context;
  await link.guard("claim", async (turn) => {
    const found = await watchJobs(context, turn, back);
    const types = await typesNamed(
      turn.read.bind(turn),
      link.keys.types,
      back.map(({ record }) => record.type),
    );
    const nowMs = Date.now();
    const moves: Move[] = [];
    for (const [index, job] of found.entries()) {
      if (job === null || job.list !== "active" || job.lock !== back[index]?.lock) continue;
      const policy = policyOf(types, job.record.type, job.retention);
      moves.push({ ...returnOf(job, policy, nowMs), holdMs: holdMsOf(claiming, job) });
    }
    return turn.commit((writes) => {
      writeMoves(link, turn, writes, moves, nowMs);
      for (const { found: job, after } of moves) {
        if (after !== null) writes.add(...unstarting(link.keys, job));
      }
    }, undefined);
  });
}

/** BullMQ noted this worker's start of it: what stands is the last one, of a try, or none. */
function unstarting(keys: Keys, { queue, bullId, record }: Found): Sent {
  const key = keys.bull(queue, bullId);
  const last = record.history.at(-1);
  return last === undefined
    ? ["HDEL", key, "pb", "processedOn"]
    : ["HSET", key, "pb", processedBy(last.worker), "processedOn", last.startedAtMs];
}

/** How long a job that goes back is kept from being handed out again. */
function holdMsOf({ request, taken }: Claiming, { record }: Found): number {
  // Beside a suspect this worker takes nothing: others may, at once.
  if (taken.some(({ extras }) => extras.isSuspect === true)) return 0;
  const isServed = request.offers.some((offer) => laneOf(offer) === laneOf(record));
  return isServed ? BUSY_HOLD_MS : UNSERVED_HOLD_MS;
}

function returnOf(found: Found, policy: ReturnType<typeof policyOf>, nowMs: number): Move {
  const last = found.record.history.at(-1);
  const before = {
    ...found.record,
    state: "ready" as const,
    token: null,
    worker: last?.worker ?? null,
    startedAtMs: last?.startedAtMs ?? null,
  };
  const { deferredFailure } = found;
  const expired = expire(
    deferredFailure === null ? before : { ...before, expiresAtMs: nowMs },
    policy,
    nowMs,
  );
  if (expired.kind === "rejected") return { found, after: before, changes: [] };
  const error =
    deferredFailure === null ? expiryError(before) : { name: "Error", message: deferredFailure };
  if (expired.kind === "removed") {
    return { found, after: null, changes: [{ kind: "failed", error }, { kind: "removed" }] };
  }
  return { found, after: { ...expired.job, error }, changes: [{ kind: "failed", error }] };
}

/** Marks what was taken as begun, tells it, and sees when the next delayed job is due. */
async function finishClaim(
  { context, worker, taken }: Claiming,
  queues: readonly string[],
): Promise<Claim> {
  const { link } = context;
  const { keys } = link;
  const foreign = taken.filter(({ id, bullId }) => id !== bullId);
  const replies = await link.read([
    ...queues.map((queue): Sent => ["ZRANGE", keys.bull(queue, "delayed"), 0, 0, "WITHSCORES"]),
    ...foreign.map(({ id, queue, bullId }): Sent => [
      "HSET",
      keys.aliases,
      id,
      `${queue}:${bullId}`,
    ]),
    ...taken.flatMap((found) => beginning(context, worker, found)),
  ]);
  const nowMs = Date.now();
  const waits = queues.flatMap((_, index) => {
    const score = (replies[index] as readonly string[])[1];
    return score === undefined
      ? []
      : [Math.max(0, Math.floor(Number(score) / DELAYED_SCALE) - nowMs)];
  });
  for (const found of taken) context.held.set(found.id, heldOf(found, worker));
  return {
    claimed: taken.map((found) => claimedOf(found)),
    lookAgainInMs: waits.length === 0 ? null : Math.min(...waits),
  };
}

function beginning({ link }: Context, worker: string, found: Found): readonly Sent[] {
  const { id, queue, bullId, record } = found;
  const told = noticeCommand(link.keys, {
    id,
    queue,
    bullId,
    type: record.type,
    atMs: record.startedAtMs ?? 0,
    changes: [{ kind: "started", worker, attempt: record.attempts + 1 }],
    covers: null,
  });
  const clear: Sent = ["HDEL", link.keys.bull(queue, bullId), "progress"];
  return record.progress === null ? [told] : [clear, told];
}

function heldOf({ id, queue, bullId, lock, extras }: Found, worker: string): Held {
  return { id, queue, bullId, token: lock ?? "", worker, isSuspect: extras.isSuspect === true };
}

function claimedOf({ record, lock, retention }: Found): ClaimedJob {
  return {
    id: record.id,
    type: record.type,
    queue: record.queue,
    input: record.input,
    token: lock ?? "",
    attempt: record.attempts + 1,
    crashes: record.crashes,
    enqueuedAtMs: record.enqueuedAtMs,
    dueAtMs: record.dueAtMs,
    startedAtMs: record.startedAtMs ?? 0,
    tags: record.tags,
    ...(retention === undefined ? {} : { retention }),
    ...(record.terms === undefined ? {} : { terms: record.terms }),
  };
}
