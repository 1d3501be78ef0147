// Enqueues under idempotency keys: the key is taken in its own place first, then its job is delivered.
import type { EnqueueReply, NewJob } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { keyPlaceOf, placeOfKey } from "../layout.ts";
import { type OutboxEntry, deliver, readEntry, writeEntry } from "../outbox.ts";
import { findJobs } from "../reading.ts";
import { keyFieldOf } from "./reservations.ts";
import { RESERVE_KEYS } from "../scripts/keys.ts";
import { Arguments } from "../link/wire.ts";

/** Keys taken in one call. */
const MAX_KEYS = 200;

/** A job that comes with a key. */
type KeyedJob = NewJob & { readonly idempotency: NonNullable<NewJob["idempotency"]> };

/** Whether a job comes with a key. */
export function hasKey(job: NewJob): job is KeyedJob {
  return job.idempotency !== undefined;
}

/** Keeps jobs that come with keys; a key that is taken gives the job that holds it. */
export async function enqueueKeyed(
  context: Context,
  jobs: readonly KeyedJob[],
): Promise<readonly EnqueueReply[]> {
  const byPlace = new Map<number, Asking[]>();
  const known = await findJobs(
    context,
    jobs.map(({ id }) => id),
  );
  for (const [at, job] of jobs.entries()) {
    const place = placeOfKey(fieldOf(job));
    const list = byPlace.get(place);
    const asking = { job, at, isKnown: known[at] != null };
    if (list === undefined) byPlace.set(place, [asking]);
    else list.push(asking);
  }
  const holders: (Holder | undefined)[] = [];
  await Promise.all(
    [...byPlace].map(async ([place, entries]) => {
      const keys = keyPlaceOf(context.namespace, place);
      for (let from = 0; from < entries.length; from += MAX_KEYS) {
        const part = entries.slice(from, from + MAX_KEYS);
        const held = await reserve(context, keys, part);
        for (const [index, { at }] of part.entries()) holders[at] = held[index];
      }
    }),
  );
  // All keys are taken before the first job goes out, so that jobs of one call come into their lanes in its order.
  return Promise.all(jobs.map((job, at) => conclude(context, job, holders[at])));
}

function fieldOf(job: KeyedJob): string {
  return keyFieldOf(job.type, job.idempotency.key);
}

interface Asking {
  readonly job: KeyedJob;
  readonly at: number;
  /** A job that is kept takes no key anew: the call is repeated, and its key may have been forgotten since. */
  readonly isKnown: boolean;
}

interface Holder {
  readonly id: string;
  /** While it is not known to be delivered. */
  readonly entry: OutboxEntry | null;
}

async function reserve(
  context: Context,
  keys: readonly string[],
  asked: readonly Asking[],
): Promise<readonly Holder[]> {
  const args = new Arguments();
  for (const { job, isKnown } of asked) {
    args
      .text(isKnown ? "1" : "0")
      .text(fieldOf(job))
      .text(job.id)
      .number(job.idempotency.rememberMs)
      .text(writeEntry({ nonce: context.nextNonce(), job }));
  }
  const reply = await context.link.call(RESERVE_KEYS, keys, args);
  return asked.map((_, index) => {
    const entry = String(reply[index * 2 + 1]);
    return { id: String(reply[index * 2]), entry: entry === "" ? null : readEntry(entry) };
  });
}

async function conclude(
  context: Context,
  job: KeyedJob,
  holder: Holder | undefined,
): Promise<EnqueueReply> {
  if (holder === undefined) return { id: job.id, state: null, isNew: false };
  if (holder.entry !== null) {
    const outbox = keyPlaceOf(context.namespace, placeOfKey(fieldOf(job)))[2] ?? "";
    const delivered = await deliver(context, outbox, holder.entry);
    if (holder.id === job.id) return delivered;
    // It was never taken in, and its key is free again.
    if (delivered.because === "draining") return enqueueOneKeyed(context, job);
  }
  const [found] = await findJobs(context, [holder.id]);
  return { id: holder.id, state: found?.record.state ?? null, isNew: false };
}

async function enqueueOneKeyed(context: Context, job: KeyedJob): Promise<EnqueueReply> {
  const [reply] = await enqueueKeyed(context, [job]);
  return reply ?? { id: job.id, state: null, isNew: false };
}
