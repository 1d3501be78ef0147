// Where everything is kept: key names, and how a queue, a partition and an id lead to them. docs/redis.md has the map.
import { type JobId, queueHash } from "../../core/ids.ts";

/** Version of the layout. It is part of every key, so that a later layout can live beside this one and migrate it. */
export const LAYOUT_VERSION = 1;

/**
 * Lists for plain jobs in a partition: lanes beyond them keep their jobs in the sorted set, at 127 bytes a job in place
 * of 18. Each is one more declared key of every call.
 */
export const LIST_SLOTS = 6;
/**
 * Hashes that share the records of a partition. Measured elsewhere: a hash of a million fields blocks a migration of
 * its slot for two seconds; a million jobs over eight block it for a quarter of a second each.
 */
export const RECORD_SHARDS = 8;

/**
 * Most lanes (kinds of jobs: type, required labels and head start) in a partition: a claim names every one that it
 * serves, at about 70 bytes.
 */
export const MAX_LANES = 4_000;
/** A lane that was found empty is forgotten when it still is after this time. */
export const LANE_IDLE_MS = 600_000;

/** Keys of a partition before the lists: meta, timed, running, timers, index, idle, runs, outbox. */
export const FIXED_KEYS = 8;

/**
 * Keys of a partition after the lists and the records, for jobs that limits count: `k` jobs that wait under their keys,
 * `q` the turns of keys, `g` gates, `b` the first of them once more, by age. Declared by every call, like all others.
 */
export const LIMIT_KEYS: readonly string[] = ["k", "q", "g", "b"];
/** Number of the first of them among the keys of a call. */
export const FIRST_LIMIT_KEY: number = FIXED_KEYS + LIST_SLOTS + RECORD_SHARDS + 1;

/** A partition of a queue: what one script call works on, all in one hash slot. */
export interface Room {
  readonly queue: string;
  readonly partition: number;
  /** Every key that any script may touch, in the order in which scripts declare them. */
  readonly keys: readonly string[];
  /** The first of the keys: it names the room in messages. */
  readonly name: string;
  /** Channel of its events. */
  readonly eventChannel: string;
}

/** Separates the parts of a key: no name can contain it. */
const SEPARATOR = "|";

/** Makes the room of a queue's partition. */
export function roomOf(namespace: string, queue: string, partition: number): Room {
  const tag = `{mr${LAYOUT_VERSION}${SEPARATOR}${namespace}${SEPARATOR}${queue}${SEPARATOR}${partition}}`;
  const names = ["m", "t", "r", "x", "i", "w", "u", "o"];
  for (let slot = 1; slot <= LIST_SLOTS; slot += 1) names.push(`l${slot}`);
  for (let shard = 1; shard <= RECORD_SHARDS; shard += 1) names.push(`j${shard}`);
  names.push(...LIMIT_KEYS);
  const keys = names.map((name) => tag + name);
  return { queue, partition, keys, name: `${tag}m`, eventChannel: `${tag}e` };
}

/** Key that says which layout a namespace has. It bears no version itself: programs of every version look there. */
export function layoutKeyOf(namespace: string): string {
  return `{mr${SEPARATOR}${namespace}}layout`;
}

/** Pattern of the event channels of all rooms of a namespace. */
export function eventPattern(namespace: string): string {
  return `{mr${LAYOUT_VERSION}${SEPARATOR}${namespace}${SEPARATOR}*}e`;
}

/** Keys of a namespace that belong to no queue, in one slot: queues, types, workers, schedules, settings. */
export interface Directory {
  readonly queues: string;
  readonly types: string;
  readonly workers: string;
  readonly leases: string;
  readonly gone: string;
  readonly settings: string;
  /** The three together, as scripts take them. */
  readonly workerKeys: readonly string[];
  /** Schedules, when the next of each fires, and jobs of ticks still to be delivered. */
  readonly schedules: string;
  readonly due: string;
  readonly outbox: string;
  /** Limits that were changed by hand, and how often any limit changed. */
  readonly limits: string;
  /** Windows of figures, their counts, and calls that added to them. */
  readonly figureKeys: readonly string[];
}

/** Makes the names of a namespace's directory. */
export function directoryOf(namespace: string): Directory {
  const tag = `{mr${LAYOUT_VERSION}${SEPARATOR}${namespace}}`;
  const [workers, leases, gone] = [`${tag}w`, `${tag}l`, `${tag}g`];
  return {
    queues: `${tag}q`,
    types: `${tag}t`,
    workers,
    leases,
    gone,
    workerKeys: [workers, leases, gone],
    settings: `${tag}s`,
    schedules: `${tag}p`,
    due: `${tag}d`,
    outbox: `${tag}o`,
    limits: `${tag}b`,
    figureKeys: [`${tag}f`, `${tag}c`, `${tag}n`],
  };
}

/** Channel on which a worker is told to look for work or to cancel. */
export function workerChannel(worker: string): string {
  return `mr${LAYOUT_VERSION}${SEPARATOR}w${SEPARATOR}${worker}`;
}

/** Channel on which a worker listens at every primary of a Cluster, and nothing is said: its primaries count who does. */
export function presenceChannel(worker: string): string {
  return `${PRESENCE_PREFIX}${worker}`;
}

/** What the channel begins with, as scripts write it. */
export const PRESENCE_PREFIX: string = `mr${LAYOUT_VERSION}${SEPARATOR}p${SEPARATOR}`;

/** The queue's hash in an id: its last four hex digits. */
export function hashInId(id: JobId): number {
  return Number.parseInt(id.slice(32), 16);
}

/** The partition of a job, from a random byte of its id. */
export function partitionOf(id: JobId, partitions: number): number {
  return partitions === 1 ? 0 : Number.parseInt(id.slice(24, 26), 16) % partitions;
}

/** Places over which keys are spread: over the primaries of a Cluster, and as small hashes. */
export const KEY_PLACES = 16;

/** A place of idempotency keys: the keys, when they are forgotten, and jobs still to be delivered. */
export function keyPlaceOf(namespace: string, place: number): readonly string[] {
  const tag = placeTag(namespace, place);
  return [`${tag}k`, `${tag}x`, `${tag}o`];
}

/** The same place for keys of unique jobs: which jobs hold them, and jobs still to be delivered. */
export function uniquePlaceOf(namespace: string, place: number): readonly string[] {
  const tag = placeTag(namespace, place);
  return [`${tag}u`, `${tag}o`];
}

function placeTag(namespace: string, place: number): string {
  return `{mr${LAYOUT_VERSION}${SEPARATOR}${namespace}${SEPARATOR}${SEPARATOR}${place}}`;
}

/** The place of a key, by what it is of: an idempotency key is of a type, a unique job's of a type in its queue. */
export function placeOfKey(field: string): number {
  return queueHash(field) % KEY_PLACES;
}
