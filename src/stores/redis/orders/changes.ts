// Changes of jobs by hand: each job is read, a decision made, and written if nothing changed meanwhile.
import type { JobChange } from "../../../core/events.ts";
import type { JobId } from "../../../core/ids.ts";
import type { JobState } from "../../../core/job.ts";
import type { ChangeReply } from "../../../core/store.ts";
import type { Transition } from "../../../core/transitions.ts";
import type { Context } from "../context.ts";
import { type Move, type MoveResult, applyMoves } from "../moves.ts";
import { type FoundJob, findJobs } from "../reading.ts";
import { applyRevivals, isRevival } from "./revivals.ts";
import type { OpenRoom } from "../rooms.ts";

/** How often a job that changed between reading and writing is read again. */
const MAX_TRIES = 10;
/** Most jobs moved in one call. */
const MAX_MOVES = 200;

/** A decision about one job: a move, or `null` where its state does not allow one. */
export type Decide = (job: FoundJob) => Decided | null;
interface Decided {
  /** The state after it; of a job that is removed, the one that it had or ended in. */
  readonly state: JobState;
  readonly transition: Exclude<Transition, { kind: "rejected" }>;
  readonly changes: readonly JobChange[];
  readonly extra?: Pick<Move, "cancel" | "suspicion">;
}

/**
 * Carries out a change of jobs that were just read, and keeps the replies. Gives back the ids of those that changed
 * meanwhile.
 */
export type Carry = (
  jobs: readonly FoundJob[],
  replies: Map<JobId, ChangeReply>,
) => Promise<readonly JobId[]>;

/** Changes jobs, each as one act, as if one after the other: an id that comes twice is changed twice. */
export async function changeJobs(
  context: Context,
  ids: readonly JobId[],
  carry: Carry,
): Promise<readonly ChangeReply[]> {
  const replies: ChangeReply[] = [];
  let left = ids.map((id, place) => ({ id, place }));
  while (left.length > 0) {
    const seen = new Set<JobId>();
    const now = left.filter(({ id }) => !seen.has(id) && seen.add(id));
    left = left.filter((entry) => !now.includes(entry));
    const changed = await changeEach(context, [...seen], carry);
    for (const { id, place } of now) {
      replies[place] = changed.get(id) ?? { changed: false, state: null };
    }
  }
  return replies;
}

async function changeEach(
  context: Context,
  ids: readonly JobId[],
  carry: Carry,
): Promise<ReadonlyMap<JobId, ChangeReply>> {
  const replies = new Map<JobId, ChangeReply>();
  let left = ids;
  for (let tries = 0; left.length > 0 && tries < MAX_TRIES; tries += 1) {
    const jobs = await findJobs(context, left);
    for (const [index, id] of left.entries()) {
      if (jobs[index] == null) replies.set(id, { changed: false, state: null });
    }
    const found = jobs.filter((job) => job !== null);
    left = await carry(found, replies);
  }
  return replies;
}

/** Changes jobs in their places, as is decided of each. */
export function carryDecided(context: Context, decide: Decide): Carry {
  return (jobs, replies) => changeFound(context, jobs, decide, replies);
}

async function changeFound(
  context: Context,
  jobs: readonly FoundJob[],
  decide: Decide,
  replies: Map<JobId, ChangeReply>,
): Promise<readonly JobId[]> {
  const byRoom = new Map<OpenRoom, DecidedMove[]>();
  const again: JobId[] = [];
  const runs = new Set<JobId>();
  for (const job of jobs) {
    const { id, parent } = job.record;
    if (runs.has(id)) {
      // A run whose step comes before it hears of that one's end first, as if one came after the other.
      again.push(id);
      continue;
    }
    if (parent !== undefined) runs.add(parent);
    const decided = decide(job);
    if (decided === null) {
      replies.set(id, { changed: false, state: job.record.state });
      continue;
    }
    const { state, transition, changes, extra } = decided;
    const moves = byRoom.get(job.room) ?? [];
    moves.push({ move: { job, claim: null, transition, changes, ...extra }, state });
    byRoom.set(job.room, moves);
  }
  await Promise.all(
    [...byRoom].map(async ([room, moves]) => {
      for (let from = 0; from < moves.length; from += MAX_MOVES) {
        const part = moves.slice(from, from + MAX_MOVES);
        const results = await carryOut(
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
  return again;
}

/** A bulk of failed jobs that is retried needs no more than a few commands. */
function carryOut(
  context: Context,
  room: OpenRoom,
  moves: readonly Move[],
): Promise<readonly MoveResult[]> {
  return moves.every(isRevival)
    ? applyRevivals(context, room, moves)
    : applyMoves(context, room, moves);
}

interface DecidedMove {
  readonly move: Move;
  readonly state: JobState;
}
