// Unique jobs: one of a type, queue and key at a time, wherever the jobs of the queue are.
import { debouncedDueAtMs, isStandingFor } from "../../../core/flow.ts";
import type { JobId } from "../../../core/ids.ts";
import type { EnqueueReply, NewJob } from "../../../core/store.ts";
import { type Context, storeNowMs } from "../context.ts";
import { placeOfKey, uniquePlaceOf } from "../layout.ts";
import { applyMoves } from "../moves.ts";
import { type OutboxEntry, deliver, readEntry, writeEntry } from "../outbox.ts";
import { type FoundJob, findJobs } from "../reading.ts";
import { uniqueFieldOf } from "./reservations.ts";
import { RESERVE_UNIQUE } from "../scripts/unique.ts";
import { Arguments } from "../link/wire.ts";

/*
 * A key has a place in a slot of its own, which names the jobs that hold it; whether one of them stands is said by the
 * job itself, in its room. So nothing has to be told when a job starts or ends, and no crash can leave a key taken: who
 * comes next looks at the holders, and takes a place among them if it saw all of them and none stands. Its job is in
 * the outbox in the same act. A sweep forgets holders that are over.
 */

/** Keys asked for in one call. */
const MAX_KEYS = 200;
/** How often one job looks at holders that were not there before: each time another caller was faster. */
const MAX_LOOKS = 50;

type UniqueJob = NewJob & { readonly unique: NonNullable<NewJob["unique"]> };

/** Whether a job is one of its key. */
export function isUnique(job: NewJob): job is UniqueJob {
  return job.unique !== undefined;
}

interface Asking {
  readonly job: UniqueJob;
  readonly field: string;
  readonly nonce: Buffer;
  /** Holders that were found not to stand; `true` for those that never will again. */
  readonly seen: Map<JobId, boolean>;
}

interface Holder {
  readonly id: JobId;
  /** While it is not known to be delivered. */
  readonly entry: OutboxEntry | null;
}

/** Keeps jobs that are one of their key; where another stands, that is told. */
export async function enqueueUnique(
  context: Context,
  jobs: readonly UniqueJob[],
): Promise<readonly EnqueueReply[]> {
  const replies = new Map<JobId, EnqueueReply>();
  const first = new Map<JobId, Asking>();
  for (const job of jobs) {
    if (first.has(job.id)) continue;
    const field = uniqueFieldOf(job, job.unique.key);
    first.set(job.id, { job, field, nonce: context.nextNonce(), seen: new Map() });
  }
  let left = [...first.values()];
  for (let looks = 0; left.length > 0 && looks < MAX_LOOKS; looks += 1) {
    const holders = await reserve(context, left);
    const told = await Promise.all(
      left.map((asking, at) => conclude(context, asking, holders[at] ?? [])),
    );
    for (const reply of told) if (reply !== null) replies.set(reply.asked, reply.reply);
    left = left.filter((_, at) => told[at] === null);
  }
  const told = new Set<JobId>();
  return jobs.map(({ id }) => {
    const reply = replies.get(id) ?? { id, state: null, isNew: false, because: "unique" as const };
    const isAgain = told.has(id);
    told.add(id);
    return isAgain ? { ...reply, isNew: false } : reply;
  });
}

/** Takes a place for each, in their order, or tells the holders that it must look at first. */
async function reserve(
  context: Context,
  asked: readonly Asking[],
): Promise<readonly (readonly Holder[])[]> {
  const byPlace = Map.groupBy(asked.keys(), (at) => placeOfKey(asked[at]?.field ?? ""));
  const holders: (readonly Holder[])[] = [];
  await Promise.all(
    [...byPlace].map(async ([place, all]) => {
      const keys = uniquePlaceOf(context.namespace, place);
      for (let from = 0; from < all.length; from += MAX_KEYS) {
        const part = all.slice(from, from + MAX_KEYS);
        const args = new Arguments();
        for (const at of part) writeAsking(args, asked[at]);
        const reply = (await context.link.call(RESERVE_UNIQUE, keys, args)).values();
        for (const at of part) holders[at] = readHolders(reply);
      }
    }),
  );
  return holders;
}

function writeAsking(args: Arguments, asking: Asking | undefined): void {
  if (asking === undefined) return;
  const { job, field, nonce, seen } = asking;
  args.text(field).text(job.id).number(seen.size);
  for (const [id, isOver] of seen) args.text(id).text(isOver ? "1" : "0");
  args.text(writeEntry({ nonce, job }));
}

function readHolders(reply: Iterator<unknown>): readonly Holder[] {
  return Array.from({ length: Number(reply.next().value) }, () => {
    const id: JobId = String(reply.next().value);
    const entry = String(reply.next().value);
    return { id, entry: entry === "" ? null : readEntry(entry) };
  });
}

interface Told {
  readonly asked: JobId;
  readonly reply: EnqueueReply;
}

/** The reply to one job; `null`: none of the holders stands, so it asks again. */
async function conclude(
  context: Context,
  asking: Asking,
  holders: readonly Holder[],
): Promise<Told | null> {
  const { job, nonce } = asking;
  if (holders.length === 0) {
    const reply = await deliverFor(context, asking, { job, nonce });
    return { asked: job.id, reply };
  }
  const own = holders.find(({ id }) => id === job.id);
  const isOwn = own?.entry?.nonce.equals(nonce) === true;
  for (const { entry } of holders) {
    if (entry === null) continue;
    const reply = await deliverFor(context, asking, entry);
    // The call was sent twice, and its first sending made it.
    if (isOwn && entry.job.id === job.id) return { asked: job.id, reply };
  }
  const reply = await look(context, asking, holders);
  return reply === null ? null : { asked: job.id, reply };
}

function deliverFor(
  context: Context,
  { field }: Asking,
  entry: OutboxEntry,
): Promise<EnqueueReply> {
  const outbox = uniquePlaceOf(context.namespace, placeOfKey(field))[1] ?? "";
  return deliver(context, outbox, entry);
}

/** Looks at the holders of a key. */
async function look(
  context: Context,
  { job, seen }: Asking,
  holders: readonly Holder[],
): Promise<EnqueueReply | null> {
  const room = await context.rooms.ofJob(job.queue, job.id);
  const ids = holders.map(({ id }) => id);
  const [[kept, ...found], draining] = await Promise.all([
    findJobs(context, [job.id, ...ids]),
    context.link.command("hget", [room.name, "Q"]),
  ]);
  if (kept != null) return { id: job.id, state: kept.record.state, isNew: false };
  if (draining !== null && job.parent === undefined)
    return { id: job.id, state: null, isNew: false, because: "draining" };
  const { key, debounce } = job.unique;
  for (const [index, id] of ids.entries()) {
    const holder = found[index] ?? null;
    const isOver = holder?.unique !== key;
    if (holder === null || isOver || !isStandingFor(holder.record.state, job.unique)) {
      seen.set(id, isOver);
      continue;
    }
    if (debounce !== undefined) return putOff(context, holder, job, debounce);
    return { id, state: holder.record.state, isNew: false, because: "unique" };
  }
  return null;
}

/** Puts the newest input into a job that has not started, and puts that off; `null`: it changed meanwhile. */
async function putOff(
  context: Context,
  holder: FoundJob,
  job: UniqueJob,
  rule: { readonly waitMs: number; readonly longestMs: number },
): Promise<EnqueueReply | null> {
  const { record } = holder;
  const nowMs = await storeNowMs(context);
  const dueAtMs = debouncedDueAtMs(rule, record.enqueuedAtMs, nowMs);
  const state = dueAtMs > nowMs ? "scheduled" : "ready";
  const keys = (job.keys ?? []).map(({ limit, key }) => ({ limit, key }));
  const after = { ...record, input: job.input, dueAtMs, state, keys } as const;
  const [result] = await applyMoves(context, holder.room, [
    { job: holder, claim: null, transition: { kind: "changed", job: after }, changes: [] },
  ]);
  if (result !== "moved") return null;
  return { id: record.id, state, isNew: false, because: "debounced" };
}
