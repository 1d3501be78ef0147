// Operators' orders: on jobs named by their ids, and in bounded steps on whatever a filter fits.
import { isTerminal } from "../../core/job.ts";
import { type JobId, idInQueue } from "../../core/ids.ts";
import { type JobOrder, type PlainOrder, mayMove, obey } from "../../core/orders.ts";
import type {
  ChangeJobs,
  ChangeMatching,
  ChangeReply,
  ChangeStep,
  JobFilter,
  JobPlace,
  PlacesRequest,
} from "../../core/store.ts";
import { isTaken } from "../../core/takers.ts";
import { rankOf } from "../../core/transitions.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { STATE } from "./counts.ts";
import { EXTRA } from "./extras.ts";
import { findIds } from "./list.ts";
import { revivePlain } from "./revive.ts";
import { moveRows, noteReady, noteScheduled, readJob, type StoredJob, writeInput } from "./rows.ts";
import {
  type Found,
  countMatching,
  hasExamined,
  readAll,
  searchJobs,
  unindexedParts,
} from "./search.ts";
import { applyTransition, emitCancelled } from "./settle.ts";

/** Carries out an order on jobs by their ids. */
export function changeJobs(context: Context, { ids, order }: ChangeJobs): ChangeReply[] {
  let place = 0;
  return ids.map((id) => {
    const job = readJob(context, id);
    if (job === null) return { changed: false, state: null };
    const reply = carryOut(context, job, order, place);
    if (reply.changed) place += 1;
    return reply;
  });
}

/** Jobs changed between two looks at the clock. */
const CHANGED_AT_A_TIME = 50;
/**
 * How long a step goes on before it is committed, which takes half as long again: for so long others wait for the
 * lock, and a job that is enqueued, claimed and settled meanwhile takes it three times. Such jobs took at most 13 to
 * 19 ms beside an order where they took 25 to 38 with steps of 15 ms (database in memory, a disk of 0.1 ms); the order
 * went at 18,800 jobs/s instead of 19,900.
 */
const STEP_MS = 5;

/** One step through what a filter fits. */
export function changeMatching(context: Context, request: ChangeMatching): ChangeStep {
  const { filter, order, limit, cursor = null, changedBefore = 0 } = request;
  if (order === null) return countMatching(context, filter, limit, cursor);
  const endsAtMs = performance.now() + STEP_MS;
  const isOver = (): boolean => performance.now() >= endsAtMs;
  const sum = { matched: 0, changed: 0, examined: 0 };
  let from = cursor;
  const isRevival = isPlainRetry(order) && !hasExamined(filter);
  do {
    const most = Math.min(CHANGED_AT_A_TIME, limit - sum.matched);
    const found: FoundOrChanged = isRevival
      ? reviveNext(context, filter, most, from)
      : searchJobs(context, filter, { limit: most, cursor: from, through: "all pages", isOver });
    sum.changed += found.changed ?? 0;
    for (const job of found.jobs) {
      if (carryOut(context, job, order, changedBefore + sum.changed).changed) sum.changed += 1;
    }
    sum.matched += found.jobs.length + (found.changed ?? 0);
    sum.examined += found.examined;
    from = found.cursor;
  } while (from !== null && sum.matched < limit && !isOver());
  return {
    ...sum,
    unindexed: unindexedParts(filter),
    ...(from === null ? {} : { cursor: from }),
  };
}

/** Whether jobs are to be ready at once, as they were. */
function isPlainRetry(order: JobOrder): boolean {
  if (order.kind !== "retry" || order.input !== undefined) return false;
  return (order.delayMs ?? 0) <= 0 && (order.everyMs ?? 0) <= 0;
}

interface FoundOrChanged extends Found {
  /** Jobs beside those that were found: they are changed already. */
  readonly changed?: number;
}

/** The next jobs of an order that makes them ready: what can be changed together is, the others are read. */
function reviveNext(
  context: Context,
  filter: JobFilter,
  most: number,
  from: string | null,
): FoundOrChanged {
  const { ids, examined, cursor } = findIds(context, filter, most, from);
  const { changed, left } = revivePlain(context, ids);
  return { jobs: readAll(context, { ids: left }), changed, examined, cursor };
}

/** Carries out an order on a job that was just read. */
function carryOut(context: Context, job: StoredJob, order: JobOrder, place = 0): ChangeReply {
  if (order.kind === "move") return move(context, job, order.queue);
  const { record } = job;
  const policy = policyOf(context, record.type, job.retention);
  const transition = obey(record, order, policy, { place, nowMs: context.nowMs });
  if (transition.kind === "rejected") return { changed: false, state: record.state };
  applyTransition(context, job, job, transition);
  const after = transition.job;
  if (after.input !== record.input) writeInput(context, job, after.input);
  // A cancellation that is only asked for is told when it has come about.
  if (order.kind === "cancel" && !isTerminal(after.state)) {
    if (after.token !== null) context.effects.hasCancels = true;
  } else tell(context, job, order);
  if (transition.kind === "removed") emit(context, job.lane, record.id, { kind: "removed" });
  return { changed: true, state: after.state };
}

function tell(context: Context, job: StoredJob, order: PlainOrder): void {
  const { lane, record } = job;
  switch (order.kind) {
    case "cancel":
      emitCancelled(context, job, order.reason);
      return;
    case "retry":
      emit(context, lane, record.id, { kind: "readied", why: "asked" });
      return;
    case "reschedule":
    case "prioritize":
      emit(context, lane, record.id, { kind: "rearranged" });
      return;
    case "remove":
  }
}

/** Takes a job that waits to another queue, under the id that belongs there. */
function move(context: Context, job: StoredJob, queue: string): ChangeReply {
  const { record } = job;
  const refused: ChangeReply = { changed: false, state: record.state };
  // Signals may wait for a run that has not begun, and a unique job stands for others of its queue.
  if ((job.extras & (EXTRA.run | EXTRA.unique)) !== 0) return refused;
  if (!mayMove(record) || queue === record.queue || context.draining.has(queue)) return refused;
  const id: JobId = idInQueue(record.id, queue);
  if (readJob(context, id) !== null) return refused;
  const lane = context.lanes.of(queue, record.type, record.labels);
  moveRows(context, job, { id, lane });
  context.counts.add(job.lane.no, STATE[record.state], -1);
  context.counts.add(lane.no, STATE[record.state], 1);
  if (record.state === "ready") noteReady(context, lane);
  else noteScheduled(context, lane, record.dueAtMs);
  emit(context, job.lane, record.id, { kind: "removed" });
  emit(context, lane, id, { kind: "enqueued", state: record.state });
  return { changed: true, state: record.state, id };
}

/** Most jobs counted before one: a claim away from it is not told from a day. Counting so many takes about 5 ms. */
const MAX_COUNTED = 100_000;
const AHEAD = `SELECT count(*) FROM (SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL
  AND grp IS NULL AND (rank, id) < (?, unhex(?, '-')) LIMIT ${MAX_COUNTED})`;
const AHEAD_IN_GROUP = `SELECT count(*) FROM (SELECT 1 FROM jobs WHERE grp = ? AND state = 1 AND company IS NULL
  AND (rank, id) < (?, unhex(?, '-')) LIMIT ${MAX_COUNTED})`;

/** Groups of keys whose jobs are counted before a job without keys: those beyond are not. */
const MAX_GROUPS = 2_000;
/** Of a lane's jobs with keys: those that a limit holds are before nobody. */
const AHEAD_IN_RING = `SELECT count(*) FROM (SELECT 1
  FROM (SELECT no FROM key_groups WHERE lane = ? AND turn IS NOT NULL AND parked_at IS NULL LIMIT ${MAX_GROUPS}) g
  CROSS JOIN jobs j ON j.grp = g.no AND j.state = 1 AND j.company IS NULL AND (j.rank, j.id) < (?, unhex(?, '-'))
  LIMIT ${MAX_COUNTED})`;

/** Keys take turns: only those of the same keys are before it for sure. */
function aheadInGroup({ connection }: Context, { group, record }: StoredJob): number {
  return Number(connection.first(AHEAD_IN_GROUP, group, rankOf(record), record.id)?.[0] ?? 0);
}

/** Where jobs stand that are ready. */
export function places(context: Context, { ids, takers }: PlacesRequest): (JobPlace | null)[] {
  const lanes = context.lanes.all().filter((lane) => takers === undefined || isTaken(lane, takers));
  return ids.map((id) => {
    const job = readJob(context, id);
    if (job === null || job.record.state !== "ready") return null;
    if (job.group !== null) return { ahead: aheadInGroup(context, job), company: job.company };
    let ahead = 0;
    const rank = rankOf(job.record);
    for (const { no, queue, isKeyed } of lanes) {
      if (queue !== job.record.queue || ahead >= MAX_COUNTED) continue;
      for (const counting of isKeyed ? [AHEAD, AHEAD_IN_RING] : [AHEAD]) {
        ahead += Number(context.connection.first(counting, no, rank, id)?.[0] ?? 0);
      }
    }
    return { ahead: Math.min(ahead, MAX_COUNTED), company: job.company };
  });
}
