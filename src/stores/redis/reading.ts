// Reads jobs, pages and counts.
import type { JobId } from "../../core/ids.ts";
import { JOB_STATES, type JobRecord, type JobState } from "../../core/job.ts";
import type { JobFilter, JobPage, ListRequest } from "../../core/store.ts";
import { refuseNewParts } from "../../core/without-orders.ts";
import type { Context } from "./context.ts";
import { type LaneDefinition, type StoredJob, readJob, readLaneField } from "./records.ts";
import type { OpenRoom } from "./rooms.ts";
import { READ_JOBS, READ_PAGE } from "./scripts/read.ts";
import { Arguments, idBytes, readId } from "./wire.ts";

/** Ids read in one call: it holds the server for less than 2 ms. */
const READ_BATCH = 500;
/** Parts of a job in the reply. */
const PARTS = 5;

/** Reads jobs of one room, in the order of the ids. */
export async function readJobs(
  context: Context,
  room: OpenRoom,
  ids: readonly JobId[],
): Promise<readonly (StoredJob | null)[]> {
  const jobs: (StoredJob | null)[] = [];
  for (let from = 0; from < ids.length; from += READ_BATCH) {
    const batch = ids.slice(from, from + READ_BATCH);
    const args = new Arguments();
    for (const id of batch) args.id(id);
    const reply = await context.link.call(READ_JOBS, room.keys, args);
    jobs.push(...readReply(room, batch, reply));
  }
  return jobs;
}

function readReply(
  room: OpenRoom,
  ids: readonly JobId[],
  reply: readonly unknown[],
): (StoredJob | null)[] {
  const nowMs = Number(reply[0]);
  const laneCount = Number(reply[1]);
  const lanes = new Map<number, LaneDefinition>();
  let at = 2;
  for (let lane = 0; lane < laneCount; lane += 1) {
    const field = String(reply[at + 1]);
    if (field !== "") lanes.set((reply[at] as Buffer).readUInt16BE(0), readLaneField(field));
    at += 2;
  }
  return ids.map((id, index) => {
    const from = at + index * PARTS;
    const record = reply[from] as Buffer;
    if (record.length === 0) return null;
    const lane = lanes.get(record.readUInt16BE(3));
    if (lane === undefined) return null;
    return readJob(
      room.queue,
      {
        id: idBytes(id),
        record,
        run: reply[from + 1] as Buffer,
        extras: String(reply[from + 2]),
        progress: String(reply[from + 3]),
        result: String(reply[from + 4]),
        lane,
      },
      nowMs,
    );
  });
}

/** A job and its room. */
export interface FoundJob extends StoredJob {
  readonly room: OpenRoom;
}

/** Finds jobs by their ids alone. */
export async function findJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly (FoundJob | null)[]> {
  const found = new Map<JobId, FoundJob>();
  const byRoom = new Map<OpenRoom, JobId[]>();
  for (const id of new Set(ids)) {
    for (const room of await context.rooms.ofId(id)) {
      const list = byRoom.get(room);
      if (list === undefined) byRoom.set(room, [id]);
      else list.push(id);
    }
  }
  await Promise.all(
    [...byRoom].map(async ([room, own]) => {
      for (const job of await readJobs(context, room, own)) {
        if (job !== null) found.set(job.record.id, { ...job, room });
      }
    }),
  );
  return ids.map((id) => found.get(id) ?? null);
}

/** Sources of a page by state: where jobs of that state are. */
const SOURCES: Readonly<Record<JobState, readonly string[]>> = {
  scheduled: ["t"],
  ready: ["L", "t"],
  running: ["R"],
  waiting: [],
  succeeded: ["S"],
  failed: ["F"],
  cancelled: ["C"],
};
/** Jobs read for one page at most: a filter that next to nothing matches is continued by the cursor. */
const MAX_READ = 20_000;
/** Ids asked of each source at a time: at least so many, for filters drop some. */
const LEAST_IDS = 50;

/** One page of jobs, newest first. */
export async function listJobs(context: Context, request: ListRequest): Promise<JobPage> {
  refuseNewParts("Redis", request.filter);
  const rooms =
    request.filter.queue === undefined
      ? await context.rooms.all()
      : await context.rooms.ofQueue(request.filter.queue);
  const sources = new Set((request.filter.states ?? JOB_STATES).flatMap((state) => SOURCES[state]));
  const jobs: JobRecord[] = [];
  let before = request.cursor === undefined ? "" : readCursor(request.cursor);
  let read = 0;
  while (sources.size > 0) {
    const want = Math.max(LEAST_IDS, request.limit + 1);
    const page = await nextIds(context, rooms, { before, want, sources, tag: request.filter.tag });
    read += page.length;
    for (const found of await readOfRooms(context, page)) {
      if (found === null || !fits(found.record, request.filter)) continue;
      if (jobs.length === request.limit) return pageOf(jobs);
      jobs.push(found.record);
    }
    const last = page[page.length - 1];
    if (last === undefined || page.length < want) return { jobs };
    before = last.id;
    if (read >= MAX_READ) return { jobs, cursor: cursorAt(before) };
  }
  return { jobs };
}

function pageOf(jobs: readonly JobRecord[]): JobPage {
  const last = jobs[jobs.length - 1];
  return last === undefined ? { jobs } : { jobs, cursor: cursorAt(last.id) };
}

/** A cursor is the id where a page ended, as 32 hex digits. */
function cursorAt(id: JobId): string {
  return id.replaceAll("-", "");
}

function readCursor(cursor: string): JobId {
  return readId(Buffer.from(cursor, "hex"));
}

function fits(job: JobRecord, filter: JobFilter): boolean {
  return (
    (filter.states === undefined || filter.states.includes(job.state)) &&
    (filter.type === undefined || filter.type === job.type) &&
    (filter.queue === undefined || filter.queue === job.queue) &&
    (filter.tag === undefined || job.tags.includes(filter.tag))
  );
}

interface Place {
  readonly id: JobId;
  readonly room: OpenRoom;
}

/** The next ids of all rooms, newest first, at most as many as wanted. */
async function nextIds(
  context: Context,
  rooms: readonly OpenRoom[],
  asked: {
    readonly before: string;
    readonly want: number;
    readonly sources: ReadonlySet<string>;
    readonly tag: string | undefined;
  },
): Promise<readonly Place[]> {
  const places = new Map<JobId, Place>();
  await Promise.all(
    rooms.map(async (room) => {
      const args = new Arguments();
      if (asked.before === "") args.text("");
      else args.id(asked.before);
      args
        .number(asked.want)
        .text([...asked.sources].join(""))
        .text(asked.tag ?? "");
      for (const id of await context.link.call(READ_PAGE, room.keys, args)) {
        const text = readId(id as Buffer);
        places.set(text, { id: text, room });
      }
    }),
  );
  return [...places.values()]
    .sort((left, right) => (left.id < right.id ? 1 : -1))
    .slice(0, asked.want);
}

async function readOfRooms(
  context: Context,
  places: readonly Place[],
): Promise<readonly (StoredJob | null)[]> {
  const byRoom = new Map<OpenRoom, JobId[]>();
  for (const { id, room } of places) {
    const ids = byRoom.get(room);
    if (ids === undefined) byRoom.set(room, [id]);
    else ids.push(id);
  }
  const found = new Map<JobId, StoredJob>();
  await Promise.all(
    [...byRoom].map(async ([room, ids]) => {
      for (const job of await readJobs(context, room, ids)) {
        if (job !== null) found.set(job.record.id, job);
      }
    }),
  );
  return places.map(({ id }) => found.get(id) ?? null);
}
