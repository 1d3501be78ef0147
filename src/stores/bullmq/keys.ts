// Names of keys: BullMQ's own, and those that Millrace keeps beside them.

/** The namespace that uses BullMQ's prefix as it is, so that queues of teams that run BullMQ are found in it. */
const PLAIN_NAMESPACE = "default";

/** Keys of one namespace. All have the prefix, and with it the hash tag that a Cluster needs. */
export interface Keys {
  /** BullMQ's prefix in this namespace. */
  readonly prefix: string;
  /** Set: queues that are known. */
  readonly queues: string;
  /** Stream: queues that became known. */
  readonly news: string;
  /** Hash: type records by name. */
  readonly types: string;
  /** Hash: descriptions of workers by id. */
  readonly workers: string;
  /** Sorted set: workers by the end of their lease. */
  readonly leases: string;
  /** Hash: how many jobs a dead worker ran. */
  readonly deaths: string;
  /** Hash: who paused a queue, and why. */
  readonly pauses: string;
  /** Hash: BullMQ's ids of jobs whose ids are not UUIDs of Millrace. */
  readonly aliases: string;
  /** Sorted set: ended jobs by the time of their removal. */
  readonly removals: string;
  /** Sorted set: jobs by the time of their expiry. */
  readonly expiries: string;
  /** Sorted set: names of schedules. */
  readonly scheduleNames: string;
  /** Sorted set: schedules by the time at which their next tick fires. */
  readonly dueSchedules: string;
  schedule(name: string): string;
  /** The job that stands for a type and key. */
  idempotency(type: string, key: string): string;
  /** Sorted set: ended jobs of a type and outcome by the time of their end. */
  ended(state: string, type: string): string;
  /** Set: jobs of a queue's failed ones that were cancelled. */
  cancelled(queue: string): string;
  /** BullMQ's own key of a queue. */
  bull(queue: string, name: string): string;
}

/** Names the keys of a namespace. */
export function keysOf(basePrefix: string, namespace: string): Keys {
  const prefix = namespace === PLAIN_NAMESPACE ? basePrefix : `${basePrefix}:${namespace}`;
  // No queue has an empty name, so none of these is a key of BullMQ's.
  const own = (...parts: readonly string[]): string => `${prefix}::millrace:${parts.join(":")}`;
  return {
    prefix,
    queues: own("queues"),
    news: own("news"),
    types: own("types"),
    workers: own("workers"),
    leases: own("leases"),
    deaths: own("deaths"),
    pauses: own("pauses"),
    aliases: own("aliases"),
    removals: own("removals"),
    expiries: own("expiries"),
    scheduleNames: own("schedules"),
    dueSchedules: own("due"),
    schedule: (name) => own("schedule", name),
    idempotency: (type, key) => own("once", type, key),
    ended: (state, type) => own("ended", state, type),
    cancelled: (queue) => own("cancelled", queue),
    bull: (queue, name) => `${prefix}:${queue}:${name}`,
  };
}

/** A job's name in an index over queues. */
export function entryOf(queue: string, bullId: string): string {
  return `${queue}:${bullId}`;
}

/** Reads a job's name in an index: no queue of BullMQ's has a colon in its name. */
export function readEntry(entry: string): { readonly queue: string; readonly bullId: string } {
  const colon = entry.indexOf(":");
  return { queue: entry.slice(0, colon), bullId: entry.slice(colon + 1) };
}
