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

test("each room of which nothing is known is looked at, whoever's exchanges alternate", () => {
  let nowMs = 0;
  const sharing = createSharing(() => nowMs);
  const [hot, other] = roomsWithWork(2) as [OpenRoom, OpenRoom];
  const cold = Array.from({ length: 8 }, () => ({ isHot: false }) as OpenRoom);
  const looked = new Set<OpenRoom>();
  for (let exchange = 0; exchange < 4; exchange += 1) {
    nowMs += 5;
    for (const room of sharing.first([hot, ...cold], 10).keys()) looked.add(room);
    sharing.first([other], 10);
    sharing.first([other, hot], 10);
    sharing.first([other], 10);
  }
  expect(looked).toEqual(new Set([hot, ...cold]));
});

test("where exchanges are rare no room goes without a look for seconds", () => {
  let nowMs = 0;
  const sharing = createSharing(() => nowMs);
  const [hot] = roomsWithWork(1) as [OpenRoom];
  const cold = Array.from({ length: 200 }, () => ({ isHot: false }) as OpenRoom);
  sharing.first([hot, ...cold], 1);
  nowMs += 2_000;
  expect(sharing.first([hot, ...cold], 1).size).toBe(201);
});
