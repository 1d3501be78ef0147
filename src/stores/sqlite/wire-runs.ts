// The short form in which the words of workflow runs, and the answers to them, cross threads: columns, as in wire.ts.
import type { JobId } from "../../core/ids.ts";
import type { Advance, AdvanceOutcome, AdvanceReply, ChildJob } from "../../core/run.ts";

/** Children of all runs after another. */
interface PackedChildren {
  readonly ids: readonly JobId[];
  /** Types with queues, and the place of each child's among them. */
  readonly kinds: readonly (readonly [type: string, queue: string])[];
  readonly kindOf: readonly number[];
  readonly inputs: readonly string[];
  /** Empty for those that anyone may claim. */
  readonly tokens: readonly string[];
  /** What most have not, by place. */
  readonly rests: readonly (readonly [at: number, rest: Partial<ChildJob>])[];
}

/*
 * The words of a run of two steps took both threads 5 µs as one JSON text, in which their own texts were escaped, and
 * take 2.8 in columns; as objects they would take 7.6.
 */
/** Words of runs. Lists of all of them are one after another, beside how many are whose. */
export interface PackedAdvances {
  /** How much there is to write: see group.ts. */
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
  /** A letter each: see {@link NEXT}. */
  readonly nexts: string;
  /** Of those that succeeded, in turn. */
  readonly results: readonly (readonly [result: string, ageMs: number, count: number])[];
  /** What most have not, by place. */
  readonly others: readonly (readonly [at: number, next: AdvanceOutcome])[];
  readonly cancels: readonly (readonly [at: number, ids: readonly JobId[]])[];
}

/** What a run does next. */
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
  const nexts = new Nexts();
  const children = new Children();
  const cancelled: [number, readonly JobId[]][] = [];
  for (const [at, { id, token, from, entries, ...more }] of advances.entries()) {
    const { children: own = NO_CHILDREN, after = NO_IDS, cancels = NO_IDS, next } = more;
    columns.ids.push(id);
    columns.tokens.push(token);
    columns.froms.push(from);
    columns.entryCounts.push(entries.length);
    for (const entry of entries) columns.entries.push(entry);
    columns.childCounts.push(own.length);
    for (const child of own) children.add(child);
    columns.afterCounts.push(after.length);
    for (const job of after) columns.after.push(job);
    if (cancels.length > 0) cancelled.push([at, cancels]);
    nexts.add(at, next);
  }
  const weight = columns.entries.length + children.packed.ids.length;
  return { weight, ...columns, children: children.packed, cancels: cancelled, ...nexts.packed };
}

/** Gathers what runs do next. */
class Nexts {
  #letters = "";
  readonly #results: [string, number, number][] = [];
  readonly #others: [number, AdvanceOutcome][] = [];

  add(at: number, next: AdvanceOutcome): void {
    if (next.kind === "succeeded") {
      const { ageMs, count } = next.retention;
      this.#results.push([next.result, ageMs, count]);
      this.#letters += NEXT.succeeded;
    } else if (next.kind === "running" || next.kind === "waiting") this.#letters += NEXT[next.kind];
    else {
      this.#others.push([at, next]);
      this.#letters += NEXT.other;
    }
  }

  get packed(): Pick<PackedAdvances, "nexts" | "results" | "others"> {
    return { nexts: this.#letters, results: this.#results, others: this.#others };
  }
}

const USUAL_OF_CHILD: ReadonlySet<string> = new Set(["id", "type", "queue", "input", "token"]);

/** Gathers children. */
class Children {
  readonly packed = {
    ids: [] as JobId[],
    kinds: [] as [string, string][],
    kindOf: [] as number[],
    inputs: [] as string[],
    tokens: [] as string[],
    rests: [] as [number, Partial<ChildJob>][],
  };
  readonly #places = new Map<string, number>();
  #last = 0;

  add(child: ChildJob): void {
    const { ids, inputs, tokens, kindOf, rests } = this.packed;
    for (const key in child) {
      if (USUAL_OF_CHILD.has(key)) continue;
      const { id: _id, type: _type, queue: _queue, input: _input, token: _token, ...rest } = child;
      rests.push([ids.length, rest]);
      break;
    }
    ids.push(child.id);
    inputs.push(child.input);
    tokens.push(child.token ?? "");
    kindOf.push(this.#kind(child));
  }

  #kind({ type, queue }: ChildJob): number {
    const last = this.packed.kinds[this.#last];
    if (last?.[0] === type && last[1] === queue) return this.#last;
    const key = JSON.stringify([type, queue]);
    const known = this.#places.get(key);
    this.#last = known ?? this.packed.kinds.push([type, queue]) - 1;
    if (known === undefined) this.#places.set(key, this.#last);
    return this.#last;
  }
}

/** What was empty, or not said, comes out as empty. */
export function unpackAdvances(packed: PackedAdvances): readonly Advance[] {
  const { ids, tokens, froms, entryCounts, childCounts, afterCounts } = packed;
  const entries = new Sequence(packed.entries);
  const children = new Sequence(unpackChildren(packed.children));
  const after = new Sequence(packed.after);
  const cancels = new Map(packed.cancels);
  const nextOf = unpackNexts(packed);
  return ids.map((id, at) => ({
    id,
    token: tokens[at] ?? "",
    from: froms[at] ?? 0,
    entries: entries.take(entryCounts[at]),
    children: children.take(childCounts[at]),
    cancels: cancels.get(at) ?? NO_IDS,
    after: after.take(afterCounts[at]),
    next: nextOf(at),
  }));
}

/** Gives out parts of a list, one after another. */
class Sequence<Item> {
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

function unpackChildren(packed: PackedChildren): readonly ChildJob[] {
  const { ids, kinds, kindOf, inputs, tokens } = packed;
  const rests = new Map(packed.rests);
  return ids.map((id, at) => {
    const [type, queue] = kinds[kindOf[at] ?? 0] ?? ["", ""];
    const usual = { id, type, queue, input: inputs[at] ?? "null" };
    const token = tokens[at] ?? "";
    const child = token === "" ? usual : { ...usual, token };
    const rest = rests.get(at);
    return rest === undefined ? child : { ...child, ...rest };
  });
}

const RUNNING: AdvanceOutcome = { kind: "running" };
const WAITING: AdvanceOutcome = { kind: "waiting" };

/** To be asked for one place after another. */
function unpackNexts({ nexts, results, others }: PackedAdvances): (at: number) => AdvanceOutcome {
  const rare = new Map(others);
  let succeeded = 0;
  return (at) => {
    const letter = nexts[at];
    if (letter === NEXT.running) return RUNNING;
    if (letter === NEXT.succeeded) {
      const [result, ageMs, count] = results[succeeded] ?? ["null", 0, 0];
      succeeded += 1;
      return { kind: "succeeded", result, retention: { ageMs, count } };
    }
    return rare.get(at) ?? WAITING;
  };
}

/** The answers to the words of runs. */
export interface PackedAdvanced {
  /** A letter each: see {@link ANSWER}. */
  readonly answers: string;
  /** A digit for each child of those that were accepted: 1, its run's owner shall run it. */
  readonly claimed: string;
  readonly nowMs: number;
}

const ANSWER = { accepted: "a", stale: "s", gone: "g", refused: "r" } as const;
const WHY: ReadonlyMap<string, "stale" | "gone" | "refused"> = new Map([
  [ANSWER.stale, "stale"],
  [ANSWER.gone, "gone"],
  [ANSWER.refused, "refused"],
]);

export function packAdvanced(
  replies: readonly AdvanceReply[],
  advances: readonly Advance[],
): PackedAdvanced {
  let [answers, digits, nowMs] = ["", "", 0];
  for (const [at, reply] of replies.entries()) {
    if (!reply.accepted) {
      answers += ANSWER[reply.why];
      continue;
    }
    answers += ANSWER.accepted;
    ({ nowMs } = reply);
    const { claimed } = reply;
    let found = 0;
    for (const { id } of advances[at]?.children ?? NO_CHILDREN) {
      const isClaimed = claimed[found] === id;
      if (isClaimed) found += 1;
      digits += isClaimed ? "1" : "0";
    }
  }
  return { answers, claimed: digits, nowMs };
}

export function unpackAdvanced(
  { answers, claimed: digits, nowMs }: PackedAdvanced,
  advances: readonly Advance[],
): readonly AdvanceReply[] {
  let next = 0;
  return Array.from(answers, (answer, at): AdvanceReply => {
    const why = WHY.get(answer);
    if (why !== undefined) return { accepted: false, why };
    const claimed: JobId[] = [];
    for (const { id } of advances[at]?.children ?? NO_CHILDREN) {
      if (digits[next] === "1") claimed.push(id);
      next += 1;
    }
    return { accepted: true, claimed, nowMs };
  });
}
