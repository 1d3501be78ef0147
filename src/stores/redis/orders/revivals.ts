// Ended jobs that are made to wait again by the hundred: one call that takes few commands, where nothing else is to be done.
import type { JobRecord } from "../../../core/job.ts";
import { type Context, callOnce } from "../context.ts";
import { type Move, type MoveResult, moveResult, timeText } from "../moves.ts";
import { endedMember, extrasOf, writeExtras } from "../records.ts";
import type { OpenRoom } from "../rooms.ts";
import { REVIVE_JOBS } from "../scripts/revive.ts";
import type { Arguments } from "../link/wire.ts";

/** Whether a move is of an ended job that waits from now on, and changes nothing that has an index or a key of its own. */
export function isRevival({ job, claim, transition, suspicion, cancel }: Move): boolean {
  if (claim !== null || cancel !== undefined || transition.kind !== "changed") return false;
  const { record } = job;
  const after = transition.job;
  return (
    (record.state === "failed" || record.state === "cancelled") &&
    (after.state === "ready" || after.state === "scheduled") &&
    record.progress === null &&
    record.result === null &&
    record.expiresAtMs === null &&
    record.keys.length === 0 &&
    after.keys.length === 0 &&
    !job.hasKin &&
    job.lane.company === 0 &&
    (suspicion?.company ?? 0) === 0 &&
    after.headStartMs === record.headStartMs
  );
}

/** Carries out moves of one room, all of which are revivals. */
export async function applyRevivals(
  context: Context,
  room: OpenRoom,
  moves: readonly Move[],
): Promise<readonly MoveResult[]> {
  let reply: readonly unknown[];
  do {
    const hasEvents = room.isFollowed;
    reply = await callOnce(context, room, REVIVE_JOBS, (args) => {
      args.text(hasEvents ? "1" : "0");
      for (const move of moves) writeRevival(args, move, hasEvents);
    });
    // Somebody began to follow in the meantime: nothing was written yet.
    if (reply[0] === -1) room.isFollowed = true;
  } while (reply[0] === -1);
  return Array.from(String(reply[2]), moveResult);
}

function writeRevival(args: Arguments, move: Move, hasEvents: boolean): void {
  const { job, transition, suspicion } = move;
  const { record, retention, unique, isChoosing } = job;
  if (transition.kind !== "changed") return;
  const after: JobRecord = transition.job;
  const strikes = suspicion?.strikes ?? job.strikes;
  const extras = extrasOf(after, { retention, unique, isChoosing, strikes, ageMs: null });
  const base = { id: record.id, type: record.type, queue: record.queue };
  args
    .id(record.id)
    .raw(job.guard.subarray(1))
    .raw(endedMember(record))
    .text(timeText(after.dueAtMs))
    .text(after.input === record.input ? "" : `=${after.input}`)
    .text(Object.keys(extras).length > 0 ? writeExtras(extras) : "")
    .text(
      hasEvents
        ? move.changes.map((change) => JSON.stringify({ ...base, ...change })).join(",")
        : "",
    );
}
