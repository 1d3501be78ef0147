// How the free slots of a worker are shared out among the rooms that are asked to fill them.
import type { OpenRoom } from "./rooms.ts";

/**
 * Jobs for which it pays to ask a room: 100 slots over 32 queues that all have work took 32 calls an exchange, for three
 * jobs each.
 */
const GOOD_SHARE = 25;
/** Rooms of which nothing is known that are looked at beside those that have work. */
const LOOKS = 2;

/**
 * The first round asks rooms that are known to have something, as many as give each a good share, and looks at a few of
 * the others, all in their turn. If they do not fill the capacity the next round asks the rest.
 */
export function shareFirst(
  rooms: readonly OpenRoom[],
  capacity: number,
  turn: number,
): ReadonlyMap<OpenRoom, number> {
  const hot = rooms.filter((room) => room.isHot);
  if (hot.length === 0 || rooms.length === 1 || capacity <= 0) {
    return shareEvenly(rooms, Math.max(0, capacity), turn);
  }
  const asked = inTurn(hot, Math.max(1, Math.ceil(capacity / GOOD_SHARE)), turn);
  const cold = rooms.filter((room) => !room.isHot);
  const shares = new Map(shareEvenly(asked, capacity));
  for (const room of inTurn(cold, LOOKS, turn)) shares.set(room, 0);
  return shares;
}

/** So many of a list, from where the turn is. */
function inTurn<Value>(values: readonly Value[], count: number, turn: number): readonly Value[] {
  const from = values.length === 0 ? 0 : (turn * count) % values.length;
  return [...values.slice(from), ...values.slice(0, from)].slice(0, count);
}

export function shareEvenly(
  rooms: readonly OpenRoom[],
  capacity: number,
  turn = 0,
): ReadonlyMap<OpenRoom, number> {
  const shares = new Map<OpenRoom, number>();
  const base = Math.floor(capacity / rooms.length);
  const rest = capacity - base * rooms.length;
  for (const [index, room] of rooms.entries()) {
    const place = (index + turn) % rooms.length;
    shares.set(room, base + (place < rest ? 1 : 0));
  }
  return shares;
}
