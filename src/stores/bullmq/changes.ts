// Changes that someone asks for: cancelling, retrying, removing; and what running jobs report.
import type { JobId } from "../../core/ids.ts";
import type { JobChange } from "../../core/events.ts";
import { MAX_LOG_LINES } from "../../core/limits.ts";
import type { CancelJobs, ChangeReply, JobReport } from "../../core/store.ts";
import {
  type StorePolicy,
  type Transition,
  cancel,
  cancelError,
  remove,
  report,
  retryByHand,
} from "../../core/transitions.ts";
import {
  type Context,
  placesOf,
  policyOf,
  typesNamed,
  watchClaimed,
  watchJobs,
} from "./context.ts";
import { writeLogLine } from "./log-lines.ts";
import { type Move, writeMoves } from "./moves.ts";
import { tell } from "./notices.ts";
import type { Found } from "./records.ts";
import { removalOf } from "./settling.ts";
import type { Writes } from "./link.ts";

type Decide = (
  found: Found,
  policy: StorePolicy,
  nowMs: number,
) => { readonly transition: Transition; readonly changes: readonly JobChange[] };

/** Changes jobs one by one, each in an act of its own: a job that BullMQ refuses to change holds up no other. */
async function changeJobs(
  context: Context,
  what: string,
  ids: readonly JobId[],
  decide: Decide,
): Promise<readonly ChangeReply[]> {
  const { link } = context;
  const places = await placesOf(context, ids);
  const watched = [...places.values()].flat();
  return link.guard(what, async (turn) => {
    const jobs = new Map<JobId, Found>();
    for (const [index, found] of (await watchJobs(context, turn, watched)).entries()) {
      const place = watched[index];
      if (found !== null && place !== undefined) jobs.set(place.id, found);
    }
    const types = await typesNamed(
      turn.read.bind(turn),
      link.keys.types,
      [...jobs.values()].map(({ record }) => record.type),
    );
    const nowMs = Date.now();
    const moves: Move[] = [];
    const replies = ids.map((id): ChangeReply => {
      const found = jobs.get(id);
      if (found === undefined) return { changed: false, state: null };
      const policy = policyOf(types, found.record.type, found.retention);
      const { transition, changes } = decide(found, policy, nowMs);
      if (transition.kind === "rejected") return { changed: false, state: found.record.state };
      const after = transition.kind === "removed" ? null : transition.job;
      const isUnchanged = after === found.record;
      if (!isUnchanged) moves.push({ found, after, changes, isSuspect: false });
      if (after === null) jobs.delete(id);
      else jobs.set(id, { ...found, record: after });
      const wasRemoved = changes.at(-1)?.kind === "removed" && changes.length === 1;
      return {
        changed: true,
        state: after?.state ?? (wasRemoved ? found.record.state : "cancelled"),
      };
    });
    if (moves.length === 0) return replies;
    return turn.commit((writes) => {
      writeMoves(link, turn, writes, moves, nowMs);
      for (const { found, after } of moves) askWorker(context, writes, found, after, nowMs);
    }, replies);
  });
}

/** Asks the worker of a running job to end it. */
function askWorker(
  { link }: Context,
  writes: Writes,
  { id, queue, bullId, record }: Found,
  after: Move["after"],
  nowMs: number,
): void {
  if (after?.state !== "running" || after.cancelRequest === null) return;
  tell(link.keys, writes, {
    id,
    queue,
    bullId,
    type: record.type,
    atMs: nowMs,
    changes: [],
    covers: null,
    cancel: after.cancelRequest.reason,
  });
}

/** Cancels jobs: those that wait at once, those that run by asking their workers. */
export function cancelJobs(
  context: Context,
  { ids, reason }: CancelJobs,
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, "cancel", ids, (found, policy, nowMs) => {
    const transition = cancel(found.record, reason, policy, nowMs);
    const isAsked = found.record.state === "running";
    const changes: readonly JobChange[] = isAsked
      ? []
      : [{ kind: "cancelled", error: cancelError(reason) }, ...removalOf(transition)];
    return { transition, changes };
  });
}

/** Makes failed and cancelled jobs ready again. */
export function retryJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, "retry", ids, ({ record }, _policy, nowMs) => ({
    transition: retryByHand(record, nowMs),
    changes: [{ kind: "readied", why: "asked" }],
  }));
}

/** Removes jobs that do not run. */
export function removeJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, "remove", ids, ({ record, list }) => ({
    transition: list === "active" ? { kind: "rejected", why: "wrong-state" } : remove(record),
    changes: [{ kind: "removed" }],
  }));
}

/** Keeps what running jobs report, from the claim that stands. */
export async function keepReports(
  context: Context,
  reports: readonly JobReport[],
): Promise<readonly boolean[]> {
  if (reports.length === 0) return [];
  const { link } = context;
  const places = await placesOf(
    context,
    reports.map(({ id }) => id),
  );
  const watched = [...places.values()].flat();
  return link.guard("report", async (turn) => {
    const found = await watchClaimed(context, turn, watched);
    const jobs = new Map<JobId, Found>();
    for (const [index, job] of found.entries()) {
      const place = watched[index];
      if (job !== null && place !== undefined) jobs.set(place.id, job);
    }
    const counts = await turn.read(
      [...jobs.values()].map(({ queue, bullId }) => [
        "LLEN",
        `${link.keys.bull(queue, bullId)}:logs`,
      ]),
    );
    const logged = new Map([...jobs.keys()].map((id, index) => [id, Number(counts[index])]));
    const nowMs = Date.now();
    const kept = reports.map(({ id, token }) => {
      const job = jobs.get(id);
      return job !== undefined && report(job.record, token, "null").kind === "changed";
    });
    const standing = reports.filter((_, index) => kept[index]);
    if (standing.length === 0) return kept;
    return turn.commit((writes) => {
      for (const each of standing) {
        const job = jobs.get(each.id) as Found;
        writeReport(context, writes, job, each, logged, nowMs);
      }
    }, kept);
  });
}

function writeReport(
  { link }: Context,
  writes: Writes,
  { id, queue, bullId, record }: Found,
  { progress, logs = [] }: JobReport,
  logged: Map<JobId, number>,
  nowMs: number,
): void {
  const { keys } = link;
  const key = keys.bull(queue, bullId);
  const known = logged.get(id) ?? 0;
  const lines = logs.slice(0, Math.max(0, MAX_LOG_LINES - known)).map(writeLogLine);
  if (lines.length > 0) writes.add("RPUSH", `${key}:logs`, ...lines);
  logged.set(id, known + lines.length);
  const base = { id, queue, bullId, type: record.type, atMs: nowMs };
  if (logs.length > 0) {
    const changes = logs.map(({ level, message }) => ({ kind: "log" as const, level, message }));
    tell(keys, writes, { ...base, changes, covers: null });
  }
  if (progress === undefined) return;
  writes.add("HSET", key, "progress", progress);
  tell(keys, writes, { ...base, changes: [{ kind: "progress", progress }], covers: "progress" });
  // Those who listen through BullMQ hear of it too.
  const events = keys.bull(queue, "events");
  writes.add("XADD", events, "*", "event", "progress", "jobId", bullId, "data", progress);
}
