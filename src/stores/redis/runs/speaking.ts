// Speaks to a room about its workflow runs: what they are told, and how far they are.
import type { JobId } from "../../../core/ids.ts";
import type { RunFact } from "../../../core/run.ts";
import { type Context, callOnce } from "../context.ts";
import type { News } from "./endings.ts";
import type { OpenRoom } from "../rooms.ts";
import { SPEAK } from "../scripts/runs.ts";
import { type Arguments, idBytes } from "../link/wire.ts";

/** Facts in one call. */
const MAX_FACTS = 500;
/** Most text in one call. */
const MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** What the owner of a run says of it, as the script takes it. */
export interface Word {
  readonly id: JobId;
  /** See move.ts. */
  readonly guard: string | Buffer;
  /** `null`: no matter; below 0: as many as no run has. */
  readonly from: number | null;
  /** It goes on, running or waiting; or this is its last word, a move, or it is done and nothing is kept of it. */
  readonly kind: "r" | "w" | "m" | "d";
  readonly isRefused: boolean;
  /** Facts that its owner knows; `null`: no matter. */
  readonly known: number | null;
  readonly entries: readonly string[];
  /** Jobs that it makes, and those that it cancels, as JSON. */
  readonly children: readonly string[];
  readonly cancels: readonly string[];
  /** Writes the move, or what is said of one that is done. */
  readonly writeEnd?: (args: Arguments) => void;
}

/** What a room answered. */
export interface Spoken {
  readonly nowMs: number;
  /** Of the facts, then of the words. */
  readonly letters: string;
  /** Entries of the outbox: children, and jobs to be cancelled. */
  readonly childrenField: Buffer;
  readonly cancelsField: Buffer;
}

/** Entries of the outbox: jobs of children, jobs to be cancelled, the end of a job. */
export const ENTRY: { readonly children: "c"; readonly cancels: "k"; readonly ending: "f" } = {
  children: "c",
  cancels: "k",
  ending: "f",
};
const KINDS: Readonly<Record<RunFact["kind"], string>> = { ended: "e", signal: "s" };

/** What is said to a room in one act. `by`: the worker that says it, and so knows it already; "": none. */
export interface Speech {
  readonly by: string;
  readonly facts: readonly Pick<News, "run" | "fact">[];
  readonly words: readonly Word[];
}

/** Says it. */
export async function speak(context: Context, room: OpenRoom, speech: Speech): Promise<Spoken> {
  let nonce: Buffer = EMPTY;
  const reply = await callOnce(context, room, SPEAK, (args, own) => {
    nonce = own;
    writeSpeech(args, speech);
  });
  return {
    nowMs: Number(reply[0]),
    letters: String(reply[2]),
    childrenField: fieldOf(ENTRY.children, nonce, 1),
    cancelsField: fieldOf(ENTRY.cancels, nonce, 2),
  };
}

const EMPTY = Buffer.alloc(0);

function fieldOf(kind: string, nonce: Buffer, target: number): Buffer {
  return Buffer.concat([Buffer.from(kind), nonce, Buffer.from([target])]);
}

/** Writes the arguments of a call, from behind its nonces. */
export function writeSpeech(args: Arguments, { by, facts, words }: Speech): void {
  args.text(by).number(facts.length).number(words.length).number(2);
  for (const { run, fact } of facts) {
    args.id(run).id(fact.key).text(KINDS[fact.kind]).text(fact.body);
  }
  args.text(ENTRY.children).text(ENTRY.cancels);
  for (const word of words) {
    const { children, cancels, entries } = word;
    args.id(word.id);
    if (typeof word.guard === "string") args.text(word.guard);
    else args.raw(word.guard);
    args.filled(HEAD_BYTES, (into, at) => writeHead(into, at, word));
    for (const [index, entry] of entries.entries()) {
      args.runText(word.id, (word.from ?? 0) + index, entry);
    }
    for (const child of children) args.text("1").text(child);
    for (const cancel of cancels) args.text("2").text(cancel);
    word.writeEnd?.(args);
  }
}

/** Numbers of a word that are no matter, and that no run has. */
const NO_MATTER = 2 ** 32 - 1;
const NEVER = NO_MATTER - 1;
const HEAD_BYTES = 18;
const REFUSED = "1".charCodeAt(0);
const NOT_REFUSED = "0".charCodeAt(0);

/** Writes what is said of a word beside its texts: in one piece, for an argument is a string to make and to look up. */
function writeHead(
  into: Buffer,
  at: number,
  { kind, isRefused, from, known, entries, children, cancels }: Word,
): void {
  into[at] = kind.charCodeAt(0);
  into[at + 1] = isRefused ? REFUSED : NOT_REFUSED;
  into.writeUInt32BE(from === null ? NO_MATTER : from < 0 ? NEVER : from, at + 2);
  into.writeUInt32BE(known ?? NO_MATTER, at + 6);
  into.writeUInt32BE(entries.length, at + 10);
  into.writeUInt32BE(children.length + cancels.length, at + 14);
}

/** Parts of news that are small enough for one call. */
export function partsOf<Fact extends Pick<News, "fact">>(
  facts: readonly Fact[],
): (readonly Fact[])[] {
  const parts: Fact[][] = [];
  let part: Fact[] = [];
  let characters = 0;
  for (const each of facts) {
    characters += each.fact.body.length;
    if (part.length > 0 && (part.length === MAX_FACTS || characters > MAX_CHARACTERS)) {
      parts.push(part);
      part = [];
      characters = each.fact.body.length;
    }
    part.push(each);
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** News by the rooms in which their runs may be: one, or more when the hashes of two queues are equal. */
export async function newsByRoom(
  context: Context,
  news: readonly News[],
): Promise<Map<OpenRoom, News[]>> {
  const byRoom = new Map<OpenRoom, News[]>();
  for (const each of news) {
    for (const room of await context.rooms.ofId(each.run)) {
      const list = byRoom.get(room);
      if (list === undefined) byRoom.set(room, [each]);
      else list.push(each);
    }
  }
  return byRoom;
}

/** The run has heard, or there is none: it is not told again. */
export function noteTold(context: Context, news: readonly News[]): void {
  for (const { fact, from } of news) {
    if (from !== null) context.delivered.arrived(from, endingField(fact.key));
  }
}

function endingField(child: JobId): Buffer {
  return Buffer.concat([Buffer.from(ENTRY.ending), idBytes(child)]);
}

/**
 * Brings ends of jobs to the runs that made them. One that can't be reached now is told by a sweep: the end stands in
 * the outbox of the job's room.
 */
export async function tellNews(context: Context, news: readonly News[], by: string): Promise<void> {
  if (news.length === 0) return;
  let byRoom: Map<OpenRoom, News[]>;
  try {
    byRoom = await newsByRoom(context, news);
  } catch {
    return;
  }
  const failed = new Set<News>();
  await Promise.all(
    [...byRoom].map(async ([room, own]) => {
      for (const facts of partsOf(own)) {
        try {
          await speak(context, room, { by, facts, words: [] });
        } catch {
          for (const each of facts) failed.add(each);
        }
      }
    }),
  );
  noteTold(
    context,
    news.filter((each) => !failed.has(each)),
  );
}
