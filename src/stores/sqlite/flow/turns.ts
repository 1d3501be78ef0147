// Turns: what a claim takes of a lane whose jobs have keys, one group after the other.
import type { Context } from "../context.ts";
import type { Row } from "../thread/connection.ts";
import {
  type Gate,
  type Group,
  lastTurn,
  noteOpening,
  park,
  passGates,
  place,
  placeTogether,
  roomAt,
  shutGate,
  unparkNext,
} from "./gates.ts";
import type { Lane } from "../lanes.ts";

/** Groups read ahead at least. */
const LEAST_GROUPS = 8;
/** Groups put aside in one claim at most: it holds up nobody for long, and the next claim goes on. */
const MAX_PUT_ASIDE = 10_000;

/** How the groups of a lane and their jobs are read. */
export interface TurnReader {
  /** The next groups of the ring after a place, each as its number and the columns of its first job. */
  readonly ring: (
    after: { readonly turn: number; readonly no: number },
    most: number,
  ) => readonly Row[];
  /** The next jobs of a group. */
  readonly heads: (group: Group, after: Row | undefined, most: number) => readonly Row[];
}

/** Heads of a group that were read ahead. */
interface Heads {
  rows: readonly Row[];
  next: number;
  isDry: boolean;
}

/** The turns of one lane in one claim. */
export class Turns {
  readonly #context: Context;
  readonly #lane: Lane;
  readonly #reader: TurnReader;
  readonly #heads = new Map<Group, Heads>();
  readonly #most: number;
  /** Groups whose turn it is, in order. */
  #queue: Group[] = [];
  /** Those that had theirs in this round. */
  #served: Group[] = [];
  /** Those that had theirs and may have no other in this claim. */
  readonly #done: Group[] = [];
  readonly #known = new Set<Group>();
  readonly #touched = new Set<Group>();
  #last: { readonly turn: number; readonly no: number } = { turn: -1, no: -1 };
  #isDry = false;
  #putAside = 0;

  constructor(context: Context, lane: Lane, most: number, reader: TurnReader) {
    this.#context = context;
    this.#lane = lane;
    this.#most = most;
    this.#reader = reader;
  }

  /** The job that comes next; `undefined`: none of this lane may start. */
  head(): Row | undefined {
    while (this.#putAside < MAX_PUT_ASIDE) {
      const group = this.#next();
      if (group === undefined) return undefined;
      const shut = shutGate(this.#context, group);
      if (shut !== undefined) this.#leave(group, shut);
      else {
        const row = this.#headOf(group);
        if (row !== undefined) return row;
        this.#leave(group, null);
      }
    }
    return undefined;
  }

  /** The head was taken: its group counts it, and is last from now on. Gives the group. */
  take(): Group {
    const group = this.#queue.shift();
    if (group === undefined) throw new Error("nothing was at the head");
    const heads = this.#heads.get(group);
    if (heads !== undefined) heads.next += 1;
    passGates(this.#context, group);
    this.#served.push(group);
    this.#touched.add(group);
    return group;
  }

  /** Writes the order in which groups come next time. */
  close(): void {
    if (this.#touched.size === 0) return;
    let turn = lastTurn(this.#context, this.#lane);
    // Groups that had as many jobs in this claim share a turn: who had fewer comes before who had more.
    for (const groups of [this.#queue, this.#served, this.#done]) {
      this.#put(
        groups.filter((group) => this.#touched.has(group)),
        turn,
      );
      turn += 1;
    }
  }

  #put(groups: readonly Group[], turn: number): void {
    const staying: Group[] = [];
    const shuts = groups.map((group) => {
      const shut = shutGate(this.#context, group);
      const heads = this.#heads.get(group);
      const isDrained = heads !== undefined && heads.isDry && heads.next >= heads.rows.length;
      if (isDrained) place(this.#context, group, null);
      else if (shut === undefined) staying.push(group);
      else park(this.#context, group, shut, turn);
      // Others may stand before the same gate and not have been looked at.
      if (shut !== undefined) noteOpening(this.#context, shut);
      return shut;
    });
    placeTogether(this.#context, staying, turn);
    for (const [index, group] of groups.entries()) this.#passOn(group, shuts[index]);
  }

  #next(): Group | undefined {
    if (this.#queue.length === 0 && !this.#isDry) this.#load();
    if (this.#queue.length === 0 && this.#served.length > 0) {
      this.#queue = this.#served;
      this.#served = [];
    }
    return this.#queue[0];
  }

  #load(): void {
    const want = Math.max(LEAST_GROUPS, this.#most);
    const rows = this.#reader.ring(this.#last, want);
    for (const [found, ...head] of rows) {
      const group = this.#context.gates.group(this.#context, Number(found));
      this.#last = { turn: group.turn ?? 0, no: group.no };
      if (this.#known.has(group)) continue;
      this.#known.add(group);
      this.#queue.push(group);
      const isEmpty = head[0] === null;
      this.#heads.set(group, { rows: isEmpty ? [] : [head], next: 0, isDry: isEmpty });
    }
    this.#isDry = rows.length < want;
    if (rows.length === 0 && this.#served.length === 0) this.#lane.mayHaveTurns = false;
  }

  #headOf(group: Group): Row | undefined {
    let heads = this.#heads.get(group);
    if (heads === undefined || (heads.next === heads.rows.length && !heads.isDry)) {
      const groups = this.#queue.length + this.#served.length;
      const most = this.#isDry ? Math.ceil(this.#most / groups) : 1;
      const rows = this.#reader.heads(group, heads?.rows.at(-1), most);
      heads = { rows, next: 0, isDry: rows.length < most };
      this.#heads.set(group, heads);
    }
    return heads.rows[heads.next];
  }

  /** A group that has nothing to give now leaves the ring; others that wait where it stood are let go. */
  #leave(group: Group, shut: Gate | null): void {
    this.#putAside += 1;
    this.#queue.shift();
    if (this.#touched.has(group)) this.#done.push(group);
    else if (shut === null) place(this.#context, group, null);
    else park(this.#context, group, shut, group.turn);
    this.#passOn(group, shut ?? undefined);
  }

  #passOn(group: Group, shut: Gate | undefined): void {
    for (const gate of group.gates) {
      if (gate === shut || !gate.hasParked || roomAt(this.#context, gate).room <= 0) continue;
      const next = unparkNext(this.#context, gate, this.#lane);
      if (next === null || next === group) continue;
      this.#known.add(next);
      this.#queue.unshift(next);
    }
  }
}
