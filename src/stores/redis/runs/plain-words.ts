// Words of workflow runs that say nothing but how far the runs are: most of those of runs whose steps are local.
import type { JobId } from "../../../core/ids.ts";
import type { Advance, AdvanceOutcome } from "../../../core/run.ts";
import type { ExchangeRequest, TypeRecord } from "../../../core/store.ts";
import { type Held, asStored } from "../exchange/claims.ts";
import { callOnce } from "../context.ts";
import type { Insides } from "../exchange/exchange.ts";
import { parentOf } from "./kin.ts";
import { type KeptEnd, keptEndOf } from "../moves.ts";
import type { OpenRoom } from "../rooms.ts";
import { PLAIN_HEAD_BYTES, TAKE_PLAIN_WORDS } from "../scripts/plain-words.ts";
import { type Arguments, writeId } from "../link/wire.ts";
import { decideLast, isLastWord } from "./words.ts";

/*
 * A word of texts alone, or the end of a run of which nothing is kept, concerns nothing but the run itself: it makes no
 * jobs, tells no run, and stands on nothing that the same exchange settles. So it needs none of what an act plans, and
 * is said to the run's room on a Cluster as on one server.
 */

/** Words in one call, and their text: it is one script, that others wait for. */
const MAX_WORDS = 500;
const MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** A word with the claim that it is said by. */
interface PlainWord {
  readonly advance: Advance;
  readonly held: Held;
  /** Of a last word: what is kept of the run; `null`: nothing. */
  readonly kept: KeptEnd | null;
  /** Its place among the advances of the exchange. */
  readonly index: number;
}

/** What is said to one room. */
interface PlainSpeech {
  readonly room: OpenRoom;
  /** What the claims of all words begin with. */
  readonly claim: string;
  readonly words: PlainWord[];
}

/** What an exchange says, by room. */
export type PlainSpeeches = ReadonlyMap<OpenRoom, PlainSpeech>;

/** What became of plain words: a letter each, and the time of their rooms. */
export interface PlainAnswers {
  readonly letters: readonly string[];
  readonly nowMs: readonly number[];
}

/** Plans what is said where all words of an exchange are plain; `null`: some are not, or there are none. */
export function plainSpeechesOf(
  { held }: Pick<Insides, "held">,
  { worker, advances = [], settlements }: ExchangeRequest,
): PlainSpeeches | null {
  if (advances.length === 0 || advances.length > MAX_WORDS) return null;
  // What ends a step is told to its run before the run says anything.
  for (const { token } of settlements) {
    const claim = held.get(token);
    if (claim === undefined || parentOf(claim.kin) !== null) return null;
  }
  const speeches = new Map<OpenRoom, PlainSpeech>();
  const said = new Set<Held>();
  let last: PlainSpeech | undefined;
  let characters = 0;
  for (const [index, advance] of advances.entries()) {
    const claim = held.get(advance.token);
    if (claim === undefined || claim.worker !== worker || said.has(claim)) return null;
    const kept = isPlain(advance, claim) ? keptOf(advance, claim) : NOT_PLAIN;
    if (kept === NOT_PLAIN) return null;
    said.add(claim);
    for (const text of advance.entries) characters += text.length;
    if (last?.room !== claim.room) {
      last = speeches.get(claim.room) ?? speechOf(claim);
      speeches.set(claim.room, last);
    }
    if (!isNumbered(last, claim)) return null;
    last.words.push({ advance, held: claim, kept, index });
  }
  return characters > MAX_CHARACTERS ? null : speeches;
}

function isPlain(advance: Advance, { room, kin }: Held): boolean {
  const { children, cancels, after } = advance;
  // Whoever follows is told of each word.
  if (room.isFollowed) return false;
  if (children !== undefined && children.length > 0) return false;
  if (cancels !== undefined && cancels.length > 0) return false;
  if (after !== undefined && after.length > 0) return false;
  if (!isLastWord(advance)) return true;
  return !room.isLimited && "retention" in advance.next && parentOf(kin) === null;
}

const NOT_PLAIN = Symbol("not plain");

/** What is kept of a run after its last word; `null`: nothing, or it is not its last. */
function keptOf(advance: Advance, held: Held): KeptEnd | typeof NOT_PLAIN | null {
  if (!isLastWord(advance) || isRemoved(advance.next)) return null;
  // No policy of its type has a part in it: the outcome says how long it is kept.
  const decided = decideLast({ types: NO_TYPES }, asStored(held), advance);
  return (decided === null ? null : keptEndOf(decided)) ?? NOT_PLAIN;
}

const NO_TYPES: ReadonlyMap<string, TypeRecord> = new Map();

/** Whether nothing is kept of a run that ends so. */
function isRemoved(next: AdvanceOutcome): boolean {
  if (!("retention" in next)) return false;
  return next.retention.ageMs === 0 || next.retention.count === 0;
}

function speechOf({ room, worker, token }: Held): PlainSpeech {
  const claim = `${worker}\0${token.slice(0, token.lastIndexOf(".") + 1)}`;
  return { room, claim, words: [] };
}

/** Whether a claim is what others begin with and a number: one that was handed to the worker has a token of another kind. */
function isNumbered({ claim }: PlainSpeech, { worker, token }: Held): boolean {
  const length = claim.length - worker.length - 1;
  return length > 0 && token.startsWith(claim.slice(worker.length + 1)) && token.length > length;
}

/** Says them, to all rooms at once. */
export async function sayPlainWords(
  { context, workers }: Pick<Insides, "context" | "workers">,
  worker: string,
  speeches: PlainSpeeches,
): Promise<PlainAnswers> {
  const letters: string[] = [];
  const nowMs: number[] = [];
  const state = workers.get(worker);
  await Promise.all(
    [...speeches.values()].map(async (speech) => {
      const { room, words } = speech;
      state?.owns(room);
      const reply = await callOnce(context, room, TAKE_PLAIN_WORDS, (args) => {
        args.text(speech.claim);
        const hasLast = words.some(({ advance }) => isLastWord(advance));
        args.text(hasLast ? "1" : "0");
        args.filled(headsLength(speech), (into, at) => writeHeads(into, at, speech));
        for (const { advance, kept } of words) {
          const { id, from, entries } = advance;
          if (kept === null && isLastWord(advance)) continue;
          for (const [text, entry] of entries.entries()) args.runText(id, from + text, entry);
          if (kept !== null) writeKept(args, kept);
        }
      });
      room.isLimited = reply[3] === 1;
      const said = reply[0] === -1 ? null : String(reply[2]);
      for (const [place, { index }] of words.entries()) {
        letters[index] = said === null ? SAID_OTHERWISE : (said[place] ?? "g");
        nowMs[index] = Number(reply[0]);
      }
    }),
  );
  return { letters, nowMs };
}

function writeKept(args: Arguments, { place, flags, ageMs, type, extras, result }: KeptEnd): void {
  args.filled(KEPT_HEAD_BYTES + Buffer.byteLength(type), (into, at) => {
    into[at] = place.charCodeAt(0);
    into[at + 1] = flags;
    into.writeUIntBE(Math.floor(ageMs), at + 2, 6);
    into.utf8Write(type, at + KEPT_HEAD_BYTES);
  });
  args.text(extras).text(result);
}

/** Place, flags, ms that it is kept. */
const KEPT_HEAD_BYTES = 8;

/** The letter of a word that is to be said in the way of any other. */
export const SAID_OTHERWISE = "c";

const RUNNING = "r".charCodeAt(0);
const WAITING = "w".charCodeAt(0);
const REMOVED = "d".charCodeAt(0);
const KEPT = "m".charCodeAt(0);
const REMOVED_NEXT = "D".charCodeAt(0);

/** Characters of a token before its number. */
function startOf({ claim, words }: PlainSpeech): number {
  return claim.length - (words[0]?.held.worker.length ?? 0) - 1;
}

function headsLength(speech: PlainSpeech): number {
  const start = startOf(speech);
  let length = 0;
  for (const { advance } of speech.words) length += PLAIN_HEAD_BYTES + advance.token.length - start;
  return length;
}

function writeHeads(into: Buffer, first: number, speech: PlainSpeech): void {
  const start = startOf(speech);
  let at = first;
  let lastNumber = -1;
  let lastId: JobId = "";
  for (const { advance, kept } of speech.words) {
    const { id, from, entries, next, token } = advance;
    const digits = token.slice(start);
    writeId(id, into, at);
    into.writeUInt32BE(from, at + 16);
    if (kept === null && isLastWord(advance)) {
      const number = Number(digits);
      into.writeUInt16BE(0, at + 20);
      into[at + 22] = number === lastNumber + 1 && id > lastId ? REMOVED_NEXT : REMOVED;
      lastNumber = number;
      lastId = id;
    } else {
      into.writeUInt16BE(entries.length, at + 20);
      into[at + 22] = kept !== null ? KEPT : next.kind === "waiting" ? WAITING : RUNNING;
    }
    into[at + 23] = digits.length;
    into.latin1Write(digits, at + PLAIN_HEAD_BYTES);
    at += PLAIN_HEAD_BYTES + digits.length;
  }
}
