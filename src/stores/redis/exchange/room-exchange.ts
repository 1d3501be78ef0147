// One room's part of an exchange: a call of the script, and the settling of what needs a second look.
import { MillraceError } from "../../../core/errors.ts";
import type { ClaimRequest, SettleReply, Settlement } from "../../../core/store.ts";
import { type Held, readHeld, readLanes, servedLanes } from "./claims.ts";
import { type Context, policyOf } from "../context.ts";
import { type News, newsOf, writeEndingOf } from "../runs/endings.ts";
import {
  type HeldClaims,
  type Settling,
  SUCCEEDED,
  prepareSettling,
  readReplies,
  replyOf,
} from "./letters.ts";
import { type Move, applyMoves, newsOfMoves, writeMove } from "../moves.ts";
import { readJobs } from "../reading.ts";
import { type Lane, type OpenRoom, noteArrived, takeArrived } from "../rooms.ts";
import { EXCHANGE } from "../scripts/exchange.ts";
import { decideSettlement, plainEvents } from "./settling.ts";
import { Arguments } from "../link/wire.ts";

/** What is asked of one room. */
export interface RoomRequest {
  readonly room: OpenRoom;
  readonly worker: string;
  readonly settlements: readonly Settlement[];
  readonly claim?: RoomClaim;
}

/** A room's share of a claim. */
export interface RoomClaim {
  readonly request: ClaimRequest;
  /** Most jobs; 0 only asks whether there is something. */
  readonly share: number;
  /** The worker's free slots in all. */
  readonly free: number;
  readonly firstToken: number;
  /** Lease that may be made in this room; `null` where the worker is not attached here. */
  readonly leaseMs: number | null;
  /** Lanes of suspects who bear so much company; 0: lanes of others. */
  readonly company: number;
  /** That it takes jobs which are handed to it, and of which it heard last: as the script wants it. */
  readonly word: string;
}

/** What one room answered. */
export interface RoomReply {
  readonly settled: readonly SettleReply[];
  /** What workflow runs are to be told of the jobs that ended. */
  readonly news: readonly News[];
  readonly claimed: readonly Held[];
  /** Claims that were made when the jobs were enqueued, and of which the worker did not hear. */
  readonly handed: readonly Held[];
  readonly lookAgainInMs: number | null;
  readonly hasMore: boolean;
  /** Some of it was settled after it claimed, and is ready again: it is asked once more. */
  readonly hasReadied?: true;
}

/** Tells what becomes of a call whose answer did not come in time, when it comes. */
export type LateAnswer = (request: RoomRequest, late: Promise<RoomReply>) => void;

/** How often a settlement whose job changed meanwhile is decided anew. */
const MAX_DECISIONS = 5;

/** Carries out one room's part. */
export async function exchangeRoom(
  context: Context,
  held: HeldClaims,
  request: RoomRequest,
  onLate: LateAnswer,
): Promise<RoomReply> {
  const { room } = request;
  const settling = await prepareSettling(context, held, request.settlements);
  const { plain, steps, moves } = settling;
  const reply = await send(context, held, { ...request, plain, steps, moves }, onLate);
  if (settling.other.length === 0 && steps.length === 0 && !reply.letters.includes("c")) {
    // The usual case: all are plain, in the order in which they came.
    const settled = plain.map((_, at) => replyOf(reply.letters[at], SUCCEEDED));
    return { ...reply, settled };
  }
  const { replies, undecided } = readReplies(settling, reply.letters);
  const news = [...reply.news];
  for (const [settlement, answer] of await settleByReading(context, room, undecided, news)) {
    replies.set(settlement, answer);
  }
  const settled = request.settlements.map(
    (settlement): SettleReply => replies.get(settlement) ?? { accepted: false, why: "gone" },
  );
  const hasReadied = undecided.some((settlement) => {
    const answer = replies.get(settlement);
    return answer?.accepted === true && answer.state === "ready";
  });
  return { ...reply, settled, news, ...(hasReadied ? { hasReadied } : {}) };
}

/** Settles jobs of which this process knows nothing, or that changed: reads them first. */
export async function settleByReading(
  context: Context,
  room: OpenRoom,
  settlements: readonly Settlement[],
  news: News[],
): Promise<ReadonlyMap<Settlement, SettleReply>> {
  const replies = new Map<Settlement, SettleReply>();
  let left = settlements;
  for (let tries = 0; left.length > 0 && tries < MAX_DECISIONS; tries += 1) {
    const types = await context.types.read();
    const jobs = await readJobs(
      context,
      room,
      left.map(({ id }) => id),
    );
    const moves: Move[] = [];
    const moving: { settlement: Settlement; reply: SettleReply }[] = [];
    for (const [index, settlement] of left.entries()) {
      const job = jobs[index] ?? null;
      if (job === null) {
        replies.set(settlement, { accepted: false, why: "gone" });
        continue;
      }
      const policy = policyOf(types, job.record.type, job.retention);
      const { move, reply } = decideSettlement(job, settlement, policy, null);
      if (move === null) replies.set(settlement, reply);
      else {
        moves.push(move);
        moving.push({ settlement, reply });
      }
    }
    const results = await applyMoves(context, room, moves, news);
    const again: Settlement[] = [];
    for (const [index, { settlement, reply }] of moving.entries()) {
      if (results[index] === "changed") again.push(settlement);
      else if (results[index] === "moved") replies.set(settlement, reply);
      else replies.set(settlement, { accepted: false, why: "gone" });
    }
    left = again;
  }
  return replies;
}

type Sending = RoomRequest & Pick<Settling, "plain" | "steps" | "moves">;

interface Answer extends Omit<RoomReply, "settled"> {
  readonly letters: string;
}

/** Sends the call, again when lanes or followers changed: then only what was not done. */
async function send(
  context: Context,
  held: HeldClaims,
  sending: Sending,
  onLate: LateAnswer,
): Promise<Answer> {
  const { room } = sending;
  let letters = "";
  let news: readonly News[] = NO_NEWS;
  let current = sending;
  for (;;) {
    const hasEvents = room.isFollowed;
    const reply = await transmit(context, held, current, hasEvents, onLate);
    if (reply[0] === -1) {
      room.isFollowed = true;
      continue;
    }
    letters += String(reply[2]);
    news = [...news, ...newsIn(current, reply)];
    if (String(reply[3]) !== "v") return { ...readAnswer(current, reply, letters), news };
    room.lanes = readLanes(reply.slice(7));
    current = { ...current, plain: [], steps: [], moves: [] };
  }
}

const NO_NEWS: readonly News[] = [];
const NO_TEXTS: readonly Buffer[] = [];

/** What runs are to be told, as far as the script accepted it. */
function newsIn(
  { room, plain, steps, moves }: Sending,
  reply: readonly unknown[],
): readonly News[] {
  const letters = String(reply[2]);
  const nowMs = Number(reply[0]);
  const news = [...newsOfMoves(room, moves, letters.slice(plain.length), nowMs)];
  const first = plain.length - steps.length;
  for (const [index, { ending }] of steps.entries()) {
    const id = plain[first + index]?.id;
    if (id === undefined || letters[first + index] !== "a") continue;
    news.push(newsOf(ending, id, room, nowMs));
  }
  return news;
}

function readAnswer(
  { room, worker, claim }: Sending,
  reply: readonly unknown[],
  letters: string,
): Answer {
  const news = NO_NEWS;
  if (claim === undefined) {
    return { letters, news, claimed: [], handed: [], lookAgainInMs: null, hasMore: false };
  }
  const hasMore = Number(reply[5]) === 1;
  room.isHot = hasMore;
  if (Number(reply[6]) === 1) room.idle.add(worker);
  else room.idle.delete(worker);
  const dueInMs = Number(reply[4]);
  const { tokenNonce } = claim.request;
  const startedAtMs = Number(reply[0]);
  const texts = (reply[7] ?? NO_TEXTS) as readonly Buffer[];
  const claimed = readHeld(room, texts, { worker, tokenNonce, startedAtMs });
  // One at most, and before all others.
  const handed = reply.length > 8 ? claimed.splice(0, 1) : [];
  return {
    letters,
    news,
    claimed,
    handed: handed.map((claim) => ({ ...claim, token: String(reply[8]) })),
    lookAgainInMs: dueInMs < 0 ? null : dueInMs,
    hasMore,
  };
}

async function transmit(
  context: Context,
  held: HeldClaims,
  sending: Sending,
  hasEvents: boolean,
  onLate: LateAnswer,
): Promise<readonly unknown[]> {
  const { room } = sending;
  const nonce = context.nextNonce();
  const args = new Arguments().raw(nonce).raw(takeArrived(room));
  writeExchange(args, held, sending, hasEvents);
  let wasRepeated = false;
  const limits = {
    onRetry: () => {
      wasRepeated = true;
    },
  };
  try {
    const reply = await context.link.call(EXCHANGE, room.keys, args, limits);
    noteArrived(room, nonce, wasRepeated);
    room.isFollowed = reply[1] === 1;
    return reply;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "STORE_BUSY") {
      // It may have been done, or be done yet: the same call is made until its answer is known.
      const late = context.link
        .call(EXCHANGE, room.keys, args, { deadlineMs: Number.POSITIVE_INFINITY })
        .then((reply): RoomReply => {
          noteArrived(room, nonce, true);
          const answer = readAnswer(sending, reply, String(reply[2]));
          const settled = lateReplies(sending, answer.letters);
          return { ...answer, settled, news: newsIn(sending, reply) };
        });
      onLate(sending, late);
    }
    throw error;
  }
}

/** Replies in the order of plain settlements, then moves: by job and token, for whoever asks again. */
function lateReplies(sending: Sending, letters: string): readonly SettleReply[] {
  return sending.settlements.map((settlement): SettleReply => {
    const place = sending.plain.indexOf(settlement);
    if (place >= 0) return replyOf(letters[place], SUCCEEDED);
    const move = sending.moves.findIndex(({ job }) => job.record.id === settlement.id);
    const letter = move < 0 ? "s" : letters[sending.plain.length + move];
    const after = sending.moves[move]?.transition;
    return replyOf(letter, {
      accepted: true,
      state: after?.kind === "changed" ? after.job.state : "cancelled",
    });
  });
}

/** Writes the arguments of a call, from behind its nonces. */
export function writeExchange(
  args: Arguments,
  held: HeldClaims,
  sending: Sending,
  hasEvents: boolean,
): void {
  const { room, worker, plain, steps, moves, claim } = sending;
  args
    .text(worker)
    .text(hasEvents ? "1" : "0")
    .number(plain.length)
    .number(moves.length)
    .number(steps.length);
  for (const { id } of plain) args.id(id);
  for (const { token } of plain) args.text(`${held.get(token)?.worker ?? worker}\0${token}`);
  if (hasEvents) {
    for (const settlement of plain) {
      const type = held.get(settlement.token)?.lane.type ?? room.queue;
      args.text(plainEvents(settlement, type, room.queue));
    }
  }
  for (const { child, ending, isFirst } of steps) writeEndingOf(args, child, ending, isFirst);
  for (const move of moves) writeMove(args, move);
  if (claim !== undefined) writeClaim(args, sending, claim, hasEvents);
}

/** The event that a job was started, from after its id up to the number of the attempt. */
function startOfStarted(type: string, queue: string, worker: string): string {
  const told = JSON.stringify({ type, queue, kind: "started", worker });
  return `${told.slice(1, -1)},"attempt":`;
}

/** The list of a lane, or how else its jobs are taken: in turns by their keys, or one by one where they are suspects. */
function listOf({ slot, isKeyed, company }: Lane): number {
  if (!isKeyed) return slot;
  return company > 0 ? -2 : -1;
}

function writeClaim(
  args: Arguments,
  { room, worker }: Sending,
  claim: RoomClaim,
  hasEvents: boolean,
): void {
  const { lanes, capacities } = servedLanes(room, claim.request, claim.company);
  args
    .number(claim.share)
    .text(room.lanes.version)
    .text(`${claim.request.tokenNonce}.`)
    .number(claim.firstToken)
    .text(claim.leaseMs === null ? "" : String(claim.leaseMs))
    .text(room.idle.has(worker) ? "1" : "0")
    .number(claim.free)
    .text(claim.word)
    .number(lanes.length)
    .number(capacities.length);
  for (const { lane, offer } of lanes) {
    args.raw(lane.number).number(listOf(lane)).number(lane.headStartMs).number(offer);
    args.text(hasEvents ? startOfStarted(lane.type, room.queue, worker) : "");
  }
  for (const capacity of capacities) args.number(capacity);
}
