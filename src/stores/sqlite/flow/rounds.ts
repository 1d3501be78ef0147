// Rounds: in which order the groups of a lane have their turns.
import type { Context } from "../context.ts";
import type { Lane } from "../lanes.ts";

/*
 * Groups stand in the ring of their lane in the order in which they came, and stay where they are: a claim goes on where
 * the one before it ended, and begins anew when it is through. Who comes meanwhile has a turn in the next round, so that
 * a round ends however many come. A group that a gate kept out of the ring when its turn was there is let in early.
 *
 * To put each group that had its turn behind all others was a change of its row and two of the index for each job: of
 * 30 pages that a claim of a hundred keys wrote, seven were of these, and a twelfth of its time.
 */

/** How far the claims of a lane have come. */
export interface Round {
  readonly no: number;
  /** The place of the last group that had its turn. */
  readonly reached: number;
  /** The last place of this round. */
  readonly end: number;
}

/** Places up to this are of groups that are let in early: before all others, whatever was reached. */
export const LAST_EARLY = 0;
/** Before every place: so far below zero that the number of any group can be added. */
export const BEFORE_ALL: number = -(2 ** 40);
/** Behind every place. */
export const AFTER_ALL: number = Number.MAX_SAFE_INTEGER;

const ROUND = "SELECT round, reached, round_end FROM lanes WHERE no = ?";
const SET_ROUND = "UPDATE lanes SET round = ?, reached = ?, round_end = ? WHERE no = ?";
const LAST_TURN =
  "SELECT max(turn) FROM key_groups WHERE lane = ? AND turn IS NOT NULL AND parked_at IS NULL";

/** The round of a lane. */
export function roundOf({ connection }: Context, lane: Lane): Round {
  if (lane.round !== undefined) return lane.round;
  const [no, reached, end] = connection.first(ROUND, lane.no) ?? [];
  lane.round = { no: Number(no), reached: Number(reached), end: Number(end) };
  return lane.round;
}

/** A claim came further. */
export function keepRound({ connection }: Context, lane: Lane, round: Round): void {
  lane.round = round;
  connection.run(SET_ROUND, round.no, round.reached, round.end, lane.no);
}

/** The last place of a lane's ring, or of its round where that is further. */
export function lastPlace(context: Context, lane: Lane): number {
  const { end } = roundOf(context, lane);
  return Math.max(end, Number(context.connection.first(LAST_TURN, lane.no)?.[0] ?? 0));
}

/** A place behind all others of a lane: it has its turn in the next round. */
export function placeBehind(context: Context, lane: Lane): number {
  return lastPlace(context, lane) + 1;
}

/** The place of a group that comes back, and was to have its turn in a round. */
export function placeAgain(context: Context, lane: Lane, no: number, dueIn: number): number {
  return dueIn <= roundOf(context, lane).no ? BEFORE_ALL + no : placeBehind(context, lane);
}
