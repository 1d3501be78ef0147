// How the free slots of a worker are shared out among the rooms that are asked to fill them.
import type { OpenRoom } from "../rooms.ts";

/**
 * Jobs for which it pays to ask a room: 100 slots over 32 queues that all have work took 32 calls an exchange, for three
 * jobs each.
 */
const GOOD_SHARE = 25;
/** Rooms of which nothing is known that are looked at beside those that have work. */
const LOOKS = 2;
/**
 * How often one of these is looked at. A worker with runs of two steps makes a thousand exchanges a second, and one call in
 * four was a look at the queue of their steps, in which nothing waits.
 */
const LOOK_EVERY_MS = 5;
/**
 * A room is looked at after so long, however many others are due. Beside 200 queues a worker that ends a job a second
 * came to each of them after a hundred seconds.
 */
const LONGEST_UNSEEN_MS = 1_000;

/** Shares out what exchanges claim. */
export interface Sharing {
  /** What rooms are asked for in an exchange's first round. */
  first(rooms: readonly OpenRoom[], capacity: number): ReadonlyMap<OpenRoom, number>;
  /** What those are asked for that it left out. */
  others(rooms: readonly OpenRoom[], capacity: number): ReadonlyMap<OpenRoom, number>;
}

/**
 * The first round asks rooms that are known to have something, as many as give each a good share, and looks at a few of
 * the others now and then: those that were looked at longest ago, not those that the number of the exchange points at, by
 * which one of several workers came to some of its rooms only. If they do not fill the capacity the next round asks the
 * rest.
 *
 * The turn of a room that has something comes by what it was given before, not by the number of the exchange: of two
 * exchanges that alternate, one with nine free slots and one with the one that is left, each would come to every second
 * room only, and of twelve rooms six were given a tenth of the slots.
 */
export function createSharing(monotonicMs: () => number): Sharing {
  const given = new WeakMap<OpenRoom, number>();
  // What the rooms that had their turn were given before it. A room that had nothing for a while catches up with none.
  let level = 0;
  // By room: workers of one store have each their own beside those that they share.
  const lookedAtMs = new WeakMap<OpenRoom, number>();
  let turn = 0;
  const startOf = (room: OpenRoom): number => Math.max(given.get(room) ?? 0, level);
  return {
    first: (rooms, capacity) => {
      turn += 1;
      const hot = rooms.filter((room) => room.isHot);
      if (hot.length === 0 || rooms.length === 1 || capacity <= 0) {
        return shareEvenly(rooms, Math.max(0, capacity), turn);
      }
      const asked = leastOf(hot, Math.max(1, Math.ceil(capacity / GOOD_SHARE)), startOf);
      const shares = new Map(shareEvenly(asked, capacity));
      const starts = asked.map(startOf);
      level = Math.max(level, ...starts);
      for (const [index, room] of asked.entries()) {
        given.set(room, (starts[index] ?? 0) + (shares.get(room) ?? 0));
      }
      for (const room of roomsToLookAt(rooms, lookedAtMs, monotonicMs())) shares.set(room, 0);
      return shares;
    },
    others: (rooms, capacity) => shareEvenly(rooms, capacity, turn),
  };
}

/** Those of which a number is the least, so many at most; of equal ones the first. */
function leastOf<Value>(
  values: readonly Value[],
  count: number,
  numberOf: (value: Value) => number,
): readonly Value[] {
  const least: { readonly value: Value; readonly number: number }[] = [];
  for (const value of values) {
    const number = numberOf(value);
    let place = least.length;
    while (place > 0 && (least[place - 1]?.number ?? 0) > number) place -= 1;
    if (place === count) continue;
    least.splice(place, 0, { value, number });
    least.length = Math.min(least.length, count);
  }
  return least.map(({ value }) => value);
}

/** Which rooms of which nothing is known are looked at now, and notes it. */
function roomsToLookAt(
  rooms: readonly OpenRoom[],
  lookedAtMs: WeakMap<OpenRoom, number>,
  nowMs: number,
): readonly OpenRoom[] {
  const seenAt = (room: OpenRoom): number => {
    const atMs = lookedAtMs.get(room);
    if (atMs !== undefined) return atMs;
    // Not all at once where a worker begins.
    const asIfAtMs = nowMs - LOOK_EVERY_MS;
    lookedAtMs.set(room, asIfAtMs);
    return asIfAtMs;
  };
  const due = rooms.filter((room) => !room.isHot && nowMs - seenAt(room) >= LOOK_EVERY_MS);
  const overdue = due.filter((room) => nowMs - seenAt(room) >= LONGEST_UNSEEN_MS);
  const looked = overdue.length > LOOKS ? overdue : leastOf(due, LOOKS, seenAt);
  for (const room of looked) lookedAtMs.set(room, nowMs);
  return looked;
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
