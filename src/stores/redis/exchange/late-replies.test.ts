// What rests while a primary does not answer.
import { expect, test } from "vitest";
import { roomOf } from "../layout.ts";
import { type LateReplies, leaveRoom, roomsBeside } from "./late-replies.ts";
import type { RoomReply, RoomRequest } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";

const rooms = [0, 1, 2].map(
  (partition) => ({ ...roomOf("x", "mail", partition), unanswered: 0 }) as unknown as OpenRoom,
);
const [left, beside, elsewhere] = rooms as [OpenRoom, OpenRoom, OpenRoom];

function storeWhere(
  primaryOf: (room: OpenRoom) => string | null,
): Parameters<typeof roomsBeside>[0] {
  return {
    link: {
      primaryOf: (keys: readonly string[]) =>
        primaryOf(rooms.find((room) => room.keys === keys) ?? left),
    },
    rooms: { opened: () => rooms },
  } as unknown as Parameters<typeof roomsBeside>[0];
}

test("the rooms of a silent primary rest together, until the call that was left is answered", async () => {
  const store = storeWhere((room) => (room === elsewhere ? "b:1" : "a:1"));
  const answer = Promise.withResolvers<RoomReply>();
  const request: RoomRequest = { room: left, worker: "w", settlements: [] };
  const late: LateReplies = new Map();
  const woken = new Promise<void>((resolve) => {
    leaveRoom(request, roomsBeside(store, left), answer.promise, late, resolve);
  });
  expect(rooms.map(({ unanswered }) => unanswered)).toEqual([1, 1, 0]);
  answer.reject(new Error("away"));
  await woken;
  expect(rooms.map(({ unanswered }) => unanswered)).toEqual([0, 0, 0]);
});

test("where no primary is known a room rests alone", () => {
  expect(
    roomsBeside(
      storeWhere(() => null),
      beside,
    ),
  ).toEqual([beside]);
});
