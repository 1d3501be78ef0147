// Changes of jobs by hand: cancel, retry, remove. Each reads, decides by core's transitions, and writes if nothing changed.
import type { JobChange } from "../../core/events.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobState } from "../../core/job.ts";
import type { CancelJobs, ChangeReply } from "../../core/store.ts";
import {
  type Transition,
  cancel,
  cancelError,
  remove,
  retryByHand,
} from "../../core/transitions.ts";
import { type Context, policyOf } from "./context.ts";
import { type Move, applyMoves } from "./moves.ts";
import { type FoundJob, findJobs } from "./reading.ts";
import { SYMBOLIC_NOW_MS } from "./records.ts";
import type { OpenRoom } from "./rooms.ts";

/** How often a job that changed between reading and writing is read again. */
const MAX_TRIES = 10;
/** Most jobs moved in one call. */
const MAX_MOVES = 200;

/** A decision about one job: a move, or `null` where its state does not allow one. */
type Decide = (job: FoundJob) => Decided | null;
interface Decided {
  /** The state after it; of a job that is removed, the one that it had or ended in. */
  readonly state: JobState;
  readonly transition: Exclude<Transition, { kind: "rejected" }>;
  readonly changes: readonly JobChange[];
  readonly extra?: Pick<Move, "cancel" | "suspicion">;
}

/** Changes jobs, each as one act, as if one after the other: an id that comes twice is decided twice. */
async function changeJobs(
  context: Context,
  ids: readonly JobId[],
  decide: Decide,
): Promise<readonly ChangeReply[]> {
  const replies: ChangeReply[] = [];
  let left = ids.map((id, place) => ({ id, place }));
  while (left.length > 0) {
    const seen = new Set<JobId>();
    const now = left.filter(({ id }) => !seen.has(id) && seen.add(id));
    left = left.filter((entry) => !now.includes(entry));
    const changed = await changeEach(context, [...seen], decide);
    for (const { id, place } of now) {
      replies[place] = changed.get(id) ?? { changed: false, state: null };
    }
  }
  return replies;
}

async function changeEach(
  context: Context,
  ids: readonly JobId[],
  decide: Decide,
): Promise<ReadonlyMap<JobId, ChangeReply>> {
  const replies = new Map<JobId, ChangeReply>();
  let left = ids;
  for (let tries = 0; left.length > 0 && tries < MAX_TRIES; tries += 1) {
    const byRoom = new Map<OpenRoom, DecidedMove[]>();
    const jobs = await findJobs(context, left);
    for (const [index, id] of left.entries()) {
      const job = jobs[index] ?? null;
      const decided = job === null ? null : decide(job);
      if (job === null || decided === null) {
        replies.set(id, { changed: false, state: job?.record.state ?? null });
        continue;
      }
      const { state, transition, changes, extra } = decided;
      const moves = byRoom.get(job.room) ?? [];
      moves.push({ move: { job, claim: null, transition, changes, ...extra }, state });
      byRoom.set(job.room, moves);
    }
    const again: JobId[] = [];
    await Promise.all(
      [...byRoom].map(async ([room, moves]) => {
        for (let from = 0; from < moves.length; from += MAX_MOVES) {
          const part = moves.slice(from, from + MAX_MOVES);
          const results = await applyMoves(
            context,
            room,
            part.map(({ move }) => move),
          );
          for (const [index, { move, state }] of part.entries()) {
            const { id } = move.job.record;
            if (results[index] === "moved") replies.set(id, { changed: true, state });
            else again.push(id);
          }
        }
      }),
    );
    left = again;
  }
  return replies;
}

interface DecidedMove {
  readonly move: Move;
  readonly state: JobState;
}

/** Cancels: what waits at once, what runs by a request to its worker. */
export async function cancelJobs(
  context: Context,
  request: CancelJobs,
): Promise<readonly ChangeReply[]> {
  const types = await context.types.read();
  return changeJobs(context, request.ids, (job) => {
    const policy = policyOf(types, job.record.type, job.retention);
    const transition = cancel(job.record, request.reason, policy, SYMBOLIC_NOW_MS);
    if (transition.kind === "rejected") return null;
    const { worker } = job.record;
    if (transition.kind === "changed" && transition.job.state === "running" && worker !== null) {
      const reason = transition.job.cancelRequest?.reason ?? request.reason;
      const extra = { cancel: { graceMs: policy.cancelGraceMs, worker, reason } };
      return { state: "running", transition, changes: [], extra };
    }
    const changes: JobChange[] = [{ kind: "cancelled", error: cancelError(request.reason) }];
    if (transition.kind === "removed") changes.push({ kind: "removed" });
    return { state: "cancelled", transition, changes };
  });
}

/** Makes failed and cancelled jobs ready again. */
export function retryJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, (job) => {
    const transition = retryByHand(job.record, SYMBOLIC_NOW_MS);
    if (transition.kind === "rejected") return null;
    return {
      state: "ready",
      transition,
      changes: [{ kind: "readied", why: "asked" }],
      extra: { suspicion: { strikes: 0, company: 0 } },
    };
  });
}

/** Removes jobs that do not run. */
export function removeJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, (job) => {
    const transition = remove(job.record);
    if (transition.kind === "rejected") return null;
    return { state: job.record.state, transition, changes: [{ kind: "removed" }] };
  });
}
