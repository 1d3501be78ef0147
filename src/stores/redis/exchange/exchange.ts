// Exchanges over many rooms with one capacity, in as few rounds as there are surprises.
import { SlidingMap } from "../../../core/sliding-map.ts";
import type {
  ClaimRequest,
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
  Settlement,
} from "../../../core/store.ts";
import { type Acts, createActs } from "../runs/act-call.ts";
import { type Held, readClaimed } from "./claims.ts";
import { askInChunks } from "./chunks.ts";
import type { Context } from "../context.ts";
import { HandedJobs } from "./handed.ts";
import { giveBackClaims } from "./giving-back.ts";
import { type LateReplies, keepReplies, leaveRoom, roomsBeside, trim } from "./late-replies.ts";
import { holdOthers, pushingBack } from "../flow/push-back.ts";
import type { RoomReply, RoomRequest } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";
import { type RoomAnswer, askRound } from "./round.ts";
import { type Sharing, createSharing, shareEvenly } from "./shares.ts";
import { type Claiming, createClaiming } from "./claiming.ts";
import { allowanceOf, claimSuspects, lookForSuspects } from "./suspect-claims.ts";
import type { KeepJobs } from "../runs/children.ts";
import type { News } from "../runs/endings.ts";
import { exchangeWithRuns } from "../runs/acted-runs.ts";
import { settleStepsFirst } from "../runs/owned-runs.ts";
import { tellNews } from "../runs/speaking.ts";
import type { WorkerState } from "./worker-state.ts";

/** Claims remembered at most: those beyond it are read again when they are settled. */
const MAX_HELD = 100_000;
/** Rounds in which free slots are shared evenly; after them one room after the other is asked for all that is left. */
const EVEN_ROUNDS = 3;

/** Settles and claims. */
export interface Exchanger {
  exchange(request: ExchangeRequest): Promise<ExchangeReply>;
  /** A job was handed to a worker. */
  hear(claim: Held): void;
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
  const held = new SlidingMap<string, Held>();
  const waiting = new Set<string>();
  const late: LateReplies = new Map();
  const giveBack = givingBack(context, held);
  const sharing = createSharing(() => performance.now());
  const acts = createActs();
  const handed = new HandedJobs({ onHeard: (claim) => held.set(claim.token, claim), giveBack });
  const hear = (claim: Held): void => {
    const state = workers.get(claim.worker);
    if (handed.hear(claim, state?.isFull ?? true)) state?.wake();
  };
  const leave = (request: RoomRequest, answer: Promise<RoomReply>): void => {
    const silent = roomsBeside(context, request.room);
    leaveRoom(request, silent, answer, late, () => workers.get(request.worker)?.wake());
    answer
      .then(({ claimed, handed: told, news }) => {
        for (const claim of told) hear(claim);
        // Nobody waits for it any more.
        void giveBack(claimed);
        return tellNews(context, news, request.worker);
      })
      .catch(() => {});
  };
  const ask = async (request: RoomRequest): Promise<RoomReply> => {
    const reply = await askInChunks({ context, held, late }, request, leave);
    for (const { token } of request.settlements) held.delete(token);
    if (waiting.size > 0) for (const { token } of request.settlements) waiting.delete(token);
    for (const claim of reply.claimed) held.set(claim.token, claim);
    for (const claim of reply.handed) hear(claim);
    trim(held, MAX_HELD);
    return reply;
  };
  return {
    exchange: async (request) => {
      const news: News[] = [];
      const noting = async (asked: RoomRequest): Promise<RoomReply> => {
        const reply = await ask(asked);
        news.push(...reply.news);
        return reply;
      };
      const base = { context, held, waiting, late, workers, leave, giveBack, keepJobs, sharing };
      return carryOut({ ...base, acts, handed, news, ask: noting }, request);
    },
    hear,
    find: (token) => held.get(token),
    forget: (worker) => {
      handed.forget(worker);
      for (const [token, claim] of held) {
        if (claim.worker !== worker) continue;
        held.delete(token);
        waiting.delete(token);
      }
    },
  };
}

async function carryOut(insides: Insides, request: ExchangeRequest): Promise<ExchangeReply> {
  const { claim, ...rest } = request;
  try {
    if (claim !== undefined && insides.handed.has(request.worker)) {
      return await exchangeWithHanded(insides, rest, claim);
    }
    return await exchangeWithRuns(insides, request, (asked) => runNoted(insides, asked));
  } catch (error) {
    // What ended is told all the same.
    tellNews(insides.context, insides.news, request.worker).catch(() => {});
    throw error;
  }
}

/**
 * A worker that seems to run what was given back would be handed no suspects, who want an idle one. What it runs already
 * is its own where it said the same again, and was told so meanwhile.
 */
function givingBack(context: Context, held: SlidingMap<string, Held>): Insides["giveBack"] {
  const isTold = (claim: Held): boolean =>
    claim.isBegun === true && (held.get(claim.token) ?? claim) !== claim;
  return (claims) => {
    const left = claims.filter((claim) => !isTold(claim));
    for (const { token } of left) held.delete(token);
    return giveBackClaims(context, left);
  };
}

const GONE: SettleReply = { accepted: false, why: "gone" };
const UNANSWERED: SettleReply = { accepted: false, why: "unanswered" };

/** What the parts of an exchange share. */
export interface Insides {
  readonly context: Context;
  readonly held: SlidingMap<string, Held>;
  /** Tokens of workflow runs that only wait. */
  readonly waiting: Set<string>;
  /** What runs are to be told of what this exchange ended. */
  readonly news: News[];
  readonly keepJobs: KeepJobs;
  readonly late: LateReplies;
  readonly handed: HandedJobs;
  readonly workers: ReadonlyMap<string, WorkerState>;
  readonly ask: (request: RoomRequest) => Promise<RoomReply>;
  /** Goes on without the answer to what was asked. */
  readonly leave: (request: RoomRequest, answer: Promise<RoomReply>) => void;
  readonly giveBack: (claims: readonly Held[]) => Promise<void>;
  readonly sharing: Sharing;
  readonly acts: Acts;
}

/**
 * What was handed to the worker is claimed already, and needs no call: that of the next claim comes when its handler has
 * begun.
 */
async function exchangeWithHanded(
  insides: Insides,
  settling: ExchangeRequest,
  claim: ClaimRequest,
): Promise<ExchangeReply> {
  const { handed, workers } = insides;
  const { worker, settlements, advances } = settling;
  const rooms = await roomsOf(insides.context, claim);
  const { left } = allowanceOf(insides, { ...settling, claim }, rooms);
  const taken = handed.take(worker, claim, left);
  const state = workers.get(worker);
  state?.noteClaim(taken.length >= claim.capacity);
  // For the slots that are left.
  state?.wake();
  const claimed = taken.map(readClaimed);
  if (settlements.length === 0 && advances === undefined) {
    return { settled: [], claimed, lookAgainInMs: null };
  }
  try {
    return await exchangeWithRuns(insides, settling, async (asked) => ({
      ...(await runExchange(insides, asked)),
      claimed,
    }));
  } catch (error) {
    void insides.giveBack(taken);
    throw error;
  }
}

/** Whatever comes while it asks a worker must hear of: a room may have answered before that came. */
async function runNoted(insides: Insides, request: ExchangeRequest): Promise<ExchangeReply> {
  const { claim, worker } = request;
  if (claim === undefined) return runExchange(insides, request);
  insides.workers.get(worker)?.noteClaim(false);
  const reply = await runExchange(insides, request);
  const isFull = reply.claimed.length >= claim.capacity;
  insides.workers.get(worker)?.noteClaim(isFull);
  if (isFull) insides.handed.giveBack(worker);
  return reply;
}

/** What an exchange has got so far. */
interface Gains {
  readonly replies: Map<Settlement, SettleReply>;
  claiming: Claiming | null;
}

async function runExchange(insides: Insides, request: ExchangeRequest): Promise<ExchangeReply> {
  const gains: Gains = { replies: new Map(), claiming: null };
  const { replies } = gains;
  try {
    await runRounds(insides, request, gains);
  } catch (error) {
    // Nobody hears of what the rounds before got.
    keepReplies(insides.late, [...replies.keys()], [...replies.values()]);
    void insides.giveBack(gains.claiming?.claimed ?? []);
    throw error;
  }
  const { claiming } = gains;
  return {
    settled: request.settlements.map((settlement) => replyTo(insides, settlement, replies)),
    claimed: claiming?.claimed.map(readClaimed) ?? [],
    lookAgainInMs: claiming?.lookAgainInMs ?? null,
  };
}

async function runRounds(insides: Insides, request: ExchangeRequest, gains: Gains): Promise<void> {
  const { replies } = gains;
  const settleAll = async (byRoom: Map<OpenRoom, Settlement[]>): Promise<void> => {
    const round = { byRoom, claiming: null, isFurther: hasGained(gains) };
    note(await askRound(insides, request, round), replies, null);
    byRoom.clear();
  };
  const left = await settleStepsFirst(insides, request.worker, request.settlements, async (part) =>
    settleAll(await sortByRoom(insides, part, replies)),
  );
  const byRoom = await sortByRoom(insides, left, replies);
  const rooms = request.claim === undefined ? [] : await roomsOf(insides.context, request.claim);
  const claiming = createClaiming(insides, request, rooms);
  gains.claiming = claiming;
  const pushing = pushingBack(insides.context, byRoom);
  if (pushing.length > 0) {
    await settleAll(byRoom);
    await holdOthers(
      insides.context,
      pushing.filter(({ settlement }) => replies.get(settlement)?.accepted === true),
    );
  }
  if (claiming === null) return settleAll(byRoom);
  // Suspects go first, and only into an idle worker: what is settled here runs no longer.
  if (claiming.mustLookForSuspects) await lookForSuspects(insides, request, claiming);
  if (claiming.mayTakeSuspects) {
    await settleAll(byRoom);
    await claimSuspects(insides, request, claiming);
  }
  await claimRounds(insides, request, { claiming, byRoom, gains });
}

/** Whether there is something that is lost if the exchange fails. */
function hasGained({ replies, claiming }: Gains): boolean {
  return replies.size > 0 || (claiming !== null && claiming.claimed.length > 0);
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

function isHeard(room: OpenRoom): boolean {
  return room.unanswered === 0;
}

/** Asks rooms, with shares of what is left, until nothing is left or they have no more. */
async function claimRounds(
  insides: Insides,
  request: ExchangeRequest,
  round: {
    readonly claiming: Claiming;
    readonly byRoom: Map<OpenRoom, Settlement[]>;
    readonly gains: Gains;
  },
): Promise<void> {
  const { claiming, byRoom, gains } = round;
  const rooms = claiming.rooms.filter(isHeard);
  claiming.shares = insides.sharing.first(rooms, claiming.left);
  let unasked = rooms.filter((room) => !claiming.shares.has(room));
  for (let rounds = 0; ; rounds += 1) {
    const isFurther = rounds > 0 || hasGained(gains);
    const answers = await askRound(insides, request, { byRoom, claiming, isFurther });
    note(answers, gains.replies, claiming);
    byRoom.clear();
    const isAlone = rooms.length === 1 && !answers.some(({ reply }) => reply.hasReadied);
    if (claiming.left <= 0 || isAlone) {
      // What comes due in rooms that were not asked is not known: too early is right, too late is not.
      if (unasked.length > 0) claiming.lookAgainInMs = 0;
      return;
    }
    // What is left may be for other queues. Asked in vain, a room that has more counted as cold, and was asked for half
    // of what it could give: 3 calls a claim instead of 1, and runs of two local steps took 1.25 times as long.
    const more = answers.flatMap(({ room, reply }) =>
      (reply.hasMore || reply.hasReadied) && claiming.wants(room) ? [room] : [],
    );
    if (unasked.length > 0) {
      const asked = [...unasked.filter(isHeard), ...more];
      claiming.shares = insides.sharing.others(asked, claiming.left);
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
  let last: { readonly room: OpenRoom; readonly list: Settlement[] } | undefined;
  for (const settlement of settlements) {
    const answer = late.size === 0 ? undefined : late.get(settlement.token);
    if (answer !== undefined) {
      if (answer.reply === null) continue;
      replies.set(settlement, answer.reply);
      late.delete(settlement.token);
      continue;
    }
    const known = held.get(settlement.token);
    if (known !== undefined && known.room === last?.room) {
      last.list.push(settlement);
      continue;
    }
    const rooms = known === undefined ? await context.rooms.ofId(settlement.id) : [known.room];
    for (const room of rooms) {
      const list = byRoom.get(room) ?? [];
      if (list.push(settlement) === 1) byRoom.set(room, list);
      last = { room, list };
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
    for (const room of own) if (isHeard(room)) rooms.add(room);
  }
  return [...rooms];
}
