// Which part of an exchange is one act: steps that end, what the owners of their runs say, the children that they make.
import type { JobId } from "../../../core/ids.ts";
import type { Advance } from "../../../core/run.ts";
import type { ExchangeRequest, Settlement } from "../../../core/store.ts";
import { type Child, type Group, groupsOf, mayBegin } from "./children.ts";
import { type Held, asStored } from "../exchange/claims.ts";
import { isListed } from "../enqueue.ts";
import type { Insides } from "../exchange/exchange.ts";
import { parentOf, readKin } from "./kin.ts";
import { type Settling, prepareSettling } from "../exchange/letters.ts";
import type { OpenRoom } from "../rooms.ts";
import { type Saying, type Speaker, isLastWord, lastSaying, sayingOn } from "./words.ts";

/*
 * One server can do in one call what takes three on a Cluster, where each room is elsewhere: the exchange that settles
 * steps, the speech to their runs, the call that keeps children. An act is of that what comes up again and again;
 * whatever is unusual goes the other way, call by call, and so does all of a Cluster.
 */

/** Settlements, words and children in one act, and their text: it is one script, that others wait for. */
const MAX_SETTLEMENTS = 500;
const MAX_WORDS = 500;
const MAX_CHILDREN = 500;
const MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** A word's place: the speech and the word in it, from 0. */
interface WordPlace {
  readonly speech: number;
  readonly word: number;
}

/** A step that ends. */
interface Ended {
  readonly settlement: Settlement;
  readonly room: OpenRoom;
  /** Of the run that made it. */
  readonly parentRoom: OpenRoom;
}

/** Settlements of one room. */
export interface ActExchange extends Settling {
  readonly room: OpenRoom;
  readonly settlements: readonly Settlement[];
}

/** What is said to one room. */
interface ActSpeech {
  readonly room: OpenRoom;
  readonly sayings: Saying[];
}

/** Children of one room. */
interface ActChildren {
  readonly room: OpenRoom;
  readonly groups: readonly Group[];
  /** The words of the children, in the order of the groups. */
  readonly places: readonly WordPlace[];
}

/** An act. */
export interface Act {
  readonly exchanges: readonly ActExchange[];
  readonly speeches: readonly ActSpeech[];
  readonly keeps: readonly ActChildren[];
  /** Words that stand on settlements: those by exchange and letter, from 0. */
  readonly links: readonly (WordPlace & { readonly exchange: number; readonly letter: number })[];
  /** Steps that end, each with the number of the speech that tells its run. */
  readonly routes: readonly { readonly id: JobId; readonly speech: number }[];
  /** Settlements that are no part of it. */
  readonly others: readonly Settlement[];
}

/** Plans the act of an exchange; `null`: there is none, or something about it is unusual. */
export async function planAct(insides: Insides, request: ExchangeRequest): Promise<Act | null> {
  const { settlements, advances = [], worker } = request;
  if (insides.context.link.isCluster || insides.acts.areRefused) return null;
  if (hasSuspectLanes(insides, request)) return null;
  const sorted = sortOut(insides, settlements);
  if (sorted === null || advances.length > MAX_WORDS) return null;
  if (sorted.ended.length === 0 && advances.length === 0) return null;
  const exchanges = await exchangesOf(insides, sorted.ended);
  if (exchanges === null) return null;
  const types = advances.some(isLastWord) ? await insides.context.types.read() : NO_TYPES;
  const speeches = new Speeches();
  for (const { parentRoom } of sorted.ended) speeches.of(parentRoom);
  const places = speeches.say({ worker, types }, advances, insides.held);
  if (places === null) return null;
  const keeps = keepsOf(insides, places);
  const links = linksOf(exchanges, places);
  if (keeps === null || links === null) return null;
  const routes = sorted.ended.map(({ settlement, parentRoom }) => ({
    id: settlement.id,
    speech: speeches.of(parentRoom),
  }));
  return { exchanges, speeches: speeches.all, keeps, links, routes, others: sorted.others };
}

const NO_TYPES: Speaker["types"] = new Map();

/** What suspects may be given depends on what is settled before. */
export function hasSuspectLanes({ context }: Insides, { claim }: ExchangeRequest): boolean {
  const rooms = (claim?.offers ?? []).flatMap(({ queue }) => context.rooms.known(queue) ?? []);
  return rooms.some(({ lanes }) => lanes.all.some(({ company }) => company > 0));
}

/** Outcomes after which a job may be ready at once. */
const GOES_ON: ReadonlySet<string> = new Set(["retry", "snooze", "release"]);

/** Tells the steps of runs from other jobs; `null`: one of them is unusual. */
function sortOut(
  { context, held, late }: Insides,
  settlements: readonly Settlement[],
): { readonly ended: readonly Ended[]; readonly others: readonly Settlement[] } | null {
  const ended: Ended[] = [];
  const others: Settlement[] = [];
  const ids = new Set<JobId>();
  const parents = new Set<JobId>();
  let characters = 0;
  for (const settlement of settlements) {
    const { id, token, outcome } = settlement;
    const claim = held.get(token);
    if (claim === undefined || late.has(token) || ids.has(id)) return null;
    ids.add(id);
    const parent = parentOf(claim.kin);
    if (parent === null) {
      others.push(settlement);
      continue;
    }
    const parentRoom = context.rooms.knownOfId(parent);
    if (parentRoom === null || "pushBack" in outcome) return null;
    // A run that is to go on may be ready again, and is claimed by this very exchange then.
    if (GOES_ON.has(outcome.kind) && readKin(claim.kin)?.isRun === true) return null;
    parents.add(parent);
    characters += outcome.kind === "succeeded" ? outcome.result.length : 0;
    ended.push({ settlement, room: claim.room, parentRoom });
  }
  // A run that is settled after a step of its own must have heard of its end.
  for (const parent of parents) if (ids.has(parent)) return null;
  return ended.length > MAX_SETTLEMENTS || characters > MAX_CHARACTERS ? null : { ended, others };
}

async function exchangesOf(
  { context, held }: Insides,
  ended: readonly Ended[],
): Promise<readonly ActExchange[] | null> {
  const byRoom = new Map<OpenRoom, Settlement[]>();
  for (const { room, settlement } of ended) {
    const own = byRoom.get(room);
    if (own === undefined) byRoom.set(room, [settlement]);
    else own.push(settlement);
  }
  const exchanges: ActExchange[] = [];
  for (const [room, settlements] of byRoom) {
    const settling = await prepareSettling(context, held, settlements);
    if (settling.decided.some((decision) => !decision?.move)) return null;
    exchanges.push({ ...settling, room, settlements });
  }
  return exchanges;
}

/** What is said, by room. */
class Speeches {
  readonly all: ActSpeech[] = [];
  readonly #places = new Map<OpenRoom, number>();

  /** The number of the speech to a room, from 0. */
  of(room: OpenRoom): number {
    let place = this.#places.get(room);
    if (place === undefined) {
      place = this.all.length;
      this.#places.set(room, place);
      this.all.push({ room, sayings: [] });
    }
    return place;
  }

  /** Words of a worker, each with its place; `null`: one of them is unusual. */
  say(
    speaker: Speaker,
    advances: readonly Advance[],
    held: Pick<ReadonlyMap<string, Held>, "get">,
  ): ReadonlyMap<Advance, WordPlace> | null {
    const places = new Map<Advance, WordPlace>();
    let characters = 0;
    for (const advance of advances) {
      const claim = held.get(advance.token);
      if (claim === undefined || claim.worker !== speaker.worker) return null;
      if ((advance.cancels ?? []).length > 0) return null;
      for (const text of advance.entries) characters += text.length;
      const saying = isLastWord(advance)
        ? lastSaying(speaker, { advance, read: asStored(claim), isRead: false }, NOTHING_ELSE)
        : sayingOn(speaker, advance, NOTHING_ELSE);
      const speech = this.of(claim.room);
      const sayings = this.all[speech]?.sayings ?? [];
      places.set(advance, { speech, word: sayings.length });
      sayings.push(saying);
    }
    return characters > MAX_CHARACTERS ? null : places;
  }
}

/** No entry of an outbox is written: what is to be done in other rooms is done by the act. */
const NOTHING_ELSE = { isRefused: false, children: [], cancels: [] } as const;

function keepsOf(
  { context }: Insides,
  places: ReadonlyMap<Advance, WordPlace>,
): readonly ActChildren[] | null {
  const placeOf = new Map<JobId, WordPlace>();
  const byRoom = new Map<OpenRoom, Child[]>();
  let characters = 0;
  for (const [{ id, children = [] }, place] of places) {
    for (const child of children) {
      const isKnown = context.rooms.known(child.queue) !== undefined;
      const isUsual = isListed(child) || mayBegin(child);
      if (child.isAgain === true || !isKnown || !isUsual) return null;
      characters += child.input.length;
      if (placeOf.has(child.id) || placeOf.size === MAX_CHILDREN) return null;
      placeOf.set(child.id, place);
      const room = context.rooms.ofKnown(child.queue, child.id);
      const own = byRoom.get(room);
      if (own === undefined) byRoom.set(room, [{ ...child, parent: id }]);
      else own.push({ ...child, parent: id });
    }
  }
  if (characters > MAX_CHARACTERS) return null;
  return [...byRoom].map(([room, children]) => {
    const groups = groupsOf(children.sort((left, right) => (left.id < right.id ? -1 : 1)));
    const said = groups.flatMap((group) =>
      group.children.flatMap(({ id }) => placeOf.get(id) ?? []),
    );
    return { room, groups, places: said };
  });
}

/** Which words stand on which settlements; `null`: one stands on something else. */
function linksOf(
  exchanges: readonly ActExchange[],
  places: ReadonlyMap<Advance, WordPlace>,
): Act["links"] | null {
  const letters = new Map<JobId, { readonly exchange: number; readonly letter: number }>();
  for (const [exchange, { plain, other }] of exchanges.entries()) {
    for (const [letter, { id }] of plain.entries()) letters.set(id, { exchange, letter });
    for (const [index, { id }] of other.entries()) {
      letters.set(id, { exchange, letter: plain.length + index });
    }
  }
  const links: Act["links"][number][] = [];
  for (const [{ after = [] }, place] of places) {
    for (const id of after) {
      const letter = letters.get(id);
      if (letter === undefined) return null;
      links.push({ ...place, ...letter });
    }
  }
  return links;
}
