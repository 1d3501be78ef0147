// Reading jobs: by id, and in pages, newest first.
import { JOB_STATES, type JobRecord, type JobState, isTerminal } from "../../core/job.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobFilter, JobPage, ListRequest } from "../../core/store.ts";
import type { Row, Values } from "./connection.ts";
import type { Context } from "./context.ts";
import { STATE } from "./counts.ts";
import type { Lane } from "./lanes.ts";
import { COLUMNS, decodeRow, readJob } from "./rows.ts";

/** Rows looked at for one page where no index fits the filter: about 20 ms. The cursor goes on from there. */
const MAX_SCANNED = 20_000;
/** Jobs of the states asked for up to which they are gathered from their small index and sorted. */
const MAX_GATHERED = 20_000;

/** The records of jobs, in the order of the ids. */
export function get(context: Context, ids: readonly JobId[]): (JobRecord | null)[] {
  return ids.map((id) => readJob(context, id)?.record ?? null);
}

/** One page. It may be short, or empty, and have a cursor nevertheless. */
export function list(context: Context, request: ListRequest): JobPage {
  const { filter, limit } = request;
  const page = findIds(context, filter, limit, request.cursor ?? null);
  const jobs: JobRecord[] = [];
  for (const id of page.ids) {
    const row = context.connection.first(
      `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND id = ?`,
      context.namespace,
      id,
    );
    if (row !== undefined) jobs.push(decodeRow(context, row).record);
  }
  return page.cursor === null ? { jobs } : { jobs, cursor: page.cursor };
}

interface IdPage {
  readonly ids: readonly Uint8Array[];
  /** Where the next page begins, exclusively; `null` on the last one. */
  readonly cursor: string | null;
}

function findIds(
  context: Context,
  filter: JobFilter,
  limit: number,
  cursor: string | null,
): IdPage {
  const lanes = context.lanes
    .all()
    .filter(
      (lane) =>
        (filter.type === undefined || lane.type === filter.type) &&
        (filter.queue === undefined || lane.queue === filter.queue),
    );
  const states = filter.states ?? JOB_STATES;
  if (lanes.length === 0 || states.length === 0) return { ids: [], cursor: null };
  const wanted: Scan = { lanes, states, filter, limit, cursor };
  if (filter.tag !== undefined) return scan(context, wanted);
  if (states.every((state) => isTerminal(state))) {
    return fromEnded(context, wanted);
  }
  if (countOf(context, lanes, states) <= MAX_GATHERED && states.length < JOB_STATES.length) {
    return gather(context, wanted);
  }
  return scan(context, wanted);
}

/** Below every id, above every id: ids are 16 bytes. */
const LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const ENDED = `SELECT id FROM jobs WHERE lane = ? AND state = ? AND state >= 4 AND id < unhex(?, '-')
  ORDER BY id DESC LIMIT ?`;

function fromEnded(
  context: Context,
  { lanes, states, limit, cursor }: Omit<Scan, "filter">,
): IdPage {
  const ids: Uint8Array[] = [];
  for (const lane of lanes) {
    for (const state of states) {
      const rows = context.connection.all(ENDED, lane.no, STATE[state], cursor ?? LAST, limit + 1);
      for (const [id] of rows) ids.push(id as Uint8Array);
    }
  }
  return cut(ids, limit);
}

const GATHERED: Readonly<Record<"scheduled" | "ready" | "suspect" | "waiting", string>> = {
  scheduled:
    "SELECT id FROM jobs INDEXED BY jobs_scheduled WHERE lane = ? AND state = 0 AND id < unhex(?, '-')",
  ready:
    "SELECT id FROM jobs INDEXED BY jobs_ready WHERE lane = ? AND state = 1 AND company IS NULL AND id < unhex(?, '-')",
  waiting:
    "SELECT id FROM jobs INDEXED BY jobs_waiting WHERE lane = ? AND state = 3 AND id < unhex(?, '-')",
  suspect:
    "SELECT id FROM jobs INDEXED BY jobs_suspect WHERE lane = ? AND state = 1 AND company IS NOT NULL AND id < unhex(?, '-')",
};
const GATHER_RUNNING =
  "SELECT id, lane FROM jobs INDEXED BY jobs_running WHERE state = 2 AND namespace = ? AND id < unhex(?, '-')";

function gather(context: Context, { lanes, states, limit, cursor }: Omit<Scan, "filter">): IdPage {
  const before = cursor ?? LAST;
  const ids: Uint8Array[] = [];
  const add = (rows: readonly Row[]): void => {
    for (const [id] of rows) ids.push(id as Uint8Array);
  };
  for (const lane of lanes) {
    for (const state of states) {
      if (state === "scheduled") {
        add(context.connection.all(GATHERED.scheduled, lane.no, before));
      } else if (state === "waiting") {
        add(context.connection.all(GATHERED.waiting, lane.no, before));
      } else if (state === "ready") {
        add(context.connection.all(GATHERED.ready, lane.no, before));
        add(context.connection.all(GATHERED.suspect, lane.no, before));
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
  return { ids: page, cursor: ids.length > limit && last !== undefined ? cursorOf(last) : null };
}

interface Scan {
  readonly lanes: readonly Lane[];
  readonly states: readonly JobState[];
  readonly filter: JobFilter;
  readonly limit: number;
  readonly cursor: string | null;
}

/** Goes through the jobs (of a tag, or all) by id, a bounded number, and keeps those that fit. */
function scan(context: Context, { lanes, states, filter, limit, cursor }: Scan): IdPage {
  const { connection, namespace } = context;
  const wantedLanes = new Set(lanes.map(({ no }) => no));
  const wantedStates = new Set(states.map((state) => STATE[state]));
  const ids: Uint8Array[] = [];
  let from = cursor ?? LAST;
  let scanned = 0;
  while (scanned < MAX_SCANNED) {
    // The first rows usually are the page; only a rare filter goes on in larger steps.
    const step = scanned === 0 ? limit + 1 : MAX_SCANNED;
    const values: Values = [namespace, from, step];
    const rows =
      filter.tag === undefined
        ? connection.all(SCAN_ALL, ...values)
        : connection.all(SCAN_TAG, filter.tag, ...values);
    for (const [id, lane, state] of rows) {
      if (!wantedLanes.has(Number(lane)) || !wantedStates.has(Number(state))) continue;
      ids.push(id as Uint8Array);
      if (ids.length > limit) return cut(ids, limit);
    }
    const last = rows[rows.length - 1];
    if (rows.length < step || last === undefined) return { ids, cursor: null };
    from = cursorOf(last[0] as Uint8Array);
    scanned += rows.length;
  }
  return { ids, cursor: from };
}

const SCAN_ALL =
  "SELECT id, lane, state FROM jobs WHERE namespace = ? AND id < unhex(?, '-') ORDER BY id DESC LIMIT ?";
const SCAN_TAG = `SELECT tags.id, lane, state FROM tags CROSS JOIN jobs USING (namespace, id)
  WHERE tags.tag = ? AND tags.namespace = ? AND tags.id < unhex(?, '-') ORDER BY tags.id DESC LIMIT ?`;

function cursorOf(id: Uint8Array): string {
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
