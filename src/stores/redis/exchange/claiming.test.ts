// What is left of a claim when one of its rooms is silent.
import { expect, test } from "vitest";
import type { ExchangeRequest } from "../../../core/store.ts";
import { createClaiming } from "./claiming.ts";
import type { Held } from "./claims.ts";
import type { Insides } from "./exchange.ts";
import { roomOf } from "../layout.ts";
import type { OpenRoom } from "../rooms.ts";

const request: ExchangeRequest = {
  worker: "w",
  settlements: [],
  claim: {
    capacity: 10,
    offers: [{ queue: "mail", type: "mail", capacity: 10 }],
    labels: [],
    tokenNonce: "n",
    firstToken: 1,
  },
};

/** Rooms without suspects: nothing else of a store is asked. */
const NOTHING_HELD = { held: new Map() } as unknown as Insides;
const rooms = [0, 1].map(
  (partition) =>
    ({ ...roomOf("x", "mail", partition), lanes: { version: "", all: [] } }) as unknown as OpenRoom,
);
const [silent, other] = rooms as [OpenRoom, OpenRoom];

test("the slots that a silent room was asked to fill are not left for others", () => {
  const claiming = createClaiming(NOTHING_HELD, request, rooms);
  if (claiming === null) throw new Error("a claim should begin");
  claiming.shares = new Map([
    [silent, 6],
    [other, 4],
  ]);
  const part = claiming.partOf(silent);
  expect(part?.share).toBe(6);
  expect(claiming.partOf(other)?.share).toBe(4);
  if (part !== null) claiming.forgo(part);
  claiming.endRound();
  expect(claiming.left).toBe(4);
  claiming.shares = new Map([[other, claiming.left]]);
  expect(claiming.partOf(other)?.share).toBe(4);
});

test("a silent room that was only asked whether it has something takes no numbers from others", () => {
  const claiming = createClaiming(NOTHING_HELD, request, rooms);
  if (claiming === null) throw new Error("a claim should begin");
  claiming.shares = new Map([
    [silent, 0],
    [other, 10],
  ]);
  const part = claiming.partOf(silent);
  claiming.partOf(other);
  if (part !== null) claiming.forgo(part);
  claiming.endRound();
  claiming.shares = new Map([[other, claiming.left]]);
  expect(claiming.partOf(other)?.share).toBe(10);
});

test("a room whose queue's offers are used up is not wanted any more, whatever is left of the capacity", () => {
  const claim = { ...request.claim, capacity: 12 } as ExchangeRequest["claim"] & {};
  const claiming = createClaiming(NOTHING_HELD, { ...request, claim }, rooms);
  if (claiming === null) throw new Error("a claim should begin");
  const taken = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      room: other,
      lane: { type: "mail" },
      token: `n.${index + 1}`,
    })) as unknown as Held[];
  const reply = { settled: [], news: [], handed: [], lookAgainInMs: null, hasMore: true };
  claiming.take({ ...reply, claimed: taken(9) });
  expect(claiming.wants(other)).toBe(true);
  claiming.take({ ...reply, claimed: taken(1) });
  expect(claiming.left).toBe(2);
  expect([silent, other].some((room) => claiming.wants(room))).toBe(false);
});
