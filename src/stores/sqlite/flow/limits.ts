// Limits: what types declare and what was set by hand, and how many of a whole queue may start.
import {
  type EffectiveLimit,
  type LimitBounds,
  type LimitChange,
  type LimitKey,
  type LimitQuery,
  type LimitRecord,
  type LimitTable,
  NO_STARTS,
  type PushBack,
  QUEUE_LIMIT,
  type ReleaseHold,
  type ReleasedHold,
  type SetLimits,
  type Starts,
  UNLIMITED,
  limitTable,
  noteStarts,
  roomInWindow,
} from "../../../core/flow.ts";
import { type Context, bumpRevision } from "../context.ts";
import { STATE } from "../counts.ts";
import { lookAgain, roomAt } from "./gates.ts";
import type { StoredJob } from "../rows.ts";

/** Limits of a namespace, as they were last read. */
export interface Limits {
  readonly table: LimitTable;
  /** Until when handlers hold whole queues. */
  readonly held: ReadonlyMap<string, number>;
}

/** Reads the limits anew: types or settings changed. */
export function readLimits({ connection, namespace, types }: Context): Limits {
  const changes: { queue: string; name: string; change: LimitChange }[] = [];
  const held = new Map<string, number>();
  for (const [queue, name, change, heldUntil] of connection.all(
    "SELECT queue, name, change, held_until FROM limits WHERE namespace = ?",
    namespace,
  )) {
    if (heldUntil !== null) held.set(String(queue), Number(heldUntil));
    if (change === null) continue;
    const decoded = JSON.parse(String(change)) as LimitChange;
    changes.push({ queue: String(queue), name: String(name), change: decoded });
  }
  return { table: limitTable(types.values(), changes), held };
}

/** What a limit allows at present. */
export function boundsOf({ limits }: Context, queue: string, name: string): LimitBounds {
  return limits.table.get(queue)?.get(name)?.bounds ?? UNLIMITED;
}

/** Jobs of a queue that may still start in one claim; shared by all its lanes. */
export interface QueueRoom {
  left: number;
  readonly opensAtMs: number | null;
}

/** The room of queues without a limit. Taking from it leaves it as it is. */
const ENDLESS: QueueRoom = { left: Number.POSITIVE_INFINITY, opensAtMs: null };

/** Whether anything is to be known of a queue's limit. */
export function isLimited({ limits }: Context, queue: string): boolean {
  return limits.table.get(queue)?.has(QUEUE_LIMIT) === true || limits.held.has(queue);
}

const RUNNING = `SELECT sum(n) FROM counts WHERE state = ${STATE.running} AND lane IN
  (SELECT no FROM lanes WHERE namespace = ? AND queue = ?)`;

/** How many of a queue may start now. */
export function queueRoom(context: Context, queue: string): QueueRoom {
  const { limits, nowMs } = context;
  const heldUntilMs = limits.held.get(queue) ?? 0;
  if (heldUntilMs > nowMs) return { left: 0, opensAtMs: heldUntilMs };
  const bounds = limits.table.get(queue)?.get(QUEUE_LIMIT)?.bounds;
  if (bounds === undefined) return ENDLESS;
  let left = Number.POSITIVE_INFINITY;
  if (bounds.concurrency !== null) {
    left = Math.max(0, bounds.concurrency - runningIn(context, queue));
    if (left === 0) return { left, opensAtMs: null };
  }
  if (bounds.rate === null) return { left, opensAtMs: null };
  const window = roomInWindow(readStarts(context, queue), bounds.rate, nowMs);
  left = Math.min(left, window.room);
  return { left, opensAtMs: left > 0 ? null : nowMs + window.opensInMs };
}

function runningIn(context: Context, queue: string): number {
  const { connection, counts, namespace } = context;
  const sum = Number(connection.first(RUNNING, namespace, queue)?.[0] ?? 0);
  return sum + counts.pending(context.lanes.ofQueue(queue), STATE.running);
}

/** Two hundred steps are 4 kB of JSON: to read them twice a claim was a twentieth of the time of one of a hundred. */
function readStarts({ connection, gates, namespace }: Context, queue: string): Starts {
  const known = gates.queueStarts.get(queue);
  if (known !== undefined) return known;
  const row = connection.first(
    "SELECT starts FROM limits WHERE namespace = ? AND queue = ? AND name = ?",
    namespace,
    queue,
    QUEUE_LIMIT,
  );
  const starts = typeof row?.[0] === "string" ? (JSON.parse(row[0]) as Starts) : NO_STARTS;
  gates.queueStarts.set(queue, starts);
  return starts;
}

/** Jobs of a queue started: its rate counts them. */
export function noteQueueStarts(context: Context, queue: string, count: number): void {
  const rate = context.limits.table.get(queue)?.get(QUEUE_LIMIT)?.bounds.rate;
  if (rate === null || rate === undefined || count === 0) return;
  const starts = noteStarts(readStarts(context, queue), rate, context.nowMs, count);
  context.gates.queueStarts.set(queue, starts);
  put(context, queue, QUEUE_LIMIT, "starts", JSON.stringify(starts));
}

function put(
  { connection, namespace }: Context,
  queue: string,
  name: string,
  column: "starts" | "change" | "held_until",
  value: string | number | null,
): void {
  connection.run(
    `INSERT INTO limits (namespace, queue, name, ${column}) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET ${column} = excluded.${column}`,
    namespace,
    queue,
    name,
    value,
  );
}

/** Changes limits of a queue, or takes changes back. */
export function setLimits(context: Context, { queue, limits, by }: SetLimits): void {
  for (const { name, bounds } of limits) {
    const change: LimitChange | null = bounds === null ? null : { bounds, by, atMs: context.nowMs };
    put(context, queue, name, "change", change === null ? null : JSON.stringify(change));
  }
  bumpRevision(context);
  openGates(context);
}

/** Limits are others than before: whoever waits at a gate that has room now is let go, or later by time. */
export function openGates(context: Context): void {
  context.effects.hasResumed = true;
  context.gates.write(context);
  for (const [no] of context.connection.all(
    "SELECT no FROM gates WHERE namespace = ? AND parked = 1",
    context.namespace,
  )) {
    lookAgain(context, context.gates.gate(context, Number(no)));
  }
}

/** A handler pushed back: its queue, or the key of its job, is held for a time. */
export function pushBack(context: Context, job: StoredJob, request: PushBack): void {
  const untilMs = context.nowMs + request.delayMs;
  const { queue, keys } = job.record;
  if (request.limit === QUEUE_LIMIT) {
    if ((context.limits.held.get(queue) ?? 0) >= untilMs) return;
    put(context, queue, QUEUE_LIMIT, "held_until", untilMs);
    bumpRevision(context);
    return;
  }
  const key = keys.find(({ limit }) => limit === request.limit);
  if (key === undefined) return;
  const gate = context.gates.ofKey(context, queue, key);
  gate.heldUntilMs = Math.max(untilMs, gate.heldUntilMs ?? 0);
  context.gates.change(gate);
}

/** Lifts what a handler holds: of its queue, or of a key. */
export function releaseHold(context: Context, { queue, key }: ReleaseHold): ReleasedHold {
  const { nowMs, gates, limits } = context;
  const gate = key === undefined ? undefined : gates.find(context, queue, key);
  const heldUntilMs = (key === undefined ? limits.held.get(queue) : gate?.heldUntilMs) ?? 0;
  if (heldUntilMs <= nowMs) return { heldUntilMs: null };
  if (gate === undefined) {
    put(context, queue, QUEUE_LIMIT, "held_until", null);
    bumpRevision(context);
  } else {
    gate.heldUntilMs = null;
    gate.opensAtMs = null;
    gates.change(gate);
    lookAgain(context, gate);
  }
  context.effects.hasResumed = true;
  return { heldUntilMs };
}

/** The limits in force, and those of the keys asked for. */
export function readLimitRecords(
  context: Context,
  { queue, keys = [] }: LimitQuery,
): LimitRecord[] {
  const records: LimitRecord[] = [];
  const { table, held } = context.limits;
  const queues =
    queue === undefined ? [...new Set([...table.keys(), ...held.keys()])].sort() : [queue];
  for (const name of queues) {
    const own = new Map(table.get(name));
    if ((held.get(name) ?? 0) > context.nowMs && !own.has(QUEUE_LIMIT))
      own.set(QUEUE_LIMIT, NO_LIMIT);
    for (const [limit, effective] of [...own].sort(([left], [right]) => (left < right ? -1 : 1))) {
      records.push(ofWhole(context, name, limit, effective));
    }
  }
  if (queue === undefined) return records;
  return [...records, ...keys.map((key) => ofKey(context, queue, key))];
}

const NO_LIMIT: EffectiveLimit = { bounds: UNLIMITED, declared: null, set: null };

function ofWhole(
  context: Context,
  queue: string,
  name: string,
  { bounds, declared, set }: EffectiveLimit,
): LimitRecord {
  const isQueue = name === QUEUE_LIMIT;
  const { opensAtMs } = isQueue ? queueRoom(context, queue) : ENDLESS;
  const heldUntilMs = isQueue ? (context.limits.held.get(queue) ?? 0) : 0;
  return {
    queue,
    name,
    key: null,
    ...bounds,
    declared,
    set: set === null ? null : { by: set.by, atMs: set.atMs },
    running: isQueue ? runningIn(context, queue) : 0,
    opensInMs: opensAtMs === null ? 0 : Math.max(0, opensAtMs - context.nowMs),
    pushedBackUntilMs: heldUntilMs > context.nowMs ? heldUntilMs : null,
  };
}

function ofKey(context: Context, queue: string, key: LimitKey): LimitRecord {
  const effective = context.limits.table.get(queue)?.get(key.limit) ?? NO_LIMIT;
  const gate = context.gates.find(context, queue, key);
  const opensAtMs = gate === undefined ? null : roomAt(context, gate).opensAtMs;
  const heldUntilMs = gate?.heldUntilMs ?? 0;
  return {
    ...ofWhole(context, queue, key.limit, effective),
    key: key.key,
    running: gate?.running ?? 0,
    opensInMs: opensAtMs === null ? 0 : Math.max(0, opensAtMs - context.nowMs),
    pushedBackUntilMs: heldUntilMs > context.nowMs ? heldUntilMs : null,
  };
}
