// Enqueues: callers who come at the same moment share a call of the script.
import type { JobId } from "../../core/ids.ts";
import type { JobState } from "../../core/job.ts";
import type { EnqueueReply, NewJob } from "../../core/store.ts";
import { type Context, callOnce } from "./context.ts";
import { parentBytes } from "./runs/kin.ts";
import { isChoosing, writeKeys, writeNewKeys } from "./flow/limit-keys.ts";
import { cancelOvertaken } from "./flow/overtaken.ts";
import {
  type Extras,
  FLAG,
  SYMBOLIC_NOW_MS,
  laneField,
  writeExtras,
  writeRetention,
} from "./records.ts";
import type { OpenRoom } from "./rooms.ts";
import { ENQUEUE } from "./scripts/enqueue.ts";
import type { Arguments } from "./link/wire.ts";

/**
 * Most jobs in one call. The server works on the first part of a bulk while the next is written: 1,000 jobs in one piece
 * came to 156,000 a second at best, in four parts to 198,000. It is held for less than a millisecond.
 */
const MAX_JOBS = 250;
/** Most text in one call. */
const MAX_CHARACTERS = 4 * 1_024 * 1_024;
/** Calls under way to one room: all parts of the largest enqueue. */
const MAX_UNDER_WAY = 4;

interface Entry {
  readonly job: NewJob;
  readonly resolve: (reply: EnqueueReply) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue {
  readonly room: OpenRoom;
  waiting: Entry[];
  underWay: number;
  isFlushing: boolean;
}

/** Keeps jobs of one room. */
export interface Enqueuer {
  add(room: OpenRoom, job: NewJob): Promise<EnqueueReply>;
}

/** Makes the enqueuer of a store. */
export function createEnqueuer(context: Context): Enqueuer {
  const queues = new Map<OpenRoom, Queue>();
  const flush = (queue: Queue): void => {
    queue.isFlushing = false;
    while (queue.waiting.length > 0 && queue.underWay < MAX_UNDER_WAY) {
      const batch = takeBatch(queue);
      queue.underWay += 1;
      void send(context, queue.room, batch).finally(() => {
        queue.underWay -= 1;
        if (queue.waiting.length > 0) flush(queue);
      });
    }
  };
  return {
    add: (room, job) =>
      new Promise((resolve, reject) => {
        let queue = queues.get(room);
        if (queue === undefined) {
          queue = { room, waiting: [], underWay: 0, isFlushing: false };
          queues.set(room, queue);
        }
        queue.waiting.push({ job, resolve, reject });
        // While a call is under way others gather; the first goes when the promises of this turn have run.
        if (queue.isFlushing || queue.underWay > 0) return;
        queue.isFlushing = true;
        const opened = queue;
        process.nextTick(flush, opened);
      }),
  };
}

/** Keeps one job by a call of its own, under a nonce that was chosen before. */
export async function enqueueUnder(
  context: Context,
  room: OpenRoom,
  job: NewJob,
  nonce: Buffer,
): Promise<EnqueueReply> {
  const replies = await transmit(context, room, [job], nonce);
  return replies.get(job.id) ?? { id: job.id, state: null, isNew: false };
}

function takeBatch(queue: Queue): Entry[] {
  let characters = 0;
  let count = 0;
  for (const { job } of queue.waiting) {
    characters += job.input.length;
    if (count > 0 && (count === MAX_JOBS || characters > MAX_CHARACTERS)) break;
    count += 1;
  }
  if (count === queue.waiting.length) {
    const all = queue.waiting;
    queue.waiting = [];
    return all;
  }
  return queue.waiting.splice(0, count);
}

/** Sends a batch; every entry is settled by it. */
async function send(context: Context, room: OpenRoom, batch: readonly Entry[]): Promise<void> {
  try {
    const first = new Map<string, Entry>();
    const again: Entry[] = [];
    for (const entry of batch) {
      if (first.has(entry.job.id)) again.push(entry);
      else first.set(entry.job.id, entry);
    }
    const entries = again.length === 0 ? batch : [...first.values()];
    const replies = await transmit(
      context,
      room,
      entries.map(({ job }) => job),
    );
    for (const { job, resolve } of entries) {
      const reply = replies.get(job.id);
      if (reply !== undefined) resolve(reply);
    }
    for (const { job, resolve } of again) {
      const reply = replies.get(job.id);
      if (reply !== undefined) resolve({ ...reply, isNew: false });
    }
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}

const LETTERS: Readonly<Record<string, JobState>> = {
  r: "ready",
  s: "scheduled",
  u: "running",
  w: "waiting",
  p: "succeeded",
  f: "failed",
  c: "cancelled",
};
/** The queue takes nothing new in. */
const DRAINING = "d";
/** As many jobs stand as the limit of a key lets run. */
const DROPPED = "x";

async function transmit(
  context: Context,
  room: OpenRoom,
  jobs: readonly NewJob[],
  nonce?: Buffer,
): Promise<ReadonlyMap<string, EnqueueReply>> {
  const batch = arrange(jobs);
  let reply: readonly unknown[];
  do {
    const hasEvents = room.isFollowed;
    const write = (args: Arguments): void => writeBatch(args, batch, hasEvents);
    reply = await callOnce(context, room, ENQUEUE, write, nonce);
    // Somebody began to follow in the meantime: the script wants the events too, and wrote nothing yet.
    if (reply[0] === -1) room.isFollowed = true;
  } while (reply[0] === -1);
  const letters = String(reply[2]);
  const replies = new Map<string, EnqueueReply>();
  let place = 0;
  for (const job of batch.order) {
    replies.set(job.id, readReply(job.id, letters[place] ?? ""));
    place += 1;
  }
  await cancelOvertaken(context, room, letters.slice(batch.order.length));
  return replies;
}

function readReply(id: JobId, letter: string): EnqueueReply {
  if (letter === DROPPED) return { id, state: null, isNew: false, because: "dropped" };
  if (letter === DRAINING) return { id, state: null, isNew: false, because: "draining" };
  const small = letter.toLowerCase();
  return { id, state: LETTERS[small] ?? null, isNew: letter !== small };
}

/** A batch in the order in which the script takes it. */
interface Batch {
  readonly lanes: readonly string[];
  readonly plain: ReadonlyMap<number, readonly NewJob[]>;
  readonly special: readonly { readonly job: NewJob; readonly lane: number }[];
  readonly order: readonly NewJob[];
}

function arrange(jobs: readonly NewJob[]): Batch {
  const [only] = jobs;
  if (only !== undefined && jobs.length === 1 && isPlain(only)) {
    // Whoever enqueues one job waits for it, and the code is cold: what follows took 57 µs then.
    return { lanes: [fieldOf(only)], plain: new Map([[1, jobs]]), special: [], order: jobs };
  }
  const lanes: string[] = [];
  const numbers = new Map<string, number>();
  const plain = new Map<number, NewJob[]>();
  const special: { job: NewJob; lane: number }[] = [];
  let lastShape = "";
  let lastLane = 0;
  for (const job of jobs) {
    const shape = `${job.type}\0${hasKeys(job) ? "#" : ""}${job.headStartMs ?? 0}\0${job.labels?.join("\0") ?? ""}`;
    if (shape !== lastShape) {
      lastShape = shape;
      let lane = numbers.get(shape);
      if (lane === undefined) {
        lanes.push(fieldOf(job));
        lane = lanes.length;
        numbers.set(shape, lane);
      }
      lastLane = lane;
    }
    if (isPlain(job)) {
      const group = plain.get(lastLane);
      if (group === undefined) plain.set(lastLane, [job]);
      else group.push(job);
    } else special.push({ job, lane: lastLane });
  }
  for (const jobs of plain.values()) sortById(jobs);
  return {
    lanes,
    plain,
    special,
    order: [...[...plain.values()].flat(), ...special.map(({ job }) => job)],
  };
}

/** Ids of one maker ascend already: then this only looks. */
function sortById(jobs: NewJob[]): void {
  for (let index = 1; index < jobs.length; index += 1) {
    if ((jobs[index - 1]?.id ?? "") > (jobs[index]?.id ?? "")) {
      jobs.sort((left, right) => (left.id < right.id ? -1 : 1));
      return;
    }
  }
}

function fieldOf(job: NewJob): string {
  return laneField({
    type: job.type,
    labels: job.labels ?? [],
    headStartMs: job.headStartMs ?? 0,
    company: 0,
    isKeyed: hasKeys(job),
  });
}

/** Whether limits count a job by keys of its own. */
function hasKeys({ keys = [] }: NewJob): boolean {
  return keys.length > 0;
}

/** Whether a job is its input and its place in a lane, nothing more: then it waits in a list. */
function isPlain(job: NewJob): boolean {
  return job.parent === undefined && isListed(job);
}

/** Whether a job can wait in a list: a run that made it is no hindrance. */
export function isListed(job: NewJob): boolean {
  return (
    (job.delayMs === undefined || job.delayMs <= 0) &&
    job.runAtMs === undefined &&
    job.expireAfterMs === undefined &&
    (job.tags === undefined || job.tags.length === 0) &&
    job.idempotency === undefined &&
    job.unique === undefined &&
    job.retention === undefined &&
    job.terms === undefined &&
    !hasKeys(job)
  );
}

function writeBatch(args: Arguments, batch: Batch, hasEvents: boolean): void {
  args
    .text(hasEvents ? "1" : "0")
    .number(batch.lanes.length)
    .number(batch.plain.size)
    .number(batch.special.length);
  for (const lane of batch.lanes) args.text(lane);
  for (const [lane, jobs] of batch.plain) {
    args.number(lane).number(jobs.length);
    for (const job of jobs) args.id(job.id);
    for (const job of jobs) args.text(job.input);
    if (hasEvents) for (const job of jobs) args.text(eventOf(job));
  }
  for (const { job, lane } of batch.special) writeSpecial(args, job, lane, hasEvents);
}

/** What is kept of a new job beside its record, as text, and the flags that say so. */
export function besideNew(job: NewJob): { readonly text: string; readonly flags: number } {
  const extras: Extras = {};
  const { keys = [], tags = [] } = job;
  if (keys.length > 0) extras.K = writeKeys(keys);
  if (isChoosing(keys)) extras.O = 1;
  if (tags.length > 0) extras.g = tags;
  if (job.expireAfterMs !== undefined) extras.x = SYMBOLIC_NOW_MS;
  if (job.idempotency !== undefined) extras.k = job.idempotency.key;
  if (job.unique !== undefined) extras.u = job.unique.key;
  if (job.retention !== undefined) extras.y = writeRetention(job.retention);
  if (job.terms !== undefined) extras.r = job.terms;
  const hasExtras = Object.keys(extras).length > 0;
  const flags =
    (hasExtras ? FLAG.extras : 0) |
    (tags.length > 0 ? FLAG.tags : 0) |
    (job.expireAfterMs === undefined ? 0 : FLAG.expires) |
    (job.parent === undefined ? 0 : FLAG.kin);
  return { text: hasExtras ? writeExtras(extras) : "", flags };
}

function writeSpecial(args: Arguments, job: NewJob, lane: number, hasEvents: boolean): void {
  const { tags = [], keys = [] } = job;
  const { text, flags } = besideNew(job);
  args
    .id(job.id)
    .number(lane)
    .text(job.runAtMs === undefined ? `+${Math.max(0, job.delayMs ?? 0)}` : String(job.runAtMs))
    .number(flags)
    .text(job.expireAfterMs === undefined ? "" : String(job.expireAfterMs))
    .text(text)
    .number(tags.length);
  for (const tag of tags) args.text(tag);
  args.text(job.input).text(hasEvents ? eventOf(job) : "");
  args.raw(parentBytes(job.parent));
  args.text(keys.length === 0 ? "" : writeNewKeys(keys));
}

/** Whether it is ready or waits for its time the follower sees from the time that it is told. */
function eventOf(job: NewJob): string {
  const state = (job.delayMs ?? 0) > 0 || job.runAtMs !== undefined ? "scheduled" : "ready";
  return JSON.stringify({ id: job.id, type: job.type, queue: job.queue, kind: "enqueued", state });
}
