// Reading jobs: by id, and the ids of pages, newest first.
import { JOB_STATES, type JobRecord, type JobState, isTerminal } from "../../core/job.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobFilter } from "../../core/store.ts";
import type { Row, Values } from "./thread/connection.ts";
import type { Context } from "./context.ts";
import { STATE } from "./counts.ts";
import type { Lane } from "./lanes.ts";
import { readJob } from "./rows.ts";

/** Rows looked at for one page where no index fits the filter: about 20 ms. The cursor goes on from there. */
const MAX_SCANNED = 20_000;
/** Jobs of the states asked for up to which they are gathered from their small index and sorted. */
const MAX_GATHERED = 20_000;

/** The records of jobs, in the order of the ids. */
export function get(context: Context, ids: readonly JobId[]): (JobRecord | null)[] {
  return ids.map((id) => readJob(context, id)?.record ?? null);
}

/** Ids of a page. */
export interface IdPage {
  readonly ids: readonly Uint8Array[];
  /** Rows looked at to find them. */
  readonly examined: number;
  /** Where the next page begins, exclusively; `null` on the last one. */
  readonly cursor: string | null;
}

/** The part of a filter whose own index is gone through where there is none for state and lane alone. */
export function indexedPart(filter: JobFilter): "tag" | "fingerprint" | "key" | null {
  for (const part of ["tag", "fingerprint", "key"] as const) {
    if (filter[part] !== undefined) return part;
  }
  return null;
}

/** Whether someone goes through one page after the other to the end, as an order does. */
export type Through = "a page" | "all pages";

/**
 * The next ids of jobs that a filter fits by state, type, queue, the time of their ids and its indexed part, newest
 * first. There may be few, or none, and a cursor nevertheless.
 */
export function findIds(
  context: Context,
  filter: JobFilter,
  limit: number,
  cursor: string | null,
  through: Through = "a page",
): IdPage {
  const below =
    filter.createdBeforeMs === undefined ? LAST : firstIdAt(Math.ceil(filter.createdBeforeMs));
  const page = findBelow(context, { filter, limit, cursor: cursor ?? below }, through);
  if (filter.createdFromMs === undefined) return page;
  const lowest = firstIdAt(Math.ceil(filter.createdFromMs));
  const ids = page.ids.filter((id) => cursorOf(id) >= lowest);
  const isOver = ids.length < page.ids.length || (page.cursor !== null && page.cursor < lowest);
  return { ids, examined: page.examined, cursor: isOver ? null : page.cursor };
}

/** The lowest id that can have been made at a time, as 32 hex digits. */
function firstIdAt(atMs: number): string {
  const time = Math.min(Math.max(atMs, 0), MAX_ID_TIME_MS);
  return time.toString(16).padStart(12, "0").padEnd(32, "0");
}

function findBelow(
  context: Context,
  { filter, limit, cursor }: Pick<Scan, "filter" | "limit" | "cursor">,
  through: Through,
): IdPage {
  const lanes = context.lanes
    .all()
    .filter(
      (lane) =>
        (filter.type === undefined || lane.type === filter.type) &&
        (filter.queue === undefined || lane.queue === filter.queue),
    );
  const states = filter.states ?? JOB_STATES;
  if (lanes.length === 0 || states.length === 0) return { ids: [], examined: 0, cursor: null };
  const wanted: Scan = { lanes, states, filter, limit, cursor };
  if (indexedPart(filter) !== null) return scan(context, wanted);
  if (states.every((state) => isTerminal(state))) {
    return fromEnded(context, wanted);
  }
  const count = countOf(context, lanes, states);
  const mayGather = count <= MAX_GATHERED && states.length < JOB_STATES.length;
  return mayGather && !(through === "all pages" && isLessToScan(context, count, limit))
    ? gather(context, wanted)
    : scan(context, wanted);
}

/**
 * Gathering reads all that is left for each page, half of them on average: 10,000 jobs that wait among 100,000 that
 * failed, fifty a page, are a million rows in place of all 110,000 once (24 s in place of 7 to 10).
 */
function isLessToScan(context: Context, count: number, pageLength: number): boolean {
  if (count <= pageLength) return false;
  return (count / pageLength) * (count / 2) > countOf(context, context.lanes.all(), JOB_STATES);
}

/** Above every id: ids are 16 bytes. */
const LAST = "ffffffffffffffffffffffffffffffff";
/** Ids have 48 bits of time. */
const MAX_ID_TIME_MS = 0xffff_ffff_ffff;

const ENDED = `SELECT id FROM jobs WHERE lane = ? AND state = ? AND state >= 4 AND id < unhex(?, '-')
  ORDER BY id DESC LIMIT ?`;

function fromEnded(
  context: Context,
  { lanes, states, limit, cursor }: Omit<Scan, "filter">,
): IdPage {
  const ids: Uint8Array[] = [];
  for (const lane of lanes) {
    for (const state of states) {
      const rows = context.connection.all(ENDED, lane.no, STATE[state], cursor, limit + 1);
      for (const [id] of rows) ids.push(id as Uint8Array);
    }
  }
  return cut(ids, limit);
}

/** Gone through whole for each page, and sorted by the database: fewer rows come out of it. */
const GATHERED: Readonly<Record<"scheduled" | "ready" | "suspect" | "keyed" | "waiting", string>> =
  {
    scheduled:
      "SELECT id FROM jobs INDEXED BY jobs_scheduled WHERE lane = ? AND state = 0 AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?",
    ready:
      "SELECT id FROM jobs INDEXED BY jobs_ready WHERE lane = ? AND state = 1 AND company IS NULL AND grp IS NULL AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?",
    keyed: `SELECT id FROM jobs INDEXED BY jobs_keyed WHERE grp IN (SELECT no FROM key_groups WHERE lane = ?)
    AND grp IS NOT NULL AND state = 1 AND company IS NULL AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?`,
    waiting:
      "SELECT id FROM jobs INDEXED BY jobs_waiting WHERE lane = ? AND state = 3 AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?",
    suspect:
      "SELECT id FROM jobs INDEXED BY jobs_suspect WHERE lane = ? AND state = 1 AND company IS NOT NULL AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?",
  };
const GATHER_RUNNING =
  "SELECT id, lane FROM jobs INDEXED BY jobs_running WHERE state = 2 AND namespace = ? AND id < unhex(?, '-')";

function gather(context: Context, { lanes, states, limit, cursor }: Omit<Scan, "filter">): IdPage {
  const before = cursor;
  const ids: Uint8Array[] = [];
  const add = (rows: readonly Row[]): void => {
    for (const [id] of rows) ids.push(id as Uint8Array);
  };
  for (const lane of lanes) {
    for (const state of states) {
      if (state === "scheduled" || state === "waiting") {
        add(context.connection.all(GATHERED[state], lane.no, before, limit + 1));
      } else if (state === "ready") {
        add(context.connection.all(GATHERED.ready, lane.no, before, limit + 1));
        add(context.connection.all(GATHERED.suspect, lane.no, before, limit + 1));
        if (lane.isKeyed) add(context.connection.all(GATHERED.keyed, lane.no, before, limit + 1));
      } else if (isTerminal(state)) {
        add(context.connection.all(ENDED, lane.no, STATE[state], before, limit + 1));
      }
    }
  }
  if (states.includes("running")) {
    const wanted = new Set(lanes.map(({ no }) => no));
    const rows = context.connection.all(GATHER_RUNNING, context.namespace, before);
    add(rows.filter((row) => wanted.has(Number(row[1]))));
  }
  return cut(ids, limit);
}

function cut(ids: Uint8Array[], limit: number): IdPage {
  ids.sort((left, right) => Buffer.compare(right, left));
  const page = ids.slice(0, limit);
  const last = page[page.length - 1];
  const isMore = ids.length > limit && last !== undefined;
  return { ids: page, examined: page.length, cursor: isMore ? cursorOf(last) : null };
}

interface Scan {
  readonly lanes: readonly Lane[];
  readonly states: readonly JobState[];
  readonly filter: JobFilter;
  readonly limit: number;
  readonly cursor: string;
}

/** Goes through the jobs (of a tag, an error, a key, or all) by id, a bounded number, and keeps those that fit. */
function scan(context: Context, { lanes, states, filter, limit, cursor }: Scan): IdPage {
  const { connection, namespace } = context;
  const wantedLanes = new Set(lanes.map(({ no }) => no));
  const wantedStates = new Set(states.map((state) => STATE[state]));
  const ids: Uint8Array[] = [];
  const part = indexedPart(filter);
  let from = cursor;
  let scanned = 0;
  while (scanned < MAX_SCANNED) {
    // The first rows usually are the page; only a rare filter goes on in larger steps.
    const step = scanned === 0 ? limit + 1 : MAX_SCANNED;
    const values: Values = [namespace, from, step];
    const rows =
      part === null
        ? connection.all(SCAN_ALL, ...values)
        : connection.all(SCANS[part], filter[part] ?? null, ...values);
    for (const [id, lane, state] of rows) {
      if (!wantedLanes.has(Number(lane)) || !wantedStates.has(Number(state))) continue;
      ids.push(id as Uint8Array);
      if (ids.length > limit) return { ...cut(ids, limit), examined: scanned + rows.length };
    }
    scanned += rows.length;
    const last = rows[rows.length - 1];
    if (rows.length < step || last === undefined) return { ids, examined: scanned, cursor: null };
    from = cursorOf(last[0] as Uint8Array);
  }
  return { ids, examined: scanned, cursor: from };
}

const SCAN_ALL =
  "SELECT id, lane, state FROM jobs WHERE namespace = ? AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?";
const SCANS: Readonly<Record<"tag" | "fingerprint" | "key", string>> = {
  tag: `SELECT tags.id, lane, state FROM tags CROSS JOIN jobs USING (namespace, id)
  WHERE tags.tag = ? AND tags.namespace = ? AND tags.id < unhex(?, '-') ORDER BY tags.id DESC LIMIT ?`,
  fingerprint: `SELECT id, lane, state FROM jobs INDEXED BY jobs_fingerprint WHERE json_extract(rest, '$.fp') = ?
  AND json_extract(rest, '$.fp') IS NOT NULL AND namespace = ? AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?`,
  key: `SELECT id, lane, state FROM jobs INDEXED BY jobs_key WHERE json_extract(rest, '$.key') = ?
  AND json_extract(rest, '$.key') IS NOT NULL AND namespace = ? AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?`,
};

/** An id as a cursor: 32 hex digits. */
export function cursorOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("hex");
}

function countOf(context: Context, lanes: readonly Lane[], states: readonly JobState[]): number {
  const wanted = new Set(states.map((state) => STATE[state]));
  let total = 0;
  for (const { no } of lanes) {
    for (const [state, n] of context.connection.all(
      "SELECT state, n FROM counts WHERE lane = ?",
      no,
    )) {
      if (wanted.has(Number(state))) total += Number(n);
    }
  }
  return total;
}
