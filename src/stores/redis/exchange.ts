// Exchanges over many rooms with one capacity, in as few rounds as there are surprises.
import type {
  ClaimRequest,
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
  Settlement,
} from "../../core/store.ts";
import { type Held, readClaimed } from "./claims.ts";
import type { Context } from "./context.ts";
import { giveBackClaims } from "./giving-back.ts";
import { type LateReplies, leaveRoom, trim } from "./late-replies.ts";
import { outcomesOf } from "./patience.ts";
import { holdOthers, pushingBack } from "./push-back.ts";
import {
  type LateAnswer,
  type RoomReply,
  type RoomRequest,
  exchangeRoom,
} from "./room-exchange.ts";
import type { OpenRoom } from "./rooms.ts";
import { type Claiming, createClaiming } from "./claiming.ts";
import { claimSuspects, lookForSuspects } from "./suspect-claims.ts";
import type { KeepJobs } from "./children.ts";
import type { News } from "./endings.ts";
import { goOnWithRuns, settleStepsFirst } from "./owned-runs.ts";
import { tellNews } from "./speaking.ts";

/** Most settlements in one call. */
const MAX_SETTLEMENTS = 500;
/** Claims remembered at most: those beyond it are read again when they are settled. */
const MAX_HELD = 100_000;
/** Rounds in which free slots are shared evenly; after them one room after the other is asked for all that is left. */
const EVEN_ROUNDS = 3;

/**
 * Jobs for which it pays to ask a room: 100 slots over 32 queues that all have work took 32 calls an exchange, for three
 * jobs each.
 */
const GOOD_SHARE = 25;
/** Rooms of which nothing is known that are looked at beside those that have work. */
const LOOKS = 2;

/** What an exchange must know of a worker of this process. */
export interface WorkerState {
  readonly leaseMs: number;
  /** A lease may have been made in this room: it must be kept. */
  joined(room: OpenRoom): void;
  /** It claimed; one that is full passes on what it is woken for. */
  noteClaim(isFull: boolean): void;
  /** It speaks for a workflow run in this room: it must hear what that is told. */
  owns(room: OpenRoom): void;
  /** There may be something to claim. */
  wake(): void;
}

/** Settles and claims. */
export interface Exchanger {
  exchange(request: ExchangeRequest): Promise<ExchangeReply>;
  /** A claim that was made by this process. */
  find(token: string): Held | undefined;
  /** Forgets a worker's claims: its lease ended. */
  forget(worker: string): void;
}

/** Makes the exchanger of a store. */
export function createExchanger(
  context: Context,
  workers: ReadonlyMap<string, WorkerState>,
  keepJobs: KeepJobs,
): Exchanger {
  const held = new Map<string, Held>();
  const waiting = new Set<string>();
  const late: LateReplies = new Map();
  const giveBack = (claims: readonly Held[]): Promise<void> => giveBackClaims(context, claims);
  let turn = 0;
  const leave = (request: RoomRequest, answer: Promise<RoomReply>): void => {
    leaveRoom(request, answer, late, () => workers.get(request.worker)?.wake());
    answer
      .then(({ claimed, news }) => {
        // What it claimed nobody waits for any more.
        for (const { token } of claimed) held.delete(token);
        void giveBack(claimed);
        return tellNews(context, news, request.worker);
      })
      .catch(() => {});
  };
  const ask = async (request: RoomRequest): Promise<RoomReply> => {
    const reply = await askInChunks(context, held, request, leave);
    for (const { token } of request.settlements) {
      held.delete(token);
      waiting.delete(token);
    }
    for (const claim of reply.claimed) held.set(claim.token, claim);
    trim(held, MAX_HELD);
    return reply;
  };
  return {
    exchange: async (request) => {
      turn += 1;
      const news: News[] = [];
      const noting = async (asked: RoomRequest): Promise<RoomReply> => {
        const reply = await ask(asked);
        news.push(...reply.news);
        return reply;
      };
      const base = { context, held, waiting, late, workers, leave, giveBack, keepJobs, turn };
      const insides: Insides = { ...base, news, ask: noting };
      try {
        const reply = await runNoted(insides, request);
        return await goOnWithRuns(insides, request, reply);
      } catch (error) {
        // What ended is told all the same.
        tellNews(context, news, request.worker).catch(() => {});
        throw error;
      }
    },
    find: (token) => held.get(token),
    forget: (worker) => {
      for (const [token, claim] of held) {
        if (claim.worker !== worker) continue;
        held.delete(token);
        waiting.delete(token);
      }
    },
  };
}

async function askInChunks(
  context: Context,
  held: ReadonlyMap<string, Held>,
  request: RoomRequest,
  onLate: LateAnswer,
): Promise<RoomReply> {
  const chunks = chunksOf(request.settlements);
  const last = chunks.pop() ?? [];
  if (chunks.length === 0) return exchangeRoom(context, held, request, onLate);
  const { claim: _, ...bare } = request;
  const settled: SettleReply[] = [];
  const news: News[] = [];
  for (const settlements of chunks) {
    const before = await exchangeRoom(context, held, { ...bare, settlements }, onLate);
    settled.push(...before.settled);
    news.push(...before.news);
  }
  const reply = await exchangeRoom(context, held, { ...request, settlements: last }, onLate);
  return { ...reply, settled: [...settled, ...reply.settled], news: [...news, ...reply.news] };
}

/** Parts that are small enough, and in which no job comes twice: a script takes them in an order of its own. */
function chunksOf(settlements: readonly Settlement[]): (readonly Settlement[])[] {
  const ids = new Set<string>();
  const chunks: (readonly Settlement[])[] = [];
  let from = 0;
  for (const [index, { id }] of settlements.entries()) {
    if (ids.has(id) || index - from === MAX_SETTLEMENTS) {
      chunks.push(settlements.slice(from, index));
      from = index;
      ids.clear();
    }
    ids.add(id);
  }
  chunks.push(from === 0 ? settlements : settlements.slice(from));
  return chunks;
}

const GONE: SettleReply = { accepted: false, why: "gone" };
const UNANSWERED: SettleReply = { accepted: false, why: "unanswered" };

/** What the parts of an exchange share. */
export interface Insides {
  readonly context: Context;
  readonly held: Map<string, Held>;
  /** Tokens of workflow runs that only wait. */
  readonly waiting: Set<string>;
  /** What runs are to be told of what this exchange ended. */
  readonly news: News[];
  readonly keepJobs: KeepJobs;
  readonly late: LateReplies;
  readonly workers: ReadonlyMap<string, WorkerState>;
  readonly ask: (request: RoomRequest) => Promise<RoomReply>;
  /** Goes on without the answer to what was asked. */
  readonly leave: (request: RoomRequest, answer: Promise<RoomReply>) => void;
  readonly giveBack: (claims: readonly Held[]) => Promise<void>;
  readonly turn: number;
}

/** Whatever comes while it asks a worker must hear of: a room may have answered before that came. */
async function runNoted(insides: Insides, request: ExchangeRequest): Promise<ExchangeReply> {
  const { claim, worker } = request;
  if (claim === undefined) return runExchange(insides, request);
  insides.workers.get(worker)?.noteClaim(false);
  const reply = await runExchange(insides, request);
  insides.workers.get(worker)?.noteClaim(reply.claimed.length >= claim.capacity);
  return reply;
}

async function runExchange(insides: Insides, request: ExchangeRequest): Promise<ExchangeReply> {
  const replies = new Map<Settlement, SettleReply>();
  const settle = async (part: readonly Settlement[]): Promise<void> => {
    const byRoom = await sortByRoom(insides, part, replies);
    note(await askRound(insides, request, { byRoom, claiming: null }), replies, null);
  };
  const left = await settleStepsFirst(insides, request.worker, request.settlements, settle);
  const byRoom = await sortByRoom(insides, left, replies);
  const rooms = request.claim === undefined ? [] : await roomsOf(insides.context, request.claim);
  const claiming = createClaiming(insides, request, rooms);
  const pushing = pushingBack(insides.context, byRoom);
  if (pushing.length > 0) {
    note(await askRound(insides, request, { byRoom, claiming: null }), replies, null);
    byRoom.clear();
    await holdOthers(
      insides.context,
      pushing.filter(({ settlement }) => replies.get(settlement)?.accepted === true),
    );
  }
  // Suspects go first, and only into an idle worker: what is settled here runs no longer.
  if (claiming !== null && claiming.mustLookForSuspects) {
    await lookForSuspects(insides, request, claiming);
  }
  if (claiming !== null && claiming.mayTakeSuspects) {
    note(await askRound(insides, request, { byRoom, claiming: null }), replies, null);
    byRoom.clear();
    await claimSuspects(insides, request, claiming);
  }
  if (claiming === null) {
    note(await askRound(insides, request, { byRoom, claiming: null }), replies, null);
  } else await claimRounds(insides, request, { claiming, byRoom, replies });
  return {
    settled: request.settlements.map((settlement) => replyTo(insides, settlement, replies)),
    claimed: claiming?.claimed.map(readClaimed) ?? [],
    lookAgainInMs: claiming?.lookAgainInMs ?? null,
  };
}

function replyTo(
  { late }: Insides,
  settlement: Settlement,
  replies: ReadonlyMap<Settlement, SettleReply>,
): SettleReply {
  const reply = replies.get(settlement) ?? GONE;
  // One of two rooms in which it may be says that it is not there, and the other says nothing yet.
  const isOpen = !reply.accepted && reply.why === "gone" && late.has(settlement.token);
  return isOpen ? UNANSWERED : reply;
}

/** Asks rooms, with shares of what is left, until nothing is left or they have no more. */
async function claimRounds(
  insides: Insides,
  request: ExchangeRequest,
  round: {
    readonly claiming: Claiming;
    readonly byRoom: Map<OpenRoom, Settlement[]>;
    readonly replies: Map<Settlement, SettleReply>;
  },
): Promise<void> {
  const { claiming, byRoom, replies } = round;
  const { rooms } = claiming;
  claiming.shares = shareFirst(rooms, claiming.left, insides.turn);
  let unasked = rooms.filter((room) => !claiming.shares.has(room));
  for (let rounds = 0; ; rounds += 1) {
    const answers = await askRound(insides, request, { byRoom, claiming });
    note(answers, replies, claiming);
    byRoom.clear();
    if (claiming.left <= 0 || rooms.length === 1) {
      // What comes due in rooms that were not asked is not known: too early is right, too late is not.
      if (unasked.length > 0) claiming.lookAgainInMs = 0;
      return;
    }
    const more = answers.filter(({ reply }) => reply.hasMore).map(({ room }) => room);
    if (unasked.length > 0) {
      claiming.shares = shareEvenly([...unasked, ...more], claiming.left, insides.turn);
      unasked = [];
      continue;
    }
    const [first] = more;
    if (first === undefined) return;
    claiming.shares =
      rounds < EVEN_ROUNDS ? shareEvenly(more, claiming.left) : new Map([[first, claiming.left]]);
  }
}

/** Takes over what rooms answered. A settlement that was asked of two rooms is accepted if one did. */
function note(
  answers: readonly RoomAnswer[],
  replies: Map<Settlement, SettleReply>,
  claiming: Claiming | null,
): void {
  for (const { reply, settlements } of answers) {
    for (const [index, settlement] of settlements.entries()) {
      const answer = reply.settled[index] ?? GONE;
      const known = replies.get(settlement);
      if (known === undefined || (!known.accepted && answer !== GONE)) {
        replies.set(settlement, answer);
      }
    }
    if (claiming !== null) claiming.take(reply);
  }
  claiming?.endRound();
}

/** Finds the room of each settlement; answers those that are known already. */
async function sortByRoom(
  { context, held, late }: Insides,
  settlements: readonly Settlement[],
  replies: Map<Settlement, SettleReply>,
): Promise<Map<OpenRoom, Settlement[]>> {
  const byRoom = new Map<OpenRoom, Settlement[]>();
  for (const settlement of settlements) {
    const answer = late.get(settlement.token);
    if (answer !== undefined) {
      if (answer.reply === null) continue;
      replies.set(settlement, answer.reply);
      late.delete(settlement.token);
      continue;
    }
    const known = held.get(settlement.token);
    const rooms = known === undefined ? await context.rooms.ofId(settlement.id) : [known.room];
    for (const room of rooms) {
      const list = byRoom.get(room);
      if (list === undefined) byRoom.set(room, [settlement]);
      else list.push(settlement);
    }
  }
  return byRoom;
}

async function roomsOf(context: Context, claim: ClaimRequest): Promise<readonly OpenRoom[]> {
  const rooms = new Set<OpenRoom>();
  for (const { queue, capacity } of claim.offers) {
    if (capacity <= 0) continue;
    // A queue that nobody used yet is made known, so that the worker can wait there.
    const own = context.rooms.known(queue) ?? (await context.rooms.ofQueue(queue, { isNew: true }));
    for (const room of own) if (room.unanswered === 0) rooms.add(room);
  }
  return [...rooms];
}

/**
 * The first round asks rooms that are known to have something, as many as give each a good share, and looks at a few of
 * the others, all in their turn. If they do not fill the capacity the next round asks the rest.
 */
function shareFirst(
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

function shareEvenly(
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

/** What one room answered, and what was asked of it. */
export interface RoomAnswer {
  readonly room: OpenRoom;
  readonly settlements: readonly Settlement[];
  readonly reply: RoomReply;
}

/**
 * Asks all rooms of a round at once. A room that fails fails the exchange only if it had something to settle; one that is
 * silent while others answer is left.
 */
export async function askRound(
  insides: Insides,
  request: ExchangeRequest,
  round: {
    readonly byRoom: ReadonlyMap<OpenRoom, readonly Settlement[]>;
    readonly claiming: Claiming | null;
  },
): Promise<readonly RoomAnswer[]> {
  const { byRoom, claiming } = round;
  const rooms = [...new Set([...byRoom.keys(), ...(claiming?.shares.keys() ?? [])])];
  const state = insides.workers.get(request.worker);
  const asked = rooms.map((room) => {
    const settlements = byRoom.get(room) ?? [];
    const part = claiming?.partOf(room) ?? null;
    if (part !== null) state?.joined(room);
    const claim = part === null ? {} : { claim: { ...part, leaseMs: state?.leaseMs ?? null } };
    const asking: RoomRequest = { room, worker: request.worker, settlements, ...claim };
    return { asking, isSilent: room.unanswered > 0, answer: insides.ask(asking) };
  });
  const outcomes = await outcomesOf(asked, insides.context.patienceMs);
  const answers: RoomAnswer[] = [];
  let failure: PromiseRejectedResult | undefined;
  for (const [index, { asking, answer }] of asked.entries()) {
    const { room, settlements, claim } = asking;
    const outcome = outcomes[index] ?? null;
    if (outcome === null) {
      insides.leave(asking, answer);
      if (claim !== undefined) claiming?.forgo(claim);
    } else if (outcome.status === "fulfilled") {
      answers.push({ room, settlements, reply: outcome.value });
    } else if (settlements.length > 0) failure ??= outcome;
  }
  if (answers.length === 0) failure ??= outcomes.find((outcome) => outcome?.status === "rejected");
  if (failure === undefined) return answers;
  for (const { reply, settlements } of answers) {
    void insides.giveBack(reply.claimed);
    // They were settled: who settles again, because the whole failed, is told so.
    for (const [index, { token }] of settlements.entries()) {
      insides.late.set(token, { reply: reply.settled[index] ?? GONE });
    }
  }
  throw failure.reason;
}
