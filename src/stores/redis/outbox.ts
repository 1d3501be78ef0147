// The outbox: jobs that must be enqueued in one slot because of an act in another.
import type { EnqueueReply, NewJob } from "../../core/store.ts";
import type { Context } from "./context.ts";
import { enqueueUnder } from "./enqueue.ts";
import { KEY_PLACES, keyPlaceOf } from "./layout.ts";
import { readRetention, writeRetention } from "./records.ts";
import { giveBack } from "./flow/reservations.ts";

/*
 * A script can write in one slot only. An act that makes jobs elsewhere (a tick of a schedule, an idempotency key)
 * writes them into the outbox of its own slot in the same script, and whoever acted delivers them at once; should it
 * die in between, the next sweep does. A delivery is an enqueue under the nonce that is kept with the entry: the room
 * that took it before recognises it, also when the job has run and is gone by then.
 */

/** Entries delivered in one step of a sweep. */
const MAX_DELIVERED = 100;

/** What is kept of a job that is to be delivered. */
export interface OutboxEntry {
  /** 12 bytes. */
  readonly nonce: Buffer;
  readonly job: NewJob;
}

/** Writes an entry. */
export function writeEntry({ nonce, job }: OutboxEntry): string {
  return JSON.stringify({ nonce: nonce.toString("hex"), job: writeJob(job) });
}

/** Reads an entry. */
export function readEntry(text: string): OutboxEntry {
  const { nonce, job } = JSON.parse(text) as { nonce: string; job: NewJob };
  return { nonce: Buffer.from(nonce, "hex"), job: readJob(job) };
}

/** A job as JSON takes it: without infinities. */
export function writeJob<Job extends Pick<NewJob, "retention">>(job: Job): Job {
  return job.retention === undefined ? job : { ...job, retention: writeRetention(job.retention) };
}

/** Reads it back. */
export function readJob<Job extends Pick<NewJob, "retention">>(job: Job): Job {
  return job.retention === undefined ? job : { ...job, retention: readRetention(job.retention) };
}

/** Delivers an entry, and takes it out of its outbox. What was taken for a job that is refused is given back. */
export async function deliver(
  context: Context,
  outbox: string,
  { job, nonce }: OutboxEntry,
): Promise<EnqueueReply> {
  const room = await context.rooms.ofJob(job.queue, job.id);
  const reply = await enqueueUnder(context, room, job, nonce);
  if (reply.because === "draining" || reply.because === "dropped") await giveBack(context, job);
  // Best effort: left in, it is delivered again by a sweep, which changes nothing.
  context.link.command("hdel", [outbox, job.id]).catch(() => {});
  return reply;
}

/** Delivers what is left of those who died before they did. */
export async function deliverOutboxes(context: Context): Promise<void> {
  const { link, directory, namespace } = context;
  const places = Array.from({ length: KEY_PLACES }, (_, place) => keyPlaceOf(namespace, place)[2]);
  const outboxes = [directory.outbox, ...places].filter((key) => key !== undefined);
  await Promise.all(
    outboxes.map(async (outbox) => {
      const entries = (await link.command("hvals", [outbox])) as string[];
      for (const entry of entries.slice(0, MAX_DELIVERED)) {
        await deliver(context, outbox, readEntry(entry));
      }
    }),
  );
}
