// What the owners of workflow runs say of them, in an exchange: told to the runs' rooms, then done in others.
import type { JobId } from "../../../core/ids.ts";
import type { Advance, AdvanceReply, ChildJob } from "../../../core/run.ts";
import type { TypeRecord } from "../../../core/store.ts";
import { type Child, type KeepJobs, keepChildren } from "./children.ts";
import { type Held, asStored } from "../exchange/claims.ts";
import { type Context, ownNowMs } from "../context.ts";
import { type News, newsOf } from "./endings.ts";
import type { WorkerState } from "../exchange/worker-state.ts";
import { cancelJobs } from "../orders/orders.ts";
import { writeJob } from "../outbox.ts";
import { readJobs } from "../reading.ts";
import type { StoredJob } from "../records.ts";
import type { OpenRoom } from "../rooms.ts";
import { NO_NEED, isFresh, openChildren } from "./run-outbox.ts";
import { type Spoken, newsByRoom, noteTold, partsOf, speak, tellNews } from "./speaking.ts";
import { type Saying, isLastWord, lastSaying, sayingOn } from "./words.ts";

/*
 * Three round trips, each to all rooms at once: the exchange has settled what ended (the ends of steps stand in the
 * outboxes of their rooms); then each run's room hears of the ends and keeps what its owner says, with what is to be
 * done in other rooms in its outbox, in one act; then that is done. A process that dies between two of them leaves the
 * rest to a sweep.
 */

/** How often a last word is decided anew because its run changed meanwhile. */
const MAX_DECISIONS = 5;
/** Words in one call, and their text. */
const MAX_WORDS = 200;
const MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** What advancing needs of the store. */
export interface Advancing {
  readonly context: Context;
  readonly keepJobs: KeepJobs;
  readonly worker: string;
  readonly state: WorkerState | undefined;
  readonly find: (token: string) => Held | undefined;
  readonly giveBack: (claims: readonly Held[]) => Promise<void>;
  /** Whether its worker may be handed children: not one that runs suspects. */
  readonly mayHandOver: boolean;
  readonly types: ReadonlyMap<string, TypeRecord>;
}

/** What became of the advances of an exchange. */
export interface Advanced {
  readonly replies: readonly AdvanceReply[];
  /** Children that were handed over. */
  readonly handed: readonly Held[];
}

/** One advance with what its room answered. */
export interface Answered extends Saying {
  readonly room: OpenRoom;
  readonly spoken: Spoken;
  readonly letter: string;
}

/** Tells runs of what ended, and keeps what their owner says. `refused`: jobs whose settlement was not accepted. */
export async function advanceRuns(
  advancing: Advancing,
  advances: readonly Advance[],
  refused: ReadonlySet<JobId>,
  news: readonly News[],
): Promise<Advanced> {
  const answers = new Map<Advance, Answered>();
  let left = advances;
  let facts = news;
  const saidAtMs = ownNowMs(advancing.context);
  for (let tries = 0; left.length > 0 && tries < MAX_DECISIONS; tries += 1) {
    const byRoom = await sayingsByRoom(advancing, left, { refused, isAgain: tries > 0 });
    for (const answered of await sayAll(advancing, byRoom, facts)) {
      const known = answers.get(answered.advance);
      if (known === undefined || known.letter === "g" || known.letter === "c") {
        answers.set(answered.advance, answered);
      }
    }
    facts = [];
    left = left.filter((each) => answers.get(each)?.letter === "c");
  }
  const handed = await doElsewhere(advancing, [...answers.values()], saidAtMs);
  const claimed = new Set(handed.map(({ token }) => token));
  return {
    handed,
    replies: advances.map((advance) => replyOf(advance, answers.get(advance), claimed)),
  };
}

function isAccepted({ letter }: Answered): boolean {
  return letter === "a" || letter === "k";
}

/** What its owner is told of an advance. */
export function replyOf(
  { children }: Advance,
  answered: Answered | undefined,
  claimed: ReadonlySet<string>,
): AdvanceReply {
  if (answered === undefined || answered.letter === "g") return { accepted: false, why: "gone" };
  if (answered.letter === "f") return { accepted: false, why: "refused" };
  if (!isAccepted(answered)) return { accepted: false, why: "stale" };
  const mine = (children ?? []).filter(({ token }) => token !== undefined && claimed.has(token));
  return { accepted: true, claimed: mine.map(({ id }) => id), nowMs: answered.spoken.nowMs };
}

/** The words for each room. `isAgain`: what is remembered of a claim is not how its job is. */
async function sayingsByRoom(
  advancing: Advancing,
  advances: readonly Advance[],
  how: { readonly refused: ReadonlySet<JobId>; readonly isAgain: boolean },
): Promise<Map<OpenRoom, Saying[]>> {
  const byRoom = new Map<OpenRoom, Saying[]>();
  for (const advance of advances) {
    const held = advancing.find(advance.token);
    const isOwn = held !== undefined && held.worker === advancing.worker;
    const rooms = isOwn ? [held.room] : await advancing.context.rooms.ofId(advance.id);
    for (const room of rooms) {
      const isRefused = advance.after?.some((id) => how.refused.has(id)) === true;
      const known = isOwn && !how.isAgain ? asStored(held) : null;
      const saying = await sayingOf(advancing, room, { advance, isRefused, known });
      if (saying === null) continue;
      const list = byRoom.get(room);
      if (list === undefined) byRoom.set(room, [saying]);
      else list.push(saying);
    }
  }
  return byRoom;
}

interface Asked {
  readonly advance: Advance;
  readonly isRefused: boolean;
  readonly known: StoredJob | null;
}

/** `null`: the room does not keep it. */
async function sayingOf(
  advancing: Advancing,
  room: OpenRoom,
  asked: Asked,
): Promise<Saying | null> {
  const { advance, isRefused } = asked;
  const { id, children = [], cancels = [] } = advance;
  const elsewhere = {
    isRefused,
    children: children.map((child) => writeChild(child, id)),
    cancels: cancels.map((job) => JSON.stringify(job)),
  };
  if (!isLastWord(advance)) return sayingOn(advancing, advance, elsewhere);
  const read = asked.known ?? (await readJobs(advancing.context, room, [id]))[0] ?? null;
  if (read === null) return null;
  return lastSaying(advancing, { advance, read, isRead: asked.known === null }, elsewhere);
}

/** A child as the outbox keeps it: who runs it is for whoever delivers it. */
function writeChild(child: ChildJob, parent: JobId): string {
  // As JSON a field without a value is left out.
  return JSON.stringify(writeJob({ ...child, parent, token: undefined, isBegun: undefined }));
}

/** Says everything in all rooms at once. Rooms that only hear news may fail: a sweep tells them. */
async function sayAll(
  { context, worker, state }: Advancing,
  byRoom: ReadonlyMap<OpenRoom, readonly Saying[]>,
  news: readonly News[],
): Promise<readonly Answered[]> {
  const facts = await newsByRoom(context, news);
  const untold = new Set<News>();
  const rooms = [...new Set([...byRoom.keys(), ...facts.keys()])];
  const said = await Promise.allSettled(
    rooms.map(async (room) => {
      const words = byRoom.get(room) ?? [];
      const own = facts.get(room) ?? [];
      if (words.length > 0) state?.owns(room);
      try {
        return await sayInRoom(context, room, { worker, facts: own, sayings: words });
      } catch (error) {
        for (const each of own) untold.add(each);
        if (words.length > 0) throw error;
        return [];
      }
    }),
  );
  noteTold(
    context,
    news.filter((each) => !untold.has(each)),
  );
  const failure = said.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return said.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
}

/** The facts, then the words: in one call where they fit. */
async function sayInRoom(
  context: Context,
  room: OpenRoom,
  said: {
    readonly worker: string;
    readonly facts: readonly News[];
    readonly sayings: readonly Saying[];
  },
): Promise<readonly Answered[]> {
  const parts = partsOf(said.facts);
  const last = parts.pop() ?? [];
  for (const facts of parts) await speak(context, room, { by: said.worker, facts, words: [] });
  const answered: Answered[] = [];
  let facts = last;
  for (const sayings of wordParts(said.sayings)) {
    const words = sayings.map(({ word }) => word);
    const spoken = await speak(context, room, { by: said.worker, facts, words });
    for (const [index, saying] of sayings.entries()) {
      const letter = spoken.letters[facts.length + index] ?? "g";
      answered.push({ ...saying, room, spoken, letter });
    }
    facts = [];
  }
  return answered;
}

/** Parts that are small enough for one call; one without words too, for the facts. */
function wordParts(sayings: readonly Saying[]): (readonly Saying[])[] {
  const parts: Saying[][] = [];
  let part: Saying[] = [];
  let characters = 0;
  for (const saying of sayings) {
    const { entries, children } = saying.word;
    for (const text of [...entries, ...children]) characters += text.length;
    if (part.length > 0 && (part.length === MAX_WORDS || characters > MAX_CHARACTERS)) {
      parts.push(part);
      part = [];
      characters = 0;
    }
    part.push(saying);
  }
  parts.push(part);
  return parts;
}

/**
 * Keeps children, cancels, and tells the runs that made these: what fails is left to a sweep. `saidAtMs`: the time of this
 * process before the first of it was said.
 */
export async function doElsewhere(
  advancing: Advancing,
  answers: readonly Answered[],
  saidAtMs: number,
): Promise<readonly Held[]> {
  const accepted = answers.filter(isAccepted);
  const ended = accepted.flatMap(({ advance, ending, room, spoken }) =>
    ending === null ? [] : [newsOf(ending, advance.id, room, spoken.nowMs)],
  );
  const [handed] = await Promise.all([
    makeChildren(advancing, accepted, saidAtMs),
    tellNews(advancing.context, ended, advancing.worker),
  ]);
  await cancelAll(advancing.context, accepted);
  return handed;
}

async function makeChildren(
  advancing: Advancing,
  accepted: readonly Answered[],
  saidAtMs: number,
): Promise<readonly Held[]> {
  const { context } = advancing;
  const leaseMs = advancing.state?.leaseMs;
  const making = accepted.filter(({ advance }) => (advance.children ?? []).length > 0);
  if (making.length === 0) return [];
  let children: readonly Child[] = making.flatMap(({ advance }) =>
    (advance.children ?? []).map((child) => ({ ...child, parent: advance.id })),
  );
  const isLate =
    making.some(({ letter }) => letter === "k") ||
    children.some((child) => child.isAgain === true) ||
    !isFresh(context, saidAtMs, leaseMs);
  try {
    if (isLate) {
      // Some may have ended by now.
      const askedAtMs = ownNowMs(context);
      children = await openChildren(context, children);
      if (!isFresh(context, askedAtMs, leaseMs)) return [];
    }
    const handed = await keepChildren(context, children, {
      keepJobs: advancing.keepJobs,
      owner: advancing,
      isLate,
      giveBack: advancing.giveBack,
    });
    for (const [room, field] of fieldsOf(making, "childrenField")) {
      context.delivered.arrived(room, field);
    }
    return handed;
  } catch {
    return [];
  }
}

async function cancelAll(context: Context, accepted: readonly Answered[]): Promise<void> {
  const cancelling = accepted.filter(({ word }) => word.cancels.length > 0);
  if (cancelling.length === 0) return;
  try {
    const ids = cancelling.flatMap(({ advance }) => advance.cancels ?? []);
    await cancelJobs(context, { ids, reason: NO_NEED });
    for (const [room, field] of fieldsOf(cancelling, "cancelsField")) {
      context.delivered.arrived(room, field);
    }
  } catch {
    // The entry of the outbox stays: a sweep cancels them.
  }
}

/** Each entry of an outbox once: the words of one call share it. */
function fieldsOf(
  answers: readonly Answered[],
  field: "childrenField" | "cancelsField",
): readonly (readonly [OpenRoom, Buffer])[] {
  return [
    ...new Map(
      answers.map(({ room, spoken }) => [spoken, [room, spoken[field]] as const]),
    ).values(),
  ];
}
