// Gates and groups: what runs under each key of a limit, and the keyed jobs of a lane by the keys that they have.
import {
  type LimitBounds,
  type LimitKey,
  NO_STARTS,
  type Starts,
  UNLIMITED,
  noteStarts,
  roomInWindow,
} from "../../../core/flow.ts";
import type { Context } from "../context.ts";
import type { Lane } from "../lanes.ts";
import { type Limits, boundsOf } from "./limits.ts";
import { placeAgain, placeBehind } from "./rounds.ts";

/*
 * A gate is one key of one limit of a queue: how many run under it, and when they started where it has a rate. A group
 * is all jobs of one lane with the same keys; it stands before the gates of its keys. Groups with ready jobs are in the
 * ring of their lane, where they take turns (rounds.ts); one that finds a gate shut is parked at that gate, out of the
 * ring. So a claim looks only at groups that may have something for it, however many others are held.
 *
 * What makes it right: where a gate has room and groups of a lane are parked at it, one group that stands before it is
 * in the ring of that lane. Whoever makes room (an end, a raised limit, time) puts one of each lane back; a group that
 * leaves the ring, or leaves room when its turn is over, puts back the next. And where groups are parked at a gate that
 * only time keeps shut, it is noted when it opens: also by an end, for what runs may have kept it shut until then.
 *
 * What is remembered here holds until another process commits. Gates are written once a transaction.
 */

/** One key of one limit of a queue. */
export interface Gate {
  readonly no: number;
  readonly queue: string;
  readonly name: string;
  readonly key: string;
  running: number;
  starts: Starts;
  heldUntilMs: number | null;
  /** Whether groups may be parked at it. */
  hasParked: boolean;
  /** When it must be looked at again, since groups wait there for time to pass. */
  opensAtMs: number | null;
  /** What its limit allowed when it was last looked at, and the limits in which that was read. */
  bounds: LimitBounds;
  boundsOf: Limits | undefined;
  /** Whether how many run is to be written. */
  isCounted: boolean;
}

/** Jobs of one lane with the same keys. */
export interface Group {
  readonly no: number;
  readonly lane: Lane;
  readonly gates: readonly Gate[];
  /** The `rest` of its jobs of which nothing is kept but their keys. */
  readonly plainRest: string;
  /**
   * Its place in the ring of its lane, or the round in which its turn was to be, where it is parked; `null`: nothing of
   * it is ready, as far as it is known.
   */
  turn: number | null;
  /** Where it is parked. */
  parkedAt: number | null;
}

/** Gates and groups remembered; beyond it the memory starts anew after a transaction. */
const MAX_REMEMBERED = 50_000;

const GATE =
  "SELECT no, queue, name, key, running, starts, held_until, parked, opens_at FROM gates";
const GROUP = "SELECT no, lane, keys, turn, parked_at FROM key_groups";

/**
 * One statement for all gates at which as many run: most of a claim's gates go from one number to the same other, and an
 * update for each of them, with every column, was an eighth of the time of a claim of a hundred keys.
 */
const COUNT = "UPDATE gates SET running = ? WHERE no IN (SELECT value FROM json_each(?))";

function numbersOf(rows: readonly { readonly no: number }[]): string {
  return JSON.stringify(rows.map(({ no }) => no));
}

/** The gates and groups of one namespace, as far as they are remembered. */
export class Gates {
  readonly gates: Map<number, Gate> = new Map();
  readonly groups: Map<number, Group> = new Map();
  readonly #byKeys = new Map<string, Group>();
  readonly #gateByKey = new Map<string, Gate>();
  readonly #dirty = new Set<Gate>();
  /** Of which nothing changed but how many run. */
  #counted: Gate[] = [];
  /** When jobs of whole queues started, where these have a rate. */
  readonly queueStarts: Map<string, Starts> = new Map();
  /** When the first gate opens by time; `undefined`: not known. */
  nextOpensAtMs: number | null | undefined;

  /** Another process committed, or a transaction was rolled back. */
  forget(): void {
    this.gates.clear();
    this.groups.clear();
    this.#byKeys.clear();
    this.#gateByKey.clear();
    this.#dirty.clear();
    this.#counted = [];
    this.queueStarts.clear();
    this.nextOpensAtMs = undefined;
  }

  change(gate: Gate): void {
    this.#dirty.add(gate);
  }

  /** As many more run at a gate, or fewer where it is negative. */
  count(gate: Gate, more: number): void {
    gate.running = Math.max(0, gate.running + more);
    if (gate.isCounted) return;
    gate.isCounted = true;
    this.#counted.push(gate);
  }

  /** Writes what changed; before the commit. */
  write({ connection }: Context): void {
    for (const [running, gates] of Map.groupBy(this.#counted, (gate) => gate.running)) {
      connection.run(COUNT, running, numbersOf(gates));
    }
    for (const gate of this.#counted) gate.isCounted = false;
    this.#counted = [];
    for (const gate of this.#dirty) {
      connection.run(
        "UPDATE gates SET running = ?, starts = ?, held_until = ?, parked = ?, opens_at = ? WHERE no = ?",
        gate.running,
        gate.starts.length === 0 ? null : JSON.stringify(gate.starts),
        gate.heldUntilMs,
        gate.hasParked ? 1 : 0,
        gate.opensAtMs,
        gate.no,
      );
    }
    this.#dirty.clear();
    if (this.gates.size > MAX_REMEMBERED || this.groups.size > MAX_REMEMBERED) {
      const next = this.nextOpensAtMs;
      this.forget();
      this.nextOpensAtMs = next;
    }
  }

  gate(context: Context, no: number): Gate {
    const known = this.gates.get(no);
    if (known !== undefined) return known;
    const row = context.connection.first(`${GATE} WHERE no = ?`, no);
    if (row === undefined) throw new Error(`gate ${no} is not kept`);
    return this.#rememberGate(row);
  }

  #rememberGate(row: readonly unknown[]): Gate {
    const [no, queue, name, key, running, starts, heldUntil, parked, opensAt] = row;
    const gate: Gate = {
      no: Number(no),
      queue: String(queue),
      name: String(name),
      key: String(key),
      running: Number(running),
      starts: typeof starts === "string" ? (JSON.parse(starts) as Starts) : NO_STARTS,
      heldUntilMs: heldUntil === null ? null : Number(heldUntil),
      hasParked: parked === 1,
      opensAtMs: opensAt === null ? null : Number(opensAt),
      bounds: UNLIMITED,
      boundsOf: undefined,
      isCounted: false,
    };
    this.gates.set(gate.no, gate);
    this.#gateByKey.set(gateKey(gate.queue, { limit: gate.name, key: gate.key }), gate);
    return gate;
  }

  /** The gate of a key; `undefined` where nothing ever ran or waited under it. */
  find(context: Context, queue: string, key: LimitKey): Gate | undefined {
    const known = this.#gateByKey.get(gateKey(queue, key));
    if (known !== undefined) return known;
    const row = context.connection.first(
      `${GATE} WHERE namespace = ? AND queue = ? AND name = ? AND key = ?`,
      context.namespace,
      queue,
      key.limit,
      key.key,
    );
    return row === undefined ? undefined : this.#rememberGate(row);
  }

  /** The gate of a key, made when it is new. */
  ofKey(context: Context, queue: string, key: LimitKey): Gate {
    const found = this.find(context, queue, key);
    if (found !== undefined) return found;
    const row = context.connection.first(
      `INSERT INTO gates (namespace, queue, name, key) VALUES (?, ?, ?, ?)
       RETURNING no, queue, name, key, running, starts, held_until, parked, opens_at`,
      context.namespace,
      queue,
      key.limit,
      key.key,
    );
    return this.#rememberGate(row ?? []);
  }

  group(context: Context, no: number): Group {
    const known = this.groups.get(no);
    if (known !== undefined) return known;
    const row = context.connection.first(`${GROUP} WHERE no = ?`, no);
    if (row === undefined) throw new Error(`group ${no} is not kept`);
    return this.#rememberGroup(context, row);
  }

  /** Remembers a group by a row of its table. */
  #rememberGroup(context: Context, row: readonly unknown[]): Group {
    const [no, lane, text, turn, parkedAt] = row;
    const found = context.lanes.byNo(Number(lane));
    if (found === undefined) throw new Error(`lane ${String(lane)} is not known`);
    const keys = JSON.parse(String(text)) as [string, string][];
    const group: Group = {
      no: Number(no),
      lane: found,
      gates: keys.map(([limit, key]) => this.ofKey(context, found.queue, { limit, key })),
      plainRest: `{"keys":${String(text)}}`,
      turn: turn === null ? null : Number(turn),
      parkedAt: parkedAt === null ? null : Number(parkedAt),
    };
    this.groups.set(group.no, group);
    return group;
  }

  /** The group of a lane's jobs with these keys, made when it is new. */
  ofKeys(context: Context, lane: Lane, keys: readonly LimitKey[]): Group {
    const text = keysText(keys);
    const key = `${lane.no}\n${text}`;
    const known = this.#byKeys.get(key);
    if (known !== undefined && this.groups.get(known.no) === known) return known;
    const row =
      context.connection.first(`${GROUP} WHERE lane = ? AND keys = ?`, lane.no, text) ??
      context.connection.first(
        `INSERT INTO key_groups (namespace, lane, keys) VALUES (?, ?, ?)
         RETURNING no, lane, keys, turn, parked_at`,
        context.namespace,
        lane.no,
        text,
      );
    const group = this.groups.get(Number(row?.[0])) ?? this.#rememberGroup(context, row ?? []);
    this.#byKeys.set(key, group);
    return group;
  }
}

function gateKey(queue: string, { limit, key }: LimitKey): string {
  return `${queue}\n${limit}\n${key}`;
}

function keysText(keys: readonly LimitKey[]): string {
  return JSON.stringify(keys.map(({ limit, key }) => [limit, key]));
}

/** What the limit of a gate allows: looked up once, for a claim asks three times a job. */
function boundsAt(context: Context, gate: Gate): LimitBounds {
  if (gate.boundsOf !== context.limits) {
    gate.bounds = boundsOf(context, gate.queue, gate.name);
    gate.boundsOf = context.limits;
  }
  return gate.bounds;
}

/** How many more may start at a gate, and, where none may for a time, when. */
interface Room {
  readonly room: number;
  readonly opensAtMs: number | null;
}

/** What a gate lets start now. */
export function roomAt(context: Context, gate: Gate): Room {
  const { nowMs } = context;
  const { concurrency, rate } = boundsAt(context, gate);
  let room = concurrency === null ? Number.POSITIVE_INFINITY : concurrency - gate.running;
  if (room <= 0) return { room: 0, opensAtMs: null };
  if (gate.heldUntilMs !== null && gate.heldUntilMs > nowMs) {
    return { room: 0, opensAtMs: gate.heldUntilMs };
  }
  if (rate === null) return { room, opensAtMs: null };
  const window = roomInWindow(gate.starts, rate, nowMs);
  room = Math.min(room, window.room);
  return { room, opensAtMs: room > 0 ? null : nowMs + window.opensInMs };
}

/** The first gate of a group that is shut. */
export function shutGate(context: Context, group: Group): Gate | undefined {
  return group.gates.find((gate) => roomAt(context, gate).room <= 0);
}

/** A job of a group starts. */
export function passGates(context: Context, group: Group): void {
  for (const gate of group.gates) {
    const { rate } = boundsAt(context, gate);
    context.gates.count(gate, 1);
    if (rate === null) continue;
    gate.starts = noteStarts(gate.starts, rate, context.nowMs, 1);
    context.gates.change(gate);
  }
}

/** A job of a group runs no longer. */
export function leaveGates(context: Context, group: Group): void {
  for (const gate of group.gates) {
    context.gates.count(gate, -1);
    if (gate.hasParked) lookAgain(context, gate);
  }
}

const SET_PLACE = "UPDATE key_groups SET turn = ?, parked_at = ? WHERE no = ?";

/** Puts a group into the ring, out of it (`turn` null), or parks it. */
export function place(
  context: Context,
  group: Group,
  turn: number | null,
  parkedAt: Gate | null = null,
): void {
  group.turn = turn;
  group.parkedAt = parkedAt?.no ?? null;
  context.connection.run(SET_PLACE, turn, group.parkedAt, group.no);
}

/** Parks a group at a gate that is shut; its turn is due in a round. */
export function park(context: Context, group: Group, gate: Gate, dueIn: number): void {
  place(context, group, dueIn, gate);
  noteOpening(context, gate);
  if (gate.hasParked) return;
  gate.hasParked = true;
  context.gates.change(gate);
}

/** Notes when a gate opens by itself, if it is shut until a time. */
export function noteOpening(
  context: Context,
  gate: Gate,
  { opensAtMs }: Pick<Room, "opensAtMs"> = roomAt(context, gate),
): void {
  if (opensAtMs === null || gate.opensAtMs === opensAtMs) return;
  gate.opensAtMs = opensAtMs;
  context.gates.change(gate);
  const { nextOpensAtMs } = context.gates;
  if (nextOpensAtMs === undefined) return;
  context.gates.nextOpensAtMs = Math.min(opensAtMs, nextOpensAtMs ?? opensAtMs);
}

/** A job with keys is ready: its group is in the ring, or where it is parked. Gives the group. */
export function enterGroup(context: Context, lane: Lane, keys: readonly LimitKey[]): Group {
  const group = context.gates.ofKeys(context, lane, keys);
  if (group.turn === null) place(context, group, placeBehind(context, lane));
  return group;
}

const NEXT_PARKED = `SELECT no FROM key_groups WHERE parked_at = ? AND lane = ? ORDER BY turn, no LIMIT 1`;

/** The next group of a lane that is parked at a gate goes back into the ring. */
export function unparkNext(context: Context, gate: Gate, lane: Lane): Group | null {
  const row = context.connection.first(NEXT_PARKED, gate.no, lane.no);
  if (row === undefined) return null;
  const group = context.gates.group(context, Number(row[0]));
  place(context, group, placeAgain(context, lane, group.no, group.turn ?? 0));
  context.effects.readied.add(lane);
  lane.mayHaveTurns = true;
  return group;
}

/** A gate is not what it was: whom it lets go now is let go, and else it is noted when time will. */
export function lookAgain(context: Context, gate: Gate): void {
  const found = roomAt(context, gate);
  if (found.room > 0) unparkAll(context, gate);
  else if (gate.hasParked) noteOpening(context, gate, found);
}

/** A gate has room: the next group of each lane goes back into its ring. */
export function unparkAll(context: Context, gate: Gate): void {
  let hasMore = false;
  for (const lane of context.lanes.keyed()) {
    if (lane.queue === gate.queue && unparkNext(context, gate, lane) !== null) hasMore = true;
  }
  if (gate.hasParked === hasMore) return;
  gate.hasParked = hasMore;
  context.gates.change(gate);
}
