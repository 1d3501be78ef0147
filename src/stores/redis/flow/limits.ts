// Limits of queues: what types declare and what was set by hand, kept in the directory and made known to the rooms.
import {
  type EffectiveLimit,
  type LimitBounds,
  type LimitChange,
  type LimitKey,
  type LimitQuery,
  type LimitRecord,
  type LimitTable,
  QUEUE_LIMIT,
  type ReleaseHold,
  type ReleasedHold,
  type SetLimits,
  UNLIMITED,
  limitTable,
} from "../../../core/flow.ts";
import { MillraceError } from "../../../core/errors.ts";
import type { TypeRecord } from "../../../core/store.ts";
import { type Context, storeNowMs } from "../context.ts";
import { gateOf } from "./limit-keys.ts";
import { CHANGE_LIMITS, READ_LIMITS, RELEASE_GATE, SET_LIMITS } from "../scripts/limits.ts";
import { Arguments } from "../link/wire.ts";

/*
 * The directory has the truth: the types, and what was changed by hand, with a number that grows with each change. A
 * room has a copy of what its queue's limits allow, since a script can't look into another slot; it is written by
 * whoever changes something, and never by an older number. A sweep writes it again where the number is not one that
 * this process saw arrive: so whoever died between the two acts has changed something all the same.
 *
 * Counting needs all jobs of a limit in one slot: a queue that has bounds is not cut in partitions.
 */

/** The limits of a namespace as they were read. */
interface ReadTable {
  readonly version: number;
  readonly table: LimitTable;
}

/** Field of the directory's limits that counts their changes. */
const VERSION_FIELD = "";

async function readTable(context: Context): Promise<ReadTable> {
  const { link, directory } = context;
  // The number first: what is read after it may be newer than it, never older.
  const version = Number((await link.command("hget", [directory.limits, VERSION_FIELD])) ?? 0);
  const [types, kept] = await Promise.all([
    context.types.readAnew(),
    link.command("hgetall", [directory.limits]) as Promise<Record<string, string>>,
  ]);
  const changes: { queue: string; name: string; change: LimitChange }[] = [];
  for (const [field, text] of Object.entries(kept)) {
    if (field === VERSION_FIELD) continue;
    const end = field.indexOf("\0");
    const change = JSON.parse(text) as LimitChange;
    changes.push({ queue: field.slice(0, end), name: field.slice(end + 1), change });
  }
  return { version, table: limitTable(types.values(), changes) };
}

/** The limits that are declared or set. */
export async function readLimitTable(context: Context): Promise<LimitTable> {
  return (await readTable(context)).table;
}

/** What a room keeps of its queue's limits: the format is that of scripts/gates.ts. */
function writeLimits(table: LimitTable, queue: string): string {
  return [...(table.get(queue) ?? [])]
    .map(([name, { bounds }]) => {
      const { concurrency, rate } = bounds;
      return `${[name, concurrency ?? "", rate?.limit ?? "", rate?.perMs ?? ""].join("\u0001")}\n`;
    })
    .join("");
}

/** Makes the limits of queues known to their rooms. Gives back their number. */
async function tellRooms(context: Context, queues: Iterable<string> | null): Promise<number> {
  const { version, table } = await readTable(context);
  await Promise.all(
    [...(queues ?? table.keys())].map(async (queue) => {
      const text = writeLimits(table, queue);
      for (const room of await context.rooms.ofQueue(queue)) {
        await context.link.call(SET_LIMITS, room.keys, new Arguments().number(version).text(text));
      }
    }),
  );
  return version;
}

/**
 * The one room of a queue whose jobs are to be counted.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
async function wholeRoom(context: Context, queue: string, isBounded: boolean): Promise<void> {
  const rooms = await context.rooms.ofQueue(queue, { isNew: true, isWhole: true });
  if (rooms.length < 2 || !isBounded) return;
  throw new MillraceError("UNSUPPORTED", {
    message: `queue ${queue} was cut into ${rooms.length} partitions when it was first used, and a limit of it can't be counted over them; use another queue for its jobs, or a URL without partitions for this queue in a new namespace`,
    details: { queue, partitions: rooms.length },
  });
}

function isBounded({ concurrency, rate }: LimitBounds): boolean {
  return concurrency !== null || rate !== null;
}

/**
 * Refuses types with limits that their queues can't hold. Such a queue, where it is new, gets one partition.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export async function checkTypeLimits(
  context: Context,
  types: readonly TypeRecord[],
): Promise<void> {
  for (const { queue, limits = [] } of types) {
    if (limits.length > 0) await wholeRoom(context, queue, limits.some(isBounded));
  }
}

/** Types were made known, in place of those before: limits of their queues may have changed. */
export async function noteTypes(
  context: Context,
  before: ReadonlyMap<string, TypeRecord>,
  types: readonly TypeRecord[],
): Promise<void> {
  const queues = new Set<string>();
  for (const type of [...types, ...types.flatMap(({ name }) => before.get(name) ?? [])]) {
    if ((type.limits ?? []).length > 0) queues.add(type.queue);
  }
  if (queues.size === 0) return;
  await context.link.call(CHANGE_LIMITS, [context.directory.limits], new Arguments());
  await tellRooms(context, queues);
}

/** Changes limits of a queue, or takes changes back. */
export async function setLimits(context: Context, { queue, limits, by }: SetLimits): Promise<void> {
  const bounded = limits.some(({ bounds }) => bounds !== null && isBounded(bounds));
  await wholeRoom(context, queue, bounded);
  const atMs = await storeNowMs(context);
  const args = new Arguments();
  for (const { name, bounds } of limits) {
    const change: LimitChange | null = bounds === null ? null : { bounds, by, atMs };
    args.text(`${queue}\0${name}`).text(change === null ? "" : JSON.stringify(change));
  }
  await context.link.call(CHANGE_LIMITS, [context.directory.limits], args);
  await tellRooms(context, [queue]);
}

/** Lifts what a handler holds, in every room of its queue. */
export async function releaseHold(
  context: Context,
  { queue, key }: ReleaseHold,
): Promise<ReleasedHold> {
  const gate = key === undefined ? QUEUE_LIMIT : gateOf(key);
  const replies = await Promise.all(
    (await context.rooms.ofQueue(queue)).map((room) =>
      context.link.call(RELEASE_GATE, room.keys, new Arguments().text(gate)),
    ),
  );
  const heldUntilMs = Math.max(0, ...replies.map(([until]) => Number(until)));
  return { heldUntilMs: heldUntilMs === 0 ? null : heldUntilMs };
}

/** The upkeep of limits of a store: rooms that were not told of a change are. */
export interface LimitUpkeep {
  step(context: Context): Promise<void>;
}

/** Makes the upkeep. */
export function createLimitUpkeep(): LimitUpkeep {
  let told = 0;
  return {
    step: async (context) => {
      const { link, directory } = context;
      const version = await link.command("hget", [directory.limits, VERSION_FIELD]);
      if (version === null || Number(version) === told) return;
      told = await tellRooms(context, null);
    },
  };
}

/** How a gate stands. */
interface GateState {
  readonly running: number;
  readonly opensAtMs: number | null;
  readonly heldUntilMs: number;
}

/** How a queue's gates stand: of the whole queue, and of keys. */
interface QueueState {
  readonly nowMs: number;
  readonly whole: GateState;
  readonly ofKeys: readonly GateState[];
}

const SHUT_TO_NOBODY: GateState = { running: 0, opensAtMs: null, heldUntilMs: 0 };

/** Over all rooms of a queue: what runs is summed up, and what opens last counts. */
async function readState(
  context: Context,
  queue: string,
  keys: readonly LimitKey[],
): Promise<QueueState | null> {
  const rooms = await context.rooms.ofQueue(queue);
  if (rooms.length === 0) return null;
  const replies = await Promise.all(
    rooms.map((room) => {
      const args = new Arguments();
      for (const key of keys) args.text(gateOf(key));
      return context.link.call(READ_LIMITS, room.keys, args);
    }),
  );
  const gates = Array.from({ length: keys.length + 1 }, (_, index) =>
    replies
      .map((reply) => readGate(reply, 1 + index * 3))
      .reduce((one, other) => ({
        running: one.running + other.running,
        opensAtMs: Math.max(one.opensAtMs ?? -1, other.opensAtMs ?? -1),
        heldUntilMs: Math.max(one.heldUntilMs, other.heldUntilMs),
      })),
  );
  const [whole = SHUT_TO_NOBODY, ...ofKeys] = gates;
  return { nowMs: Number(replies[0]?.[0]), whole, ofKeys };
}

function readGate(reply: readonly unknown[], at: number): GateState {
  const opensAtMs = Number(reply[at + 1]);
  return {
    running: Number(reply[at]),
    opensAtMs: opensAtMs < 0 ? null : opensAtMs,
    heldUntilMs: Number(reply[at + 2]),
  };
}

const NO_LIMIT: EffectiveLimit = { bounds: UNLIMITED, declared: null, set: null };

/** The limits in force, and those of the keys asked for. */
export async function listLimits(
  context: Context,
  { queue, keys = [] }: LimitQuery,
): Promise<readonly LimitRecord[]> {
  const { table } = await readTable(context);
  const queues =
    queue === undefined
      ? [...new Set([...table.keys(), ...(await context.rooms.queues())])].sort()
      : [queue];
  const records = await Promise.all(queues.map((name) => ofQueue(context, table, name, keys)));
  return records.flat();
}

async function ofQueue(
  context: Context,
  table: LimitTable,
  queue: string,
  keys: readonly LimitKey[],
): Promise<LimitRecord[]> {
  const state = await readState(context, queue, keys);
  const nowMs = state?.nowMs ?? 0;
  const own = new Map(table.get(queue));
  const whole = state?.whole ?? SHUT_TO_NOBODY;
  if (whole.heldUntilMs > nowMs && !own.has(QUEUE_LIMIT)) own.set(QUEUE_LIMIT, NO_LIMIT);
  const records = [...own]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, limit]) => {
      const gate = name === QUEUE_LIMIT ? whole : SHUT_TO_NOBODY;
      return recordOf({ queue, name, key: null }, limit, gate, nowMs);
    });
  const ofKeys = keys.map(({ limit: name, key }, index) => {
    const gate = state?.ofKeys[index] ?? SHUT_TO_NOBODY;
    return recordOf({ queue, name, key }, own.get(name) ?? NO_LIMIT, gate, nowMs);
  });
  return [...records, ...ofKeys];
}

function recordOf(
  what: Pick<LimitRecord, "queue" | "name" | "key">,
  { bounds, declared, set }: EffectiveLimit,
  gate: GateState,
  nowMs: number,
): LimitRecord {
  const { running, opensAtMs, heldUntilMs } = gate;
  return {
    ...what,
    ...bounds,
    declared,
    set: set === null ? null : { by: set.by, atMs: set.atMs },
    running,
    opensInMs: opensAtMs === null ? 0 : Math.max(0, opensAtMs - nowMs),
    pushedBackUntilMs: heldUntilMs > nowMs ? heldUntilMs : null,
  };
}
