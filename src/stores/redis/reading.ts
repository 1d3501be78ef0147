// Reads jobs, pages and counts.
import type { JobId } from "../../core/ids.ts";
import { JOB_STATES, type JobState } from "../../core/job.ts";
import { matches } from "../../core/matching.ts";
import type { JobFilter, JobPage, ListRequest } from "../../core/store.ts";
import type { Context } from "./context.ts";
import { type LaneDefinition, type StoredJob, readJob, readLaneField } from "./records.ts";
import type { OpenRoom } from "./rooms.ts";
import { READ_JOBS, READ_PAGE } from "./scripts/read.ts";
import { Arguments, idBytes, readId } from "./link/wire.ts";

/** Ids read in one call: it holds the server for less than 2 ms. */
const READ_BATCH = 500;
/** Parts of a job in the reply. */
const PARTS = 6;

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
        kin: reply[from + 5] as Buffer,
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
  ready: ["L", "t", "b"],
  running: ["R"],
  waiting: ["w", "p"],
  succeeded: ["S"],
  failed: ["F"],
  cancelled: ["C"],
};
/** Jobs read for one page at most: a filter that next to nothing matches is continued by the cursor. */
const MAX_READ = 20_000;
/** Ids asked of each source at a time at most: reading so many jobs holds the server for 2 ms. */
const MOST_IDS = 1_001;
/** Ids have 48 bits of time. */
const MAX_ID_TIME_MS = 0xffff_ffff_ffff;
/** Ids asked of each source at a time: at least so many, for filters drop some. */
const LEAST_IDS = 50;

/** One page of jobs, newest first. */
export async function listJobs(context: Context, request: ListRequest): Promise<JobPage> {
  const { filter, limit, cursor = null } = request;
  const found = await searchJobs(context, filter, limit, cursor);
  const jobs = found.jobs.map(({ record }) => record);
  return found.cursor === null ? { jobs } : { jobs, cursor: found.cursor };
}

/** Jobs of one step of a search. */
export interface Found {
  readonly jobs: readonly FoundJob[];
  readonly examined: number;
  /** Where the next step begins, exclusively; `null` on the last one. */
  readonly cursor: string | null;
}

/** The next jobs that a filter fits, newest first. It may find few, or none, and have a cursor nevertheless. */
export async function searchJobs(
  context: Context,
  filter: JobFilter,
  limit: number,
  cursor: string | null,
): Promise<Found> {
  const rooms =
    filter.queue === undefined
      ? await context.rooms.all()
      : await context.rooms.ofQueue(filter.queue);
  const sources = new Set((filter.states ?? JOB_STATES).flatMap((state) => SOURCES[state]));
  const lowest = filter.createdFromMs === undefined ? "" : firstIdAt(filter.createdFromMs);
  const jobs: FoundJob[] = [];
  let before = cursor === null ? startOf(filter) : readCursor(cursor);
  let examined = 0;
  while (sources.size > 0) {
    const want = Math.max(LEAST_IDS, Math.min(limit + 1, MOST_IDS));
    const page = await nextIds(context, rooms, { before, want, sources, tag: filter.tag });
    examined += page.length;
    for (const found of await readOfRooms(context, page)) {
      if (found === null || !matches(found.record, filter)) continue;
      if (jobs.length === limit) return { jobs, examined, cursor: cursorAfter(jobs) };
      jobs.push(found);
    }
    const last = page[page.length - 1];
    if (last === undefined || page.length < want || last.id < lowest) {
      return { jobs, examined, cursor: null };
    }
    before = last.id;
    if (examined >= MAX_READ) return { jobs, examined, cursor: cursorAt(before) };
  }
  return { jobs, examined, cursor: null };
}

/** The lowest id that can have been made at a time. */
function firstIdAt(atMs: number): JobId {
  const time = Math.min(Math.max(Math.ceil(atMs), 0), MAX_ID_TIME_MS).toString(16);
  return readCursor(time.padStart(12, "0").padEnd(32, "0"));
}

/** Where a search begins: below the ids that are too young; "": at the youngest. */
function startOf({ createdBeforeMs }: JobFilter): string {
  return createdBeforeMs === undefined ? "" : firstIdAt(createdBeforeMs);
}

function cursorAfter(jobs: readonly FoundJob[]): string | null {
  const last = jobs[jobs.length - 1];
  return last === undefined ? null : cursorAt(last.record.id);
}

/** A cursor is the id where a page ended, as 32 hex digits. */
function cursorAt(id: JobId): string {
  return id.replaceAll("-", "");
}

function readCursor(cursor: string): JobId {
  return readId(Buffer.from(cursor, "hex"));
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
): Promise<readonly (FoundJob | null)[]> {
  const byRoom = new Map<OpenRoom, JobId[]>();
  for (const { id, room } of places) {
    const ids = byRoom.get(room);
    if (ids === undefined) byRoom.set(room, [id]);
    else ids.push(id);
  }
  const found = new Map<JobId, FoundJob>();
  await Promise.all(
    [...byRoom].map(async ([room, ids]) => {
      for (const job of await readJobs(context, room, ids)) {
        if (job !== null) found.set(job.record.id, { ...job, room });
      }
    }),
  );
  return places.map(({ id }) => found.get(id) ?? null);
}
