// Enqueue: ordinary BullMQ jobs, added by BullMQ's own scripts under the ids that the client made.
import type { JobJson } from "bullmq";
import type { EnqueueReply, NewJob, TypeRecord } from "../../core/store.ts";
import { MAX_ENQUEUE_BATCH } from "../../core/limits.ts";
import { checkJob } from "./abilities.ts";
import { type Context, typesNamed } from "./context.ts";
import { entryOf, readEntry } from "./keys.ts";
import type { Peer, Sent, Turn, Writes } from "./link.ts";
import { READS_PER_JOB, delayOf, optionsOf, readFound, readsOf } from "./records.ts";
import { registerQueues } from "./registry.ts";

/** Adds jobs; callers that add at the same moment share a transaction. */
export interface Enqueuer {
  enqueue(jobs: readonly NewJob[]): Promise<readonly EnqueueReply[]>;
}

interface Waiting {
  readonly jobs: readonly NewJob[];
  readonly resolve: (replies: readonly EnqueueReply[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes the enqueuer of a store. */
export function createEnqueuer(context: Context): Enqueuer {
  const waiting: Waiting[] = [];
  let isBusy = false;
  const flush = async (): Promise<void> => {
    isBusy = true;
    // Callers of one turn of the loop come together.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = takeBatch(waiting);
      try {
        const replies = await addJobs(
          context,
          batch.flatMap(({ jobs }) => jobs),
        );
        let from = 0;
        for (const { jobs, resolve } of batch) {
          resolve(replies.slice(from, from + jobs.length));
          from += jobs.length;
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isBusy = false;
  };
  return {
    enqueue: async (jobs) => {
      for (const job of jobs) checkJob(job);
      if (jobs.length === 0) return [];
      return new Promise((resolve, reject) => {
        waiting.push({ jobs, resolve, reject });
        if (!isBusy) void flush();
      });
    },
  };
}

function takeBatch(waiting: Waiting[]): readonly Waiting[] {
  const batch: Waiting[] = [];
  let count = 0;
  for (;;) {
    const next = waiting[0];
    if (next === undefined) return batch;
    if (batch.length > 0 && count + next.jobs.length > MAX_ENQUEUE_BATCH) return batch;
    waiting.shift();
    batch.push(next);
    count += next.jobs.length;
  }
}

async function addJobs(
  context: Context,
  jobs: readonly NewJob[],
): Promise<readonly EnqueueReply[]> {
  await registerQueues(
    context,
    jobs.map(({ queue }) => queue),
  );
  // Whether a job is new must not be forgotten with a lost reply.
  const added = new Set<string>();
  return context.link.guard("enqueue", (turn) => addInTurn(context, turn, jobs, added));
}

/** What a job of the batch comes to. */
type Plan =
  | { readonly kind: "add"; readonly job: NewJob }
  | { readonly kind: "known"; readonly queue: string; readonly id: string };

async function addInTurn(
  context: Context,
  turn: Turn,
  jobs: readonly NewJob[],
  added: Set<string>,
): Promise<readonly EnqueueReply[]> {
  const { link } = context;
  const { keys } = link;
  if (!turn.isRepeated) added.clear();
  const keyOf = ({ type, idempotency }: NewJob): string | null =>
    idempotency === undefined ? null : keys.idempotency(type, idempotency.key);
  const onceKeys = [...new Set(jobs.flatMap((job) => keyOf(job) ?? []))];
  const jobKeys = jobs.map(({ queue, id }) => keys.bull(queue, id));
  const replies = await turn.watch(
    [...new Set([...onceKeys, ...jobKeys])],
    [...onceKeys.map((key): Sent => ["GET", key]), ...jobKeys.map((key): Sent => ["EXISTS", key])],
  );
  const nowMs = Date.now();
  const standing = new Map<string, string>();
  for (const [index, key] of onceKeys.entries()) {
    const entry = readOnce(replies[index] as string | null, nowMs);
    if (entry !== null) standing.set(key, entry);
  }
  const existing = new Set(jobKeys.filter((_, index) => replies[onceKeys.length + index] === 1));
  const plans = jobs.map((job): Plan =>
    plan(job, keyOf(job), standing, existing, (queue, id) => keys.bull(queue, id)),
  );
  const types = await typesNamed(
    turn.read.bind(turn),
    keys.types,
    jobs.map(({ type }) => type),
  );
  const known = await statesOf(context, turn, plans);
  const news = plans.flatMap((each) => (each.kind === "add" ? [each.job] : []));
  const answer = plans.map((each, index): EnqueueReply => {
    const job = jobs[index] as NewJob;
    if (each.kind === "add") {
      return { id: job.id, state: delayOf(job, nowMs) > 0 ? "scheduled" : "ready", isNew: true };
    }
    const isOwn = each.id === job.id && added.delete(job.id);
    const fresh = news.find(({ id }) => id === each.id);
    const state = fresh === undefined ? (known.get(each.id) ?? null) : stateOf(fresh, nowMs);
    return { id: each.id, state, isNew: isOwn };
  });
  if (news.length === 0) return answer;
  for (const { id } of news) added.add(id);
  return turn.commit((writes) => {
    for (const job of news) addJob(writes, turn.peer, keys, job, nowMs, types);
  }, answer);
}

function stateOf(job: NewJob, nowMs: number): "scheduled" | "ready" {
  return delayOf(job, nowMs) > 0 ? "scheduled" : "ready";
}

/** Decides what becomes of a job, and notes it for those behind it in the batch. */
function plan(
  job: NewJob,
  onceKey: string | null,
  standing: Map<string, string>,
  existing: Set<string>,
  keyOf: (queue: string, id: string) => string,
): Plan {
  const stands = onceKey === null ? undefined : standing.get(onceKey);
  if (stands !== undefined) {
    const { queue, bullId } = readEntry(stands);
    return { kind: "known", queue, id: bullId };
  }
  const key = keyOf(job.queue, job.id);
  if (existing.has(key)) return { kind: "known", queue: job.queue, id: job.id };
  existing.add(key);
  if (onceKey !== null) standing.set(onceKey, entryOf(job.queue, job.id));
  return { kind: "add", job };
}

/** An idempotency key: until when it is remembered, and the job that stands. */
function readOnce(text: string | null, nowMs: number): string | null {
  if (text === null) return null;
  const space = text.indexOf(" ");
  return Number(text.slice(0, space)) > nowMs ? text.slice(space + 1) : null;
}

async function statesOf(
  { link }: Context,
  turn: Turn,
  plans: readonly Plan[],
): Promise<ReadonlyMap<string, EnqueueReply["state"]>> {
  const known = plans.flatMap((each) => (each.kind === "known" ? [each] : []));
  const replies = await turn.read(known.flatMap(({ queue, id }) => readsOf(link.keys, queue, id)));
  const states = new Map<string, EnqueueReply["state"]>();
  for (const [index, { queue, id }] of known.entries()) {
    const from = index * READS_PER_JOB;
    const found = readFound(queue, id, replies.slice(from, from + READS_PER_JOB));
    states.set(id, found?.record.state ?? null);
  }
  return states;
}

/** Adds one job, and what is remembered with it. */
export function addJob(
  writes: Writes,
  peer: Peer,
  keys: Context["link"]["keys"],
  job: NewJob,
  nowMs: number,
  types: ReadonlyMap<string, TypeRecord>,
): void {
  const opts = optionsOf(job, nowMs, types.get(job.type)?.retention);
  const json = { name: job.type, data: job.input, opts, timestamp: nowMs } as unknown as JobJson;
  const backend = peer.backend(job.queue);
  writes.job((multi) => backend.addJobToTransaction(multi, json, job.id));
  const entry = entryOf(job.queue, job.id);
  if (job.expireAfterMs !== undefined) {
    const expiresAtMs = nowMs + delayOf(job, nowMs) + job.expireAfterMs;
    writes.add("ZADD", keys.expiries, expiresAtMs, entry);
  }
  if (job.idempotency !== undefined) {
    const { key, rememberMs } = job.idempotency;
    const value = `${nowMs + rememberMs} ${entry}`;
    writes.add("SET", keys.idempotency(job.type, key), value, "PX", Math.max(1, rememberMs));
  }
}
