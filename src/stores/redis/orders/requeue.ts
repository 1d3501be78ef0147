// Moves jobs to another queue: out of their room in one act, which leaves them in its outbox, and then into the other.
import { type JobId, idInQueue } from "../../../core/ids.ts";
import { mayMove } from "../../../core/orders.ts";
import type { ChangeReply } from "../../../core/store.ts";
import type { Carry } from "./changes.ts";
import { type Context, callOnce } from "../context.ts";
import { type FoundJob, findJobs } from "../reading.ts";
import { handOverKey, keyFieldOf } from "../flow/reservations.ts";
import type { OpenRoom } from "../rooms.ts";
import { FORGET_MOVED, MOVE_IN, MOVE_OUT, READ_UNDELIVERED } from "../scripts/requeue.ts";
import { Arguments, readId } from "../link/wire.ts";

/** Most jobs moved out in one call. */
const MAX_MOVED = 50;
/** Jobs of one room delivered in one step of a sweep. */
const MAX_DELIVERED = 100;
const NONCE_BYTES = 12;
const LENGTH_BYTES = 4;

/** What must be known of a job to deliver it, beside what its old room packed. */
interface Passage {
  readonly queue: string;
  /** Its id before. */
  readonly from: JobId;
  readonly type: string;
  readonly state: "scheduled" | "ready";
  /** Its idempotency key. */
  readonly key?: string;
}

/** Carries jobs to a queue. What does not wait, or is known to others by its id, stays. */
export function carryTo(context: Context, queue: string): Carry {
  return async (jobs, replies) => {
    const moving: Moving[] = [];
    const movable = jobs.filter((job) => isMovable(job, queue));
    const isOpen = movable.length > 0 && (await takesIn(context, queue));
    const ids = movable.map(({ record }) => idInQueue(record.id, queue));
    const there = isOpen ? await findJobs(context, ids) : [];
    for (const [index, id] of ids.entries()) {
      const job = movable[index];
      if (job !== undefined && there[index] === null) moving.push({ job, id });
    }
    for (const { record } of jobs) {
      replies.set(record.id, { changed: false, state: record.state });
    }
    const byRoom = Map.groupBy(moving, ({ job }) => job.room);
    const again = await Promise.all(
      [...byRoom].map(([room, own]) => moveFrom(context, room, own, { queue, replies })),
    );
    return again.flat();
  };
}

interface Moving {
  readonly job: FoundJob;
  /** The id to be. */
  readonly id: JobId;
}

function isMovable({ record, unique, hasKin }: FoundJob, queue: string): boolean {
  // A unique job stands for others of its queue; what a workflow run was told is kept under its id.
  return mayMove(record) && unique === undefined && !hasKin && record.queue !== queue;
}

/** A queue that drains takes nothing in. What was moved out before it began to drain is delivered all the same. */
async function takesIn({ link, rooms }: Context, queue: string): Promise<boolean> {
  const [room] = await rooms.ofQueue(queue, { isNew: true });
  return room === undefined || (await link.command("hget", [room.name, "Q"])) === null;
}

async function moveFrom(
  context: Context,
  room: OpenRoom,
  moving: readonly Moving[],
  to: { readonly queue: string; readonly replies: Map<JobId, ChangeReply> },
): Promise<readonly JobId[]> {
  const again: JobId[] = [];
  for (let from = 0; from < moving.length; from += MAX_MOVED) {
    const part = moving.slice(from, from + MAX_MOVED);
    const reply = await callOnce(context, room, MOVE_OUT, (args) => {
      for (const each of part) writeOut(args, each, to.queue, context.nextNonce());
    });
    const letters = String(reply[2]);
    const packed = reply.slice(3).values();
    const out: Undelivered[] = [];
    for (const [index, { job, id }] of part.entries()) {
      const { record } = job;
      if (letters[index] === "a") {
        to.replies.set(record.id, { changed: true, state: record.state, id });
        out.push({ id, bytes: packed.next().value as Buffer });
      } else {
        to.replies.set(record.id, { changed: false, state: null });
        if (letters[index] === "c") again.push(record.id);
      }
    }
    await deliverAll(context, room, out);
  }
  return again;
}

function writeOut(args: Arguments, { job, id }: Moving, queue: string, nonce: Buffer): void {
  const { record } = job;
  const { type } = record;
  const passage: Passage = {
    queue,
    from: record.id,
    type,
    state: record.state === "ready" ? "ready" : "scheduled",
    ...(record.idempotencyKey === null ? {} : { key: record.idempotencyKey }),
  };
  const removed = { id: record.id, type, queue: record.queue, kind: "removed" };
  args.id(record.id).raw(job.guard).id(id).raw(nonce);
  args.text(JSON.stringify(passage)).text(JSON.stringify(removed));
}

interface Undelivered {
  readonly id: JobId;
  /** Nonce, length of the passage, the passage, the job as its old room packed it; empty: it was delivered. */
  readonly bytes: Buffer;
}

/** Delivers jobs, and takes them out of the room's outbox. */
async function deliverAll(
  context: Context,
  room: OpenRoom,
  jobs: readonly Undelivered[],
): Promise<void> {
  if (jobs.length === 0) return;
  await Promise.all(jobs.map((job) => deliverOne(context, job)));
  const args = new Arguments();
  for (const { id } of jobs) args.id(id);
  await context.link.call(FORGET_MOVED, room.keys, args);
}

async function deliverOne(context: Context, { id, bytes }: Undelivered): Promise<void> {
  if (bytes.length === 0) return;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const from = NONCE_BYTES + LENGTH_BYTES;
  const until = from + bytes.readUInt32BE(NONCE_BYTES);
  const passage = JSON.parse(bytes.toString("utf8", from, until)) as Passage;
  const { type, queue, state, key } = passage;
  const room = await context.rooms.ofJob(queue, id);
  const write = (args: Arguments): void => {
    args.id(id).raw(bytes.subarray(until));
    args.text(JSON.stringify({ id, type, queue, kind: "enqueued", state }));
  };
  await callOnce(context, room, MOVE_IN, write, nonce);
  if (key === undefined) return;
  await handOverKey(context, keyFieldOf(type, key), { from: passage.from, to: id });
}

/** Delivers what is left of those who died before they did. One that can't be delivered waits for the next sweep. */
export async function deliverMoved(context: Context, room: OpenRoom): Promise<void> {
  const args = new Arguments().number(MAX_DELIVERED);
  const reply = await context.link.call(READ_UNDELIVERED, room.keys, args);
  const jobs = Array.from({ length: Math.floor(reply.length / 2) }, (_, index) => ({
    id: readId(reply[index * 2] as Buffer),
    bytes: reply[index * 2 + 1] as Buffer,
  }));
  await Promise.allSettled(jobs.map((job) => deliverAll(context, room, [job])));
}
