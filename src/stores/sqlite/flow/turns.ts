// Turns: what a claim takes of a lane whose jobs have keys, one group after the other.
import type { Context } from "../context.ts";
import type { Row } from "../thread/connection.ts";
import {
  type Gate,
  type Group,
  noteOpening,
  park,
  passGates,
  place,
  roomAt,
  shutGate,
  unparkNext,
} from "./gates.ts";
import type { Lane } from "../lanes.ts";
import {
  AFTER_ALL,
  BEFORE_ALL,
  LAST_EARLY,
  type Round,
  keepRound,
  lastPlace,
  placeBehind,
  roundOf,
} from "./rounds.ts";

/** Groups read ahead at least. */
const LEAST_GROUPS = 8;
/** Groups put aside in one claim at most: it holds up nobody for long, and the next claim goes on. */
const MAX_PUT_ASIDE = 10_000;

/** Places of a ring: those after one, up to another. */
interface Stretch {
  readonly after: number;
  readonly upTo: number;
  /** Whether the next round begins with it. */
  readonly isNext?: boolean;
}

/** How the groups of a lane and their jobs are read. */
export interface TurnReader {
  /** The first groups of a stretch, each as the columns of its first job and its own number. */
  readonly ring: (stretch: Stretch, most: number) => readonly Row[];
  /** The next jobs of a group. */
  readonly heads: (group: Group, after: Row | undefined, most: number) => readonly Row[];
}

const NO_ROWS: readonly Row[] = [];
/** Columns of a job before the number of its group. */
const GROUP_NO = 10;

/** A group in one claim, with the heads of it that were read ahead. */
interface Waiting {
  readonly group: Group;
  rows: readonly Row[];
  next: number;
  isDry: boolean;
  /** Whether it comes before the others, whatever its place. */
  isEarly: boolean;
  /** The round of its last turn; `null`: it had none. */
  servedIn: number | null;
}

/** The turns of one lane in one claim. */
export class Turns {
  readonly #context: Context;
  readonly #lane: Lane;
  readonly #reader: TurnReader;
  readonly #most: number;
  /** What of the ring has not been read, in the order in which its groups come. */
  readonly #stretches: Stretch[];
  readonly #known = new Map<Group, Waiting>();
  /** Groups whose turn it is, in order. */
  #queue: Waiting[] = [];
  /** Those that had theirs and may have another. */
  #served: Waiting[] = [];
  /** All that had one. */
  readonly #touched: Waiting[] = [];
  #round: Round;
  #reached: number;
  /** Whether any group had a turn. */
  #hasPassed = false;
  #putAside = 0;

  constructor(context: Context, lane: Lane, most: number, reader: TurnReader) {
    this.#context = context;
    this.#lane = lane;
    this.#most = most;
    this.#reader = reader;
    this.#round = roundOf(context, lane);
    const { reached, end } = this.#round;
    this.#reached = reached;
    this.#stretches = [
      { after: BEFORE_ALL, upTo: LAST_EARLY },
      { after: reached, upTo: end },
      { after: LAST_EARLY, upTo: reached, isNext: true },
      { after: end, upTo: AFTER_ALL },
    ];
  }

  /** The job that comes next; `undefined`: none of this lane may start. */
  head(): Row | undefined {
    while (this.#putAside < MAX_PUT_ASIDE) {
      const first = this.#next();
      if (first === undefined) return undefined;
      const shut = shutGate(this.#context, first.group);
      if (shut !== undefined) this.#leave(first, shut);
      else {
        const row = this.#headOf(first);
        if (row !== undefined) return row;
        this.#leave(first, null);
      }
    }
    return undefined;
  }

  /** The head was taken: its group counts it, and is last in this claim from now on. Gives the group. */
  take(): Group {
    const first = this.#queue.shift();
    if (first === undefined) throw new Error("nothing was at the head");
    first.next += 1;
    passGates(this.#context, first.group);
    this.#pass(first);
    this.#served.push(first);
    if (first.servedIn === null) this.#touched.push(first);
    first.servedIn = this.#round.no;
    // Whom a wider limit, or time, let go stands for all who wait there: they take turns from here on.
    this.#passOn(first.group, undefined);
    return first.group;
  }

  /** It has its turn. */
  #pass({ group, isEarly }: Waiting): void {
    this.#hasPassed = true;
    if (!isEarly) this.#reached = group.turn ?? 0;
  }

  /** Writes which groups are elsewhere from now on, and how far their round came. */
  close(): void {
    if (!this.#hasPassed) return;
    const context = this.#context;
    keepRound(context, this.#lane, { ...this.#round, reached: this.#reached });
    for (const { group, rows, next, isDry, isEarly, servedIn } of this.#touched) {
      const shut = shutGate(context, group);
      if (isDry && next >= rows.length) place(context, group, null);
      else if (shut !== undefined) park(context, group, shut, (servedIn ?? 0) + 1);
      else if (isEarly) place(context, group, placeBehind(context, this.#lane));
      // Others may stand before the same gate and not have been looked at.
      if (shut !== undefined) noteOpening(context, shut);
      this.#passOn(group, shut);
    }
  }

  #next(): Waiting | undefined {
    if (this.#queue.length === 0 && this.#stretches.length > 0) this.#load();
    if (this.#queue.length === 0 && this.#served.length > 0) {
      this.#queue = this.#served.sort(
        (left, right) => (left.group.turn ?? 0) - (right.group.turn ?? 0),
      );
      this.#served = [];
      this.#beginRound();
    }
    return this.#queue[0];
  }

  #beginRound(): void {
    const { no } = this.#round;
    this.#round = { no: no + 1, reached: 0, end: lastPlace(this.#context, this.#lane) };
    this.#reached = 0;
  }

  #load(): void {
    const want = Math.max(LEAST_GROUPS, this.#most);
    let stretch: Stretch | undefined;
    while (this.#queue.length === 0 && (stretch = this.#stretches.shift()) !== undefined) {
      if (stretch.isNext === true) this.#beginRound();
      if (stretch.after >= stretch.upTo) continue;
      const rows = this.#reader.ring(stretch, want);
      let after = stretch.upTo;
      for (const row of rows) after = this.#enqueue(row);
      if (rows.length === want) this.#stretches.unshift({ after, upTo: stretch.upTo });
    }
    if (this.#queue.length === 0 && this.#served.length === 0) this.#lane.mayHaveTurns = false;
  }

  /** A group of the ring waits for its turn. Gives its place. */
  #enqueue(row: Row): number {
    const group = this.#context.gates.group(this.#context, Number(row[GROUP_NO]));
    const turn = group.turn ?? 0;
    if (this.#known.has(group)) return turn;
    const isEmpty = row[0] === null;
    const waiting: Waiting = {
      group,
      rows: isEmpty ? NO_ROWS : [row],
      next: 0,
      isDry: isEmpty,
      isEarly: turn <= LAST_EARLY,
      servedIn: null,
    };
    this.#known.set(group, waiting);
    this.#queue.push(waiting);
    return turn;
  }

  #headOf(first: Waiting): Row | undefined {
    if (first.next === first.rows.length && !first.isDry) {
      const groups = this.#queue.length + this.#served.length;
      const most = this.#stretches.length === 0 ? Math.ceil(this.#most / groups) : 1;
      first.rows = this.#reader.heads(first.group, first.rows.at(-1), most);
      first.next = 0;
      first.isDry = first.rows.length < most;
    }
    return first.rows[first.next];
  }

  /** A group that has nothing to give now leaves the ring; others that wait where it stood are let go. */
  #leave(first: Waiting, shut: Gate | null): void {
    const { group, servedIn } = first;
    this.#putAside += 1;
    this.#queue.shift();
    this.#pass(first);
    // One that was served is looked at when the claim is over.
    if (servedIn === null) {
      if (shut === null) place(this.#context, group, null);
      else park(this.#context, group, shut, this.#round.no);
    }
    this.#passOn(group, shut ?? undefined);
  }

  #passOn(group: Group, shut: Gate | undefined): void {
    for (const gate of group.gates) {
      if (gate === shut || !gate.hasParked || roomAt(this.#context, gate).room <= 0) continue;
      const next = unparkNext(this.#context, gate, this.#lane);
      if (next === null || next === group) continue;
      const waiting = this.#known.get(next) ?? unread(next);
      waiting.isEarly = true;
      this.#known.set(next, waiting);
      this.#queue.unshift(waiting);
    }
  }
}

/** A group that came into the ring during the claim. */
function unread(group: Group): Waiting {
  return { group, rows: NO_ROWS, next: 0, isDry: false, isEarly: true, servedIn: null };
}
