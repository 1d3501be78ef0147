// The short form in which words of workflow runs, and the answers to them, cross threads: columns, as in wire.ts.
import type { JobId } from "../../../core/ids.ts";
import type { Advance, AdvanceOutcome, AdvanceReply, ChildJob } from "../../../core/run.ts";
import { ChildPacker, type PackedChildren, unpackChildren } from "./wire-children.ts";

/*
 * The words of a run of two steps took both threads 5 µs as one JSON text, in which their own texts were escaped, and
 * take 2.8 in columns; as objects they would take 7.6.
 */

/** Words of runs, in columns. A list that each word has is a column of all their items, beside how many are whose. */
export interface PackedAdvances {
  /** How many rows there are to write, about: what a group of calls is bounded by. */
  readonly weight: number;
  readonly ids: readonly JobId[];
  readonly tokens: readonly string[];
  readonly froms: readonly number[];
  readonly entryCounts: readonly number[];
  readonly entries: readonly string[];
  readonly childCounts: readonly number[];
  readonly children: PackedChildren;
  readonly afterCounts: readonly number[];
  readonly after: readonly JobId[];
  /** A letter for each word: see {@link NEXT}. */
  readonly nexts: string;
  /** Of the words that end a run with success, in their order. */
  readonly successes: readonly (readonly [result: string, ageMs: number, count: number])[];
  /** What other words say of what comes next, each with its place. */
  readonly others: readonly (readonly [at: number, next: AdvanceOutcome])[];
  /** Of the words that cancel jobs, each with its place. */
  readonly cancels: readonly (readonly [at: number, ids: readonly JobId[]])[];
}

/** Letters for what a run does next. */
const NEXT = { running: "r", waiting: "w", succeeded: "s", other: "o" } as const;
const NO_CHILDREN: readonly ChildJob[] = [];
const NO_IDS: readonly JobId[] = [];

export function packAdvances(advances: readonly Advance[]): PackedAdvances {
  const columns = {
    ids: [] as JobId[],
    tokens: [] as string[],
    froms: [] as number[],
    entryCounts: [] as number[],
    entries: [] as string[],
    childCounts: [] as number[],
    afterCounts: [] as number[],
    after: [] as JobId[],
  };
  const nexts = new NextPacker();
  const children = new ChildPacker();
  const cancels: [number, readonly JobId[]][] = [];
  for (const [at, advance] of advances.entries()) {
    const { id, token, from, entries, after = NO_IDS, next } = advance;
    const made = advance.children ?? NO_CHILDREN;
    const cancelled = advance.cancels ?? NO_IDS;
    columns.ids.push(id);
    columns.tokens.push(token);
    columns.froms.push(from);
    columns.entryCounts.push(entries.length);
    for (const entry of entries) columns.entries.push(entry);
    columns.childCounts.push(made.length);
    for (const child of made) children.add(child);
    columns.afterCounts.push(after.length);
    for (const job of after) columns.after.push(job);
    if (cancelled.length > 0) cancels.push([at, cancelled]);
    nexts.add(at, next);
  }
  const weight = columns.entries.length + children.packed.ids.length;
  return { weight, ...columns, children: children.packed, cancels, ...nexts.packed };
}

/** Packs what runs do next, one word after the other. */
class NextPacker {
  #letters = "";
  readonly #successes: [string, number, number][] = [];
  readonly #others: [number, AdvanceOutcome][] = [];

  add(at: number, next: AdvanceOutcome): void {
    if (next.kind === "succeeded") {
      const { ageMs, count } = next.retention;
      this.#successes.push([next.result, ageMs, count]);
      this.#letters += NEXT.succeeded;
    } else if (next.kind === "running" || next.kind === "waiting") this.#letters += NEXT[next.kind];
    else {
      this.#others.push([at, next]);
      this.#letters += NEXT.other;
    }
  }

  get packed(): Pick<PackedAdvances, "nexts" | "successes" | "others"> {
    return { nexts: this.#letters, successes: this.#successes, others: this.#others };
  }
}

/** Lists that were left out come out as empty ones. */
export function unpackAdvances(packed: PackedAdvances): readonly Advance[] {
  const { ids, tokens, froms, entryCounts, childCounts, afterCounts } = packed;
  const entries = new Parts(packed.entries);
  const children = new Parts(unpackChildren(packed.children));
  const after = new Parts(packed.after);
  const cancels = new Map(packed.cancels);
  const nexts = unpackNexts(packed);
  return ids.map((id, at) => ({
    id,
    token: tokens[at] ?? "",
    from: froms[at] ?? 0,
    entries: entries.take(entryCounts[at]),
    children: children.take(childCounts[at]),
    cancels: cancels.get(at) ?? NO_IDS,
    after: after.take(afterCounts[at]),
    next: nexts[at] ?? WAITING,
  }));
}

/** A column of lists: gives out one list after the other. */
class Parts<Item> {
  readonly #items: readonly Item[];
  #at = 0;

  constructor(items: readonly Item[]) {
    this.#items = items;
  }

  take(count = 0): readonly Item[] {
    const from = this.#at;
    this.#at += count;
    return this.#items.slice(from, this.#at);
  }
}

const RUNNING: AdvanceOutcome = { kind: "running" };
const WAITING: AdvanceOutcome = { kind: "waiting" };

function unpackNexts({ nexts, successes, others }: PackedAdvances): readonly AdvanceOutcome[] {
  const rare = new Map(others);
  let succeeded = 0;
  return Array.from(nexts, (letter, at) => {
    if (letter === NEXT.running) return RUNNING;
    if (letter === NEXT.succeeded) {
      const [result, ageMs, count] = successes[succeeded] ?? ["null", 0, 0];
      succeeded += 1;
      return { kind: "succeeded", result, retention: { ageMs, count } };
    }
    return rare.get(at) ?? WAITING;
  });
}

/** The answers to the words of runs. */
export interface PackedAnswers {
  /** A letter for each word: see {@link ANSWER}. */
  readonly letters: string;
  /** For each child of the words that were accepted, in their order: 1, it is claimed for its run's owner; 0, it is not. */
  readonly claimed: string;
  /** Of the store; 0 where no word was accepted. */
  readonly nowMs: number;
}

/** Letters for how a word was answered. */
const ANSWER = { accepted: "a", stale: "s", gone: "g", refused: "r" } as const;
const WHY: ReadonlyMap<string, "stale" | "gone" | "refused"> = new Map([
  [ANSWER.stale, "stale"],
  [ANSWER.gone, "gone"],
  [ANSWER.refused, "refused"],
]);

export function packAnswers(
  replies: readonly AdvanceReply[],
  advances: readonly Advance[],
): PackedAnswers {
  let [letters, digits, nowMs] = ["", "", 0];
  for (const [at, reply] of replies.entries()) {
    if (!reply.accepted) {
      letters += ANSWER[reply.why];
      continue;
    }
    letters += ANSWER.accepted;
    ({ nowMs } = reply);
    const { claimed } = reply;
    let found = 0;
    // Claimed are some of the children, in the same order.
    for (const { id } of advances[at]?.children ?? NO_CHILDREN) {
      const isClaimed = claimed[found] === id;
      if (isClaimed) found += 1;
      digits += isClaimed ? "1" : "0";
    }
  }
  return { letters, claimed: digits, nowMs };
}

export function unpackAnswers(
  { letters, claimed: digits, nowMs }: PackedAnswers,
  advances: readonly Advance[],
): readonly AdvanceReply[] {
  let next = 0;
  return Array.from(letters, (letter, at): AdvanceReply => {
    const why = WHY.get(letter);
    if (why !== undefined) return { accepted: false, why };
    const claimed: JobId[] = [];
    for (const { id } of advances[at]?.children ?? NO_CHILDREN) {
      if (digits[next] === "1") claimed.push(id);
      next += 1;
    }
    return { accepted: true, claimed, nowMs };
  });
}
