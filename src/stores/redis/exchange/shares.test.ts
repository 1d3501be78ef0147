// Every room that has something gets its share, whatever the sizes of the exchanges.
import { expect, test } from "vitest";
import type { OpenRoom } from "../rooms.ts";
import { createSharing } from "./shares.ts";

const ROOMS = 12;

function roomsWithWork(count: number): readonly OpenRoom[] {
  return Array.from({ length: count }, () => ({ isHot: true }) as OpenRoom);
}

/** What each room is offered by exchanges with so many free slots, in turn. */
function offered(
  rooms: readonly OpenRoom[],
  capacities: readonly number[],
  exchanges: number,
): readonly number[] {
  const sharing = createSharing(() => 0);
  const sums = new Map<OpenRoom, number>();
  for (let turn = 0; turn < exchanges; turn += 1) {
    const capacity = capacities[turn % capacities.length] ?? 0;
    for (const [room, share] of sharing.first(rooms, capacity)) {
      sums.set(room, (sums.get(room) ?? 0) + share);
    }
  }
  return rooms.map((room) => sums.get(room) ?? 0);
}

test.for([{ capacities: [9, 1] }, { capacities: [10] }, { capacities: [60, 1, 39] }])(
  "rooms that all have work are given as much each by exchanges of $capacities slots",
  ({ capacities }) => {
    const sums = offered(roomsWithWork(ROOMS), capacities, 240);
    const largest = Math.max(...capacities);
    expect(Math.max(...sums) - Math.min(...sums)).toBeLessThanOrEqual(largest);
  },
);

test("a room that had nothing for a while gets no more than the others from then on", () => {
  const sharing = createSharing(() => 0);
  const [late, ...others] = roomsWithWork(3) as [OpenRoom, OpenRoom, OpenRoom];
  for (let turn = 0; turn < 100; turn += 1) sharing.first(others, 10);
  let ofLate = 0;
  for (let turn = 0; turn < 30; turn += 1) {
    ofLate += sharing.first([late, ...others], 10).get(late) ?? 0;
  }
  expect(ofLate).toBeLessThanOrEqual(110);
});

test("beside a room with work others are only looked at", () => {
  const sharing = createSharing(() => 0);
  const hot = { isHot: true } as OpenRoom;
  const cold = Array.from({ length: 5 }, () => ({ isHot: false }) as OpenRoom);
  const shares = sharing.first([...cold, hot], 10);
  expect(shares.get(hot)).toBe(10);
  expect([...shares.values()].filter((share) => share === 0)).toHaveLength(2);
});

test("each room of which nothing is known is looked at every few milliseconds beside one that has work", () => {
  let nowMs = 0;
  const sharing = createSharing(() => nowMs);
  const [hot] = roomsWithWork(1) as [OpenRoom];
  const cold = Array.from({ length: 4 }, () => ({ isHot: false }) as OpenRoom);
  const look = (rooms: readonly OpenRoom[]): readonly OpenRoom[] =>
    [...sharing.first([hot, ...rooms], 10).keys()].filter(({ isHot }) => !isHot);
  const looked = [...look(cold), ...look(cold)];
  expect(new Set(looked)).toEqual(new Set(cold));
  expect(looked).toHaveLength(4);
  nowMs += 1;
  expect(look(cold)).toEqual([]);
  const other = { isHot: false } as OpenRoom;
  expect(look([other])).toEqual([other]);
  nowMs += 5;
  expect(look(cold)).toHaveLength(2);
});
