// Carries out an act on one server, in one call.
import { MillraceError } from "../../../core/errors.ts";
import type { SettleReply, Settlement } from "../../../core/store.ts";
import type { ActExchange, Act } from "./acts.ts";
import type { Answered } from "./advances.ts";
import { type Owner, handedOver, ownerOf, writeChildren } from "./children.ts";
import type { Held } from "../exchange/claims.ts";
import type { Insides } from "../exchange/exchange.ts";
import { readReplies } from "../exchange/letters.ts";
import { writeExchange } from "../exchange/room-exchange.ts";
import { type OpenRoom, noteArrived, takeArrived } from "../rooms.ts";
import { ACT_ON_RUNS } from "../scripts/act.ts";
import { ENTRY, writeSpeech } from "./speaking.ts";
import { Arguments, idBytes } from "../link/wire.ts";

/** Rooms that were named together, with the keys of them all: what a call begins with is made once for the same keys. */
const MAX_KEY_SETS = 1_000;

/** What is remembered of acts. */
export interface Acts {
  /** The server takes no call on several rooms: it is a node of a Cluster. */
  areRefused: boolean;
  readonly keys: Map<string, readonly string[]>;
}

export function createActs(): Acts {
  return { areRefused: false, keys: new Map() };
}

/** What became of an act. */
export interface Acted {
  readonly replies: ReadonlyMap<Settlement, SettleReply>;
  /** Settlements that are to be decided anew. */
  readonly undecided: readonly (readonly [OpenRoom, Settlement])[];
  readonly answers: readonly Answered[];
  readonly handed: readonly Held[];
}

/** Carries it out; `null`: the server wrote nothing, and it is to be done call by call. */
export async function carryOutAct(insides: Insides, act: Act, actor: Owner): Promise<Acted | null> {
  const { exchanges, speeches, keeps } = act;
  for (const { room, sayings } of speeches) if (sayings.length > 0) actor.state?.owns(room);
  for (const { room, groups } of keeps) ownerOf(actor, groups)?.state?.joined(room);
  for (;;) {
    const call = writeAct(insides, act, actor);
    const reply = await send(insides, act, actor, call);
    if (reply === null || reply[0] === -2) return null;
    if (reply[0] === -1) {
      // Somebody began to follow: the script wants the events too, and wrote nothing yet.
      for (const { room } of [...exchanges, ...keeps]) room.isFollowed = true;
      continue;
    }
    return readAct(act, actor, reply);
  }
}

/** A call as it is sent. */
interface Call {
  readonly keys: readonly string[];
  readonly args: Arguments;
  /** By room: a room that is in several parts has several. */
  readonly nonces: readonly (readonly [OpenRoom, Buffer])[];
}

function writeAct({ context, held, acts }: Insides, act: Act, actor: Owner): Call {
  const { exchanges, speeches, keeps } = act;
  const parts = [...exchanges, ...speeches, ...keeps];
  const rooms = [...new Set(parts.map(({ room }) => room))].sort((left, right) =>
    left.name < right.name ? -1 : 1,
  );
  const nonces: (readonly [OpenRoom, Buffer])[] = [];
  const begin = (room: OpenRoom): Arguments => {
    const nonce = context.nextNonce();
    nonces.push([room, nonce]);
    return new Arguments().raw(nonce).raw(takeArrived(room));
  };
  const { worker } = actor;
  const settling = exchanges.map((each) => {
    const args = begin(each.room);
    writeExchange(args, held, { ...each, worker }, each.room.isFollowed);
    return args;
  });
  const speaking = speeches.map(({ room, sayings }) => {
    const args = begin(room);
    const words = sayings.map(({ word }) => word);
    writeSpeech(args, { by: worker, facts: [], words });
    return args;
  });
  const keeping = keeps.map(({ room, groups }) => {
    const args = begin(room);
    writeChildren(args, room, groups, { owner: ownerOf(actor, groups), isLate: false });
    return args;
  });
  const args = new Arguments()
    .number(exchanges.length)
    .number(speeches.length)
    .number(keeps.length);
  args.raw(linkBytes(act)).raw(routeBytes(act));
  for (const [index, part] of [...settling, ...speaking, ...keeping].entries()) {
    const room = parts[index]?.room;
    args.number(room === undefined ? 0 : rooms.indexOf(room) + 1).number(part.count);
    const places = keeps[index - settling.length - speaking.length]?.places;
    if (places !== undefined) args.raw(placeBytes(places));
    args.all(part);
  }
  return { keys: keysOf(acts, rooms), args, nonces };
}

function keysOf({ keys }: Acts, rooms: readonly OpenRoom[]): readonly string[] {
  const name = rooms.map((room) => room.name).join("\0");
  let found = keys.get(name);
  if (found === undefined) {
    if (keys.size >= MAX_KEY_SETS) keys.clear();
    keys.set(name, (found = rooms.flatMap((room) => room.keys)));
  }
  return found;
}

const LINK_BYTES = 8;
const ROUTE_BYTES = 18;
const PLACE_BYTES = 4;

function linkBytes({ links }: Act): Buffer {
  const bytes = Buffer.alloc(links.length * LINK_BYTES);
  for (const [index, { exchange, letter, speech, word }] of links.entries()) {
    const at = index * LINK_BYTES;
    bytes.writeUInt16BE(exchange + 1, at);
    bytes.writeUInt16BE(letter + 1, at + 2);
    bytes.writeUInt16BE(speech + 1, at + 4);
    bytes.writeUInt16BE(word + 1, at + 6);
  }
  return bytes;
}

/** With one speech all is told there. */
function routeBytes({ routes, speeches }: Act): Buffer {
  if (speeches.length <= 1) return Buffer.alloc(0);
  const bytes = Buffer.alloc(routes.length * ROUTE_BYTES);
  for (const [index, { id, speech }] of routes.entries()) {
    idBytes(id).copy(bytes, index * ROUTE_BYTES);
    bytes.writeUInt16BE(speech + 1, index * ROUTE_BYTES + 16);
  }
  return bytes;
}

function placeBytes(places: Act["keeps"][number]["places"]): Buffer {
  const bytes = Buffer.alloc(places.length * PLACE_BYTES);
  for (const [index, { speech, word }] of places.entries()) {
    bytes.writeUInt16BE(speech + 1, index * PLACE_BYTES);
    bytes.writeUInt16BE(word + 1, index * PLACE_BYTES + 2);
  }
  return bytes;
}

/** `null`: the server takes no such call, or has no memory for children. */
async function send(
  insides: Insides,
  act: Act,
  actor: Owner,
  { keys, args, nonces }: Call,
): Promise<readonly unknown[] | null> {
  const { link } = insides.context;
  let wasRepeated = false;
  const onRetry = (): void => {
    wasRepeated = true;
  };
  try {
    const reply = await link.call(ACT_ON_RUNS, keys, args, { onRetry });
    for (const [room, nonce] of nonces) noteArrived(room, nonce, wasRepeated);
    return reply;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    if (error.message.includes("CROSSSLOT")) insides.acts.areRefused = true;
    if (insides.acts.areRefused || error.code === "STORE_FULL") return null;
    if (error.code === "STORE_BUSY") {
      // It may have been done, or be done yet: the same call is made until its answer is known.
      const late = link
        .call(ACT_ON_RUNS, keys, args, { deadlineMs: Number.POSITIVE_INFINITY })
        .then((reply) => {
          for (const [room, nonce] of nonces) noteArrived(room, nonce, true);
          return readAct(act, actor, reply);
        });
      goOnWithout(insides, act, actor, late);
    }
    throw error;
  }
}

/** Nobody waits for it any more: who settles again is told, and what it hands over is given back. */
function goOnWithout(insides: Insides, act: Act, { worker }: Owner, late: Promise<Acted>): void {
  for (const [index, { room, settlements }] of act.exchanges.entries()) {
    const answer = late.then(({ replies, handed }) => ({
      settled: settlements.map((each): SettleReply => replies.get(each) ?? GONE),
      news: [],
      claimed: index === 0 ? handed : [],
      handed: [],
      lookAgainInMs: null,
      hasMore: false,
    }));
    insides.leave({ room, worker, settlements }, answer);
  }
  if (act.exchanges.length > 0) return;
  late.then(({ handed }) => insides.giveBack(handed)).catch(() => {});
}

const GONE: SettleReply = { accepted: false, why: "gone" };

function readAct(act: Act, { worker }: Owner, reply: readonly unknown[]): Acted {
  const parts = reply.slice(1) as (readonly unknown[])[];
  const replies = new Map<Settlement, SettleReply>();
  const undecided: (readonly [OpenRoom, Settlement])[] = [];
  for (const exchange of act.exchanges) {
    const part = partOf(parts, exchange.room);
    readExchange(exchange, String(part[2]), replies, undecided);
  }
  const answers: Answered[] = [];
  for (const { room, sayings } of act.speeches) {
    const part = partOf(parts, room);
    const letters = String(part[2]);
    const spoken = { nowMs: Number(part[0]), letters, ...NO_FIELDS };
    for (const [index, saying] of sayings.entries()) {
      answers.push({ ...saying, room, spoken, letter: letters[index] ?? "g" });
    }
  }
  const handed = act.keeps.flatMap(({ room, groups }) =>
    handedOver(room, groups, partOf(parts, room), { worker, isFirst: true }),
  );
  return { replies, undecided, answers, handed };
}

/** Nothing stands in an outbox. */
const NO_FIELDS = {
  childrenField: Buffer.from(ENTRY.children),
  cancelsField: Buffer.from(ENTRY.cancels),
};

/** Takes the next part of a reply. */
function partOf(parts: (readonly unknown[])[], room: OpenRoom): readonly unknown[] {
  const part = parts.shift() ?? [];
  room.isFollowed = part[1] === 1;
  return part;
}

function readExchange(
  exchange: ActExchange,
  letters: string,
  replies: Map<Settlement, SettleReply>,
  undecided: (readonly [OpenRoom, Settlement])[],
): void {
  const read = readReplies(exchange, letters);
  for (const [settlement, answer] of read.replies) replies.set(settlement, answer);
  for (const settlement of read.undecided) undecided.push([exchange.room, settlement]);
}
