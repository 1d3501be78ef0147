// What the parts of an open BullMQ store share.
import { type JobId, queueHash } from "../../core/ids.ts";
import type { RetentionPolicy, TypeRecord } from "../../core/store.ts";
import { DEFAULT_STORE_POLICY, type StorePolicy } from "../../core/transitions.ts";
import { type Keys, readEntry } from "./keys.ts";
import type { Link, Turn } from "./link.ts";
import {
  type Found,
  type Place,
  CLAIM_READS_PER_JOB,
  READS_PER_JOB,
  claimReadsOf,
  readClaimed,
  readFound,
  readUnbounded,
  readsOf,
} from "./records.ts";

/** An open store's insides. */
export interface Context {
  readonly link: Link;
  readonly namespace: string;
  /** Where jobs that this store claimed are, by their ids. */
  readonly held: Map<JobId, Held>;
  /** Queues that this store made known. */
  readonly knownQueues: Set<string>;
}

/** A job that a worker of this store runs. */
export interface Held extends Place {
  readonly token: string;
  readonly worker: string;
  readonly isSuspect: boolean;
}

/** The names of all queues that are known. */
export async function queueNames({ link }: Pick<Context, "link">): Promise<readonly string[]> {
  const [names] = await link.read([["SMEMBERS", link.keys.queues]]);
  return (names as string[]).sort();
}

/** Where jobs may be: by their ids alone, a hash of the queue's name is a part of an id. */
export async function placesOf(
  { link, held }: Context,
  ids: readonly JobId[],
): Promise<ReadonlyMap<JobId, readonly Place[]>> {
  const places = new Map<JobId, readonly Place[]>();
  const unknown: JobId[] = [];
  for (const id of new Set(ids)) {
    const known = held.get(id);
    if (known === undefined) unknown.push(id);
    else places.set(id, [known]);
  }
  if (unknown.length === 0) return places;
  const [names, aliases] = (await link.read([
    ["SMEMBERS", link.keys.queues],
    ["HMGET", link.keys.aliases, ...unknown],
  ])) as [string[], (string | null)[]];
  const byHash = new Map<string, string[]>();
  for (const name of names) {
    const hash = queueHash(name).toString(16).padStart(4, "0");
    byHash.set(hash, [...(byHash.get(hash) ?? []), name]);
  }
  for (const [index, id] of unknown.entries()) {
    const alias = aliases[index];
    const queues = byHash.get(id.slice(-4)) ?? [];
    places.set(
      id,
      alias == null
        ? queues.map((queue) => ({ id, queue, bullId: id }))
        : [{ id, ...readEntry(alias) }],
    );
  }
  return places;
}

/** Reads jobs at once, `null` for those that are not kept. */
export async function findJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly (Found | null)[]> {
  const places = await placesOf(context, ids);
  const all = [...places.values()].flat();
  const { link } = context;
  const replies = await link.read(
    all.flatMap(({ queue, bullId }) => readsOf(link.keys, queue, bullId)),
  );
  return pick(ids, all, replies);
}

/** Reads jobs and watches them, so that what is decided by it holds when it is written. */
export async function watchJobs(
  { link: { keys } }: Context,
  turn: Turn,
  places: readonly Place[],
): Promise<readonly (Found | null)[]> {
  const replies = await turn.watch(
    watchedKeys(keys, places),
    places.flatMap(({ queue, bullId }) => readsOf(keys, queue, bullId)),
  );
  return places.map(({ queue, bullId }, index) =>
    readFound(queue, bullId, replies.slice(index * READS_PER_JOB, (index + 1) * READS_PER_JOB)),
  );
}

/** The same for jobs that should be running, with less to read. */
export async function watchClaimed(
  { link: { keys } }: Context,
  turn: Turn,
  places: readonly Place[],
): Promise<readonly (Found | null)[]> {
  const replies = await turn.watch(
    watchedKeys(keys, places),
    places.flatMap(({ queue, bullId }) => claimReadsOf(keys, queue, bullId)),
  );
  return places.map(({ queue, bullId }, index) => {
    const from = index * CLAIM_READS_PER_JOB;
    return readClaimed(queue, bullId, replies.slice(from, from + CLAIM_READS_PER_JOB));
  });
}

function watchedKeys(keys: Keys, places: readonly Place[]): readonly string[] {
  return places.flatMap(({ queue, bullId }) => {
    const key = keys.bull(queue, bullId);
    return [key, `${key}:lock`];
  });
}

function pick(
  ids: readonly JobId[],
  places: readonly Place[],
  replies: readonly unknown[],
): readonly (Found | null)[] {
  const found = new Map<JobId, Found>();
  for (const [index, { id, queue, bullId }] of places.entries()) {
    const job = readFound(
      queue,
      bullId,
      replies.slice(index * READS_PER_JOB, (index + 1) * READS_PER_JOB),
    );
    if (job !== null) found.set(id, job);
  }
  return ids.map((id) => found.get(id) ?? null);
}

/** The types that were made known, of these names. */
export async function typesNamed(
  read: (commands: readonly (readonly [string, ...string[]])[]) => Promise<readonly unknown[]>,
  typesKey: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, TypeRecord>> {
  const unique = [...new Set(names)];
  const types = new Map<string, TypeRecord>();
  if (unique.length === 0) return types;
  const [texts] = (await read([["HMGET", typesKey, ...unique]])) as [(string | null)[]];
  for (const text of texts) {
    if (text === null) continue;
    const type = readUnbounded(text) as TypeRecord;
    types.set(type.name, type);
  }
  return types;
}

/** The policy by which the store settles what no worker can. */
export function policyOf(
  types: ReadonlyMap<string, TypeRecord>,
  type: string,
  own: RetentionPolicy | undefined,
): StorePolicy {
  const policy: StorePolicy = types.get(type) ?? DEFAULT_STORE_POLICY;
  return own === undefined ? policy : { ...policy, retention: own };
}
