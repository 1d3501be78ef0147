// One exchange's claim under way: what is left of its capacities, over rooms and rounds.
import type { ClaimRequest, ExchangeRequest, Offer } from "../../../core/store.ts";
import type { Held } from "./claims.ts";
import type { Insides } from "./exchange.ts";
import type { RoomClaim, RoomReply } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";
import { allowanceOf } from "./suspect-claims.ts";

/** A claim under way. */
export interface Claiming {
  readonly rooms: readonly OpenRoom[];
  readonly claimed: Held[];
  /** Jobs that may still be taken. */
  left: number;
  lookAgainInMs: number | null;
  /** What each room may give in this round. */
  shares: ReadonlyMap<OpenRoom, number>;
  /** Lanes of this round: 0 those of ordinary jobs, else those of suspects who bear so much company. */
  company: number;
  /** Whether the worker runs nothing, so that suspects may be given to it. */
  readonly mayTakeSuspects: boolean;
  /** Whether it is time to see if any wait for an idle worker. */
  readonly mustLookForSuspects: boolean;
  /** A room's part of this round; `null` where nothing is asked of it. */
  partOf(room: OpenRoom): Omit<RoomClaim, "leaseMs" | "word"> | null;
  /** Whether an offer for a room's queue is not used up. */
  wants(room: OpenRoom): boolean;
  take(reply: RoomReply): void;
  /** There may be something to claim after so long at most. */
  lookAgain(inMs: number): void;
  /** Goes on without a room's part: its numbers are given to no other claim. */
  forgo(part: Pick<RoomClaim, "firstToken" | "share">): void;
  /** Ends a round. */
  endRound(): void;
}

/** Begins a claim; `null` where none is asked for. */
export function createClaiming(
  insides: Insides,
  request: ExchangeRequest,
  rooms: readonly OpenRoom[],
): Claiming | null {
  const { claim } = request;
  if (claim === undefined || rooms.length === 0) return null;
  const offers = claim.offers.map((offer) => ({ ...offer }));
  const { left, ...suspicion } = allowanceOf(insides, request, rooms);
  const free = claim.capacity;
  const tokens = tokensOf(claim);
  const claiming: Claiming = {
    rooms,
    claimed: [],
    left,
    lookAgainInMs: null,
    shares: new Map(),
    company: 0,
    ...suspicion,
    partOf: (room) => {
      const share = claiming.shares.get(room);
      if (share === undefined) return null;
      const { first, count } = tokens.reserve(share);
      return {
        request: { ...claim, offers: offersOf(offers, room, claiming.shares) },
        share: count,
        free: Math.max(0, free - claiming.claimed.length),
        firstToken: first,
        company: claiming.company,
      };
    },
    forgo: ({ firstToken, share }) => {
      if (share === 0) return;
      tokens.keep(firstToken);
      // It may fill them yet. Left to others, who get no numbers for them, they were asked for over and over.
      claiming.left -= share;
    },
    endRound: () => tokens.release(),
    wants: (room) => offers.some(({ queue, capacity }) => queue === room.queue && capacity > 0),
    take: (reply) => {
      let lane: Held["lane"] | undefined;
      let offer: { capacity: number } | undefined;
      for (const held of reply.claimed) {
        claiming.claimed.push(held);
        claiming.left -= 1;
        if (held.lane !== lane) {
          lane = held.lane;
          offer = offers.find((each) => isFor(each, held));
        }
        if (offer !== undefined) offer.capacity -= 1;
      }
      tokens.use(reply.claimed);
      if (reply.lookAgainInMs !== null) claiming.lookAgain(reply.lookAgainInMs);
    },
    lookAgain: (inMs) => {
      claiming.lookAgainInMs = Math.min(inMs, claiming.lookAgainInMs ?? inMs);
    },
  };
  return claiming;
}

function isFor({ queue, type }: Offer, { room, lane }: Held): boolean {
  return queue === room.queue && type === lane.type;
}

/** Offers of a room's queue. Rooms of one queue that are asked at once share an offer's capacity. */
function offersOf(
  offers: readonly Offer[],
  room: OpenRoom,
  shares: ReadonlyMap<OpenRoom, number>,
): readonly Offer[] {
  const own = offers.filter(({ queue }) => queue === room.queue);
  const asked = [...shares].filter(([other, share]) => share > 0 && other.queue === room.queue);
  if (asked.length < 2) return own;
  const place = asked.findIndex(([other]) => other === room);
  return own.map((offer) => {
    const base = Math.floor(offer.capacity / asked.length);
    const rest = offer.capacity - base * asked.length;
    return { ...offer, capacity: base + (place >= 0 && place < rest ? 1 : 0) };
  });
}

interface Tokens {
  /** Numbers for at most so many claims, in a row. */
  reserve(count: number): { readonly first: number; readonly count: number };
  /** Keeps numbers that were given from being given again. */
  keep(first: number): void;
  /** Ends a round: numbers that no claim took can be given again. */
  release(): void;
  use(claims: readonly Held[]): void;
}

interface Range {
  readonly first: number;
  readonly end: number;
}

/** Numbers of tokens: rooms that are asked at once get ranges of their own, out of those that the request has. */
function tokensOf({ tokenNonce, firstToken, capacity }: ClaimRequest): Tokens {
  let unused: Range[] = [{ first: firstToken, end: firstToken + capacity }];
  let given: Range[] = [];
  let isReleased = false;
  const taken: Held[] = [];
  // Most claims have one round, and nothing is given again.
  const release = (): void => {
    isReleased = false;
    const used = new Set(taken.map(({ token }) => Number(token.slice(tokenNonce.length + 1))));
    for (const { first, end } of given) {
      // Claims of a call take its numbers from the first on: what is left is the rest.
      let next = first;
      while (next < end && used.has(next)) next += 1;
      if (next < end) unused.push({ first: next, end });
    }
    given = [];
  };
  return {
    reserve: (count) => {
      if (isReleased) release();
      const range = unused.shift();
      if (range === undefined || count === 0) {
        if (range !== undefined) unused.unshift(range);
        return { first: firstToken, count: 0 };
      }
      const end = Math.min(range.end, range.first + count);
      given.push({ first: range.first, end });
      if (end < range.end) unused.unshift({ first: end, end: range.end });
      return { first: range.first, count: end - range.first };
    },
    keep: (first) => {
      given = given.filter((range) => range.first !== first);
    },
    release: () => {
      isReleased = true;
    },
    use: (claims) => {
      taken.push(...claims);
    },
  };
}
