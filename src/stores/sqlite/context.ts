// What every command of the store works with, inside one transaction.
import type { JobEvent, JobChange } from "../../core/events.ts";
import type { TerminalState } from "../../core/job.ts";
import type { RunNews } from "../../core/run.ts";
import type { RetentionPolicy, TypeRecord } from "../../core/store.ts";
import { DEFAULT_STORE_POLICY, type StorePolicy } from "../../core/transitions.ts";
import { Claims } from "./claims.ts";
import type { Connection } from "./thread/connection.ts";
import { type Counts, openCounts } from "./counts.ts";
import { Gates } from "./flow/gates.ts";
import { HeldRows } from "./runs/held.ts";
import { type Lane, Lanes } from "./lanes.ts";
import { type Limits, readLimits } from "./flow/limits.ts";
import { WriteRefusal } from "./room.ts";

/** What a transaction did that others must hear of, once it is committed. */
export interface Effects {
  /** Lanes in which something may be claimed that could not be before. */
  readonly readied: Set<Lane>;
  readonly events: JobEvent[];
  /** Whether a running job was asked to cancel. */
  hasCancels: boolean;
  /** Whether a queue was resumed. */
  hasResumed: boolean;
  /** What runs of workers that are attached here were told, by the number of the worker. */
  readonly news: { readonly owner: number; readonly news: RunNews }[];
  /** Whether a job ended or was taken back where limits hold others. */
  hasMadeRoom: boolean;
}

/** A namespace of an open file. */
export interface Context {
  readonly connection: Connection;
  readonly path: string;
  readonly namespace: number;
  readonly namespaceName: string;
  readonly lanes: Lanes;
  readonly counts: Counts;
  readonly claims: Claims;
  readonly held: HeldRows;
  /** Time of the current transaction. */
  nowMs: number;
  /** By how much leases last longer at present, since nobody could renew one. */
  leaseExtensionMs: number;
  /** Whether a worker is attached in this process. */
  isAttached: (worker: number) => boolean;
  /** Whether anyone follows events, in any process: if not, none are made. */
  isFollowed: boolean;
  effects: Effects;
  /** Queues that are paused. */
  readonly paused: Set<string>;
  /** Queues that take nothing new in. */
  readonly draining: Set<string>;
  readonly types: Map<string, TypeRecord>;
  /** Limits of queues and keys, and the keys of which anything is known. */
  limits: Limits;
  readonly gates: Gates;
  /** Where the sweep's next look after idle groups and gates begins. */
  readonly idleFrom: { group: number; gate: number };
  /** Names of workers by number, and numbers by name. */
  readonly workerNames: Map<number, string>;
  readonly workerNumbers: Map<string, number>;
  /** Workers of this process that may be running suspects. */
  readonly suspectWorkers: Set<number>;
  /** Whether the disk was full at the last write. */
  readonly writeRefusal: WriteRefusal;
  /** Of the settings (types, pauses) that were read. */
  revision: number;
}

export function noEffects(): Effects {
  return {
    readied: new Set(),
    events: [],
    hasCancels: false,
    hasResumed: false,
    hasMadeRoom: false,
    news: [],
  };
}

/** The number of a namespace, which is made when it is new: only then is the write lock needed. */
function namespaceNumber(connection: Connection, name: string): number {
  const find = (): number | undefined => {
    const row = connection.first("SELECT no FROM namespaces WHERE name = ?", name);
    return row === undefined ? undefined : Number(row[0]);
  };
  const known = find();
  if (known !== undefined) return known;
  connection.run("INSERT INTO namespaces (name) VALUES (?) ON CONFLICT DO NOTHING", name);
  return find() ?? Number.NaN;
}

/** Opens a namespace of a file, and makes it when it is new. */
export function openContext(connection: Connection, path: string, namespaceName: string): Context {
  const namespace = namespaceNumber(connection, namespaceName);
  const context: Context = {
    connection,
    path,
    namespace,
    namespaceName,
    lanes: new Lanes(connection, namespace),
    counts: openCounts(connection),
    claims: new Claims(),
    held: new HeldRows(),
    nowMs: 0,
    leaseExtensionMs: 0,
    isAttached: () => false,
    isFollowed: false,
    effects: noEffects(),
    paused: new Set(),
    draining: new Set(),
    types: new Map(),
    limits: { table: new Map(), held: new Map() },
    gates: new Gates(),
    idleFrom: { group: 0, gate: 0 },
    workerNames: new Map(),
    workerNumbers: new Map(),
    suspectWorkers: new Set(),
    writeRefusal: new WriteRefusal(connection),
    revision: -1,
  };
  readSettings(context);
  return context;
}

/** Reads pauses and types again when another process changed them. */
function readSettings(context: Context): void {
  const { connection, namespace } = context;
  const revision = Number(connection.first("SELECT n FROM revision")?.[0]);
  if (revision === context.revision) return;
  context.revision = revision;
  context.paused.clear();
  context.draining.clear();
  for (const [name, paused, draining] of connection.all(
    "SELECT name, paused, draining FROM queues WHERE namespace = ?",
    namespace,
  )) {
    if (paused !== null) context.paused.add(String(name));
    if (draining !== null) context.draining.add(String(name));
  }
  context.types.clear();
  for (const [name, record] of connection.all(
    "SELECT name, record FROM types WHERE namespace = ?",
    namespace,
  )) {
    context.types.set(String(name), decodeType(String(record)));
  }
  context.limits = readLimits(context);
  context.lanes.readKeyed();
}

/** Another process committed: what is remembered of lanes, gates and settings is read again. */
export function refresh(context: Context): void {
  context.lanes.refresh();
  context.gates.forget();
  readSettings(context);
}

/** Writes what a transaction gathered; before the commit. */
export function writeGathered(context: Context): void {
  context.counts.write();
  context.gates.write(context);
}

/** Says that settings changed, so that other processes read them. */
export function bumpRevision(context: Context): void {
  context.connection.run("UPDATE revision SET n = n + 1");
  readSettings(context);
}

/** A transaction was rolled back: nothing that it may have put into memory holds. */
export function forget(context: Context): void {
  context.effects = noEffects();
  context.counts.discard();
  context.lanes.reload();
  context.gates.forget();
  context.claims.clear();
  context.held.clear();
  context.workerNames.clear();
  context.workerNumbers.clear();
  context.revision = -1;
  readSettings(context);
}

/** The policy by which the store settles what no worker can. */
export function policyOf(
  context: Context,
  type: string,
  retention: RetentionPolicy | undefined,
): StorePolicy {
  const policy: StorePolicy = context.types.get(type) ?? DEFAULT_STORE_POLICY;
  return retention === undefined ? policy : { ...policy, retention };
}

/** A job runs no longer: where there are limits, another may start for it. */
export function noteRoom(context: Context): void {
  if (context.limits.table.size > 0) context.effects.hasMadeRoom = true;
}

/** Tells followers of a change; costs nothing when there are none. */
export function emit(context: Context, lane: Lane, id: string, change: JobChange): void {
  if (!context.isFollowed) return;
  context.effects.events.push({
    id,
    type: lane.type,
    queue: lane.queue,
    atMs: context.nowMs,
    ...change,
  });
}

/** JSON has no infinity: a bound that is none is written as this. */
const UNBOUNDED = -1;

export function encodeRetention(policy: RetentionPolicy): RetentionPolicy {
  return mapRetention(policy, (bound) => (Number.isFinite(bound) ? bound : UNBOUNDED));
}

export function decodeRetention(policy: RetentionPolicy): RetentionPolicy {
  return mapRetention(policy, (bound) => (bound === UNBOUNDED ? Number.POSITIVE_INFINITY : bound));
}

function mapRetention(policy: RetentionPolicy, map: (bound: number) => number): RetentionPolicy {
  const side = (state: TerminalState): { ageMs: number; count: number } => ({
    ageMs: map(policy[state].ageMs),
    count: map(policy[state].count),
  });
  return { succeeded: side("succeeded"), failed: side("failed"), cancelled: side("cancelled") };
}

export function encodeType(record: TypeRecord): string {
  return JSON.stringify({ ...record, retention: encodeRetention(record.retention) });
}

function decodeType(text: string): TypeRecord {
  const record = JSON.parse(text) as TypeRecord;
  return { ...record, retention: decodeRetention(record.retention) };
}
