// What a round of an exchange gives back when rooms are silent or fail.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ExchangeRequest, Settlement } from "../../../core/store.ts";
import { type Claiming, createClaiming } from "./claiming.ts";
import type { Held } from "./claims.ts";
import type { Insides } from "./exchange.ts";
import { roomOf } from "../layout.ts";
import { ROOM_PATIENCE_MS, firstAnswerMsOf } from "./patience.ts";
import type { RoomReply } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";
import { askRound } from "./round.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const FIRST_ANSWER_MS = firstAnswerMsOf(ROOM_PATIENCE_MS, true);
const CAPACITY = 10;
const request: ExchangeRequest = {
  worker: "w",
  settlements: [],
  claim: {
    capacity: CAPACITY,
    offers: [{ queue: "mail", type: "mail", capacity: CAPACITY }],
    labels: [],
    tokenNonce: "n",
    firstToken: 1,
  },
};
const rooms = [0, 1].map(
  (partition) =>
    ({
      ...roomOf("x", "mail", partition),
      lanes: { version: "", all: [] },
      unanswered: 0,
    }) as unknown as OpenRoom,
);
const [one, other] = rooms as [OpenRoom, OpenRoom];
const NOTHING: RoomReply = {
  settled: [],
  news: [],
  claimed: [],
  handed: [],
  lookAgainInMs: null,
  hasMore: false,
};
const silent = (): Promise<RoomReply> => new Promise(() => {});
const failing = async (): Promise<RoomReply> => {
  throw new Error("away");
};
const settlement = { id: "a", token: "n.0", outcome: { kind: "release" } } as unknown as Settlement;

/** A store of which only the answers of rooms are known. */
function insidesOf(answers: ReadonlyMap<OpenRoom, () => Promise<RoomReply>>): {
  readonly insides: Insides;
  readonly left: OpenRoom[];
  readonly givenBack: Held[];
} {
  const left: OpenRoom[] = [];
  const givenBack: Held[] = [];
  const insides = {
    context: { patienceMs: ROOM_PATIENCE_MS, firstAnswerMs: FIRST_ANSWER_MS },
    held: new Map(),
    late: new Map(),
    workers: new Map(),
    ask: async ({ room }: { room: OpenRoom }) => answers.get(room)?.() ?? NOTHING,
    leave: ({ room }: { room: OpenRoom }) => left.push(room),
    giveBack: async (claims: readonly Held[]) => givenBack.push(...claims),
  } as unknown as Insides;
  return { insides, left, givenBack };
}

function claimingOf(insides: Insides, shares: readonly (readonly [OpenRoom, number])[]): Claiming {
  const claiming = createClaiming(insides, request, rooms);
  if (claiming === null) throw new Error("a claim should begin");
  claiming.shares = new Map(shares);
  return claiming;
}

const noSettlements = new Map<OpenRoom, Settlement[]>();

test("a further round leaves a silent room that it asks alone", async () => {
  const { insides, left } = insidesOf(new Map([[one, silent]]));
  const claiming = claimingOf(insides, [[one, 6]]);
  const round = { byRoom: noSettlements, claiming, isFurther: true };
  const answers = askRound(insides, request, round);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS);
  expect(await answers).toEqual([]);
  expect(left).toEqual([one]);
  expect(claiming.left).toBe(CAPACITY - 6);
});

test("a claim that asked a silent room alone does not keep a worker from the rooms that it did not ask", async () => {
  const { insides, left } = insidesOf(new Map([[one, silent]]));
  const claiming = claimingOf(insides, [[one, CAPACITY]]);
  const answers = askRound(insides, request, {
    byRoom: noSettlements,
    claiming,
    isFurther: false,
  });
  await vi.advanceTimersByTimeAsync(FIRST_ANSWER_MS);
  expect(await answers).toEqual([]);
  expect(left).toEqual([one]);
});

test("a claim of all rooms there are waits for the first of them", async () => {
  const first = Promise.withResolvers<RoomReply>();
  const { insides, left } = insidesOf(
    new Map([
      [one, silent],
      [other, () => first.promise],
    ]),
  );
  const claiming = claimingOf(insides, [
    [one, 5],
    [other, 5],
  ]);
  const round = { byRoom: noSettlements, claiming, isFurther: false };
  const answers = askRound(insides, request, round);
  await vi.advanceTimersByTimeAsync(FIRST_ANSWER_MS * 2);
  expect(left).toEqual([]);
  first.resolve(NOTHING);
  expect(await answers).toMatchObject([{ room: other }]);
  expect(left).toEqual([one]);
});

test("a further round of which every room fails takes nothing from what the others got", async () => {
  const { insides } = insidesOf(new Map([[one, failing]]));
  const claiming = claimingOf(insides, [[one, 6]]);
  const round = { byRoom: noSettlements, claiming };
  expect(await askRound(insides, request, { ...round, isFurther: true })).toEqual([]);
  await expect(askRound(insides, request, { ...round, isFurther: false })).rejects.toThrow("away");
});

test("the numbers that a failed room was given go to no other, and it is looked at again", async () => {
  const { insides } = insidesOf(new Map([[one, failing]]));
  const shares = [
    [one, 6],
    [other, 4],
  ] as const;
  const claiming = claimingOf(insides, shares);
  await askRound(insides, request, { byRoom: noSettlements, claiming, isFurther: false });
  claiming.endRound();
  expect(claiming.left).toBe(4);
  expect(claiming.lookAgainInMs).not.toBeNull();
  claiming.shares = new Map([[other, CAPACITY]]);
  expect(claiming.partOf(other)).toMatchObject({ share: 4, firstToken: 7 });
});

test("where a settlement fails, others claim nothing and are known to have settled", async () => {
  const claim = { token: "n.1" } as Held;
  const settled: RoomReply = {
    ...NOTHING,
    settled: [{ accepted: true, state: "ready" }],
    claimed: [claim],
  };
  const { insides, givenBack } = insidesOf(
    new Map([
      [one, failing],
      [other, async () => settled],
    ]),
  );
  const lost = { ...settlement, token: "n.9" };
  const byRoom = new Map([
    [one, [lost]],
    [other, [settlement]],
  ]);
  const round = { byRoom, claiming: null, isFurther: true };
  await expect(askRound(insides, request, round)).rejects.toThrow("away");
  expect(givenBack).toEqual([claim]);
  expect([...insides.late.keys()]).toEqual([settlement.token]);
});
