// The words of the owners of workflow runs, as the rooms of the runs take them.
import type { JobChange } from "../../../core/events.ts";
import type { JobState } from "../../../core/job.ts";
import { advance as decide } from "../../../core/run-transitions.ts";
import type { Advance } from "../../../core/run.ts";
import type { TypeRecord } from "../../../core/store.ts";
import { policyOf } from "../context.ts";
import { type Ending, endingBy } from "./endings.ts";
import { type Move, writeMove, writeRemoval } from "../moves.ts";
import { SYMBOLIC_NOW_MS, type StoredJob } from "../records.ts";
import type { Word } from "./speaking.ts";

/** What is said of an advance. */
export interface Saying {
  readonly advance: Advance;
  readonly word: Word;
  /** Of a last word that ends a run which another made. */
  readonly ending: Ending | null;
}

/** What the words of a worker are decided by. */
export interface Speaker {
  readonly worker: string;
  readonly types: ReadonlyMap<string, TypeRecord>;
}

/** What a word says beside what its run's own room keeps of it. */
export type Elsewhere = Pick<Word, "isRefused" | "children" | "cancels">;

/** The word of a run that goes on. */
export function sayingOn(
  { worker }: Pick<Speaker, "worker">,
  advance: Advance,
  elsewhere: Elsewhere,
): Saying {
  const { id, token, from, entries, next } = advance;
  const guard = `s${worker}\0${token}`;
  const kind = next.kind === "waiting" ? "w" : "r";
  const word: Word = { ...elsewhere, id, guard, entries, kind, from, known: null };
  return { advance, ending: null, word };
}

/** The last word of a run. `isRead`: by how it was just read, and not as its owner claimed it. */
export function lastSaying(
  speaker: Speaker,
  said: { readonly advance: Advance; readonly read: StoredJob; readonly isRead: boolean },
  elsewhere: Elsewhere,
): Saying {
  const { advance, read, isRead } = said;
  const { id, token, from, entries, next } = advance;
  const guard = `s${speaker.worker}\0${token}`;
  const base = { ...elsewhere, id, guard, entries };
  const decided = decideLast(speaker, read, advance);
  // Refused by the script too, which says whether it is kept at all. With its texts it could look like a word kept before.
  if (decided === null) {
    const word: Word = { ...base, entries: [], kind: "r", from: -1, known: null };
    return { advance, ending: null, word };
  }
  const isLetGo = next.kind === "release" && entries.length === 0;
  const isKept = decided.transition.kind === "changed";
  return {
    advance,
    ending: endingBy(read.record, decided.transition),
    word: {
      ...base,
      kind: isKept ? "m" : "d",
      ...(isRead ? { guard: read.guard } : {}),
      from: isLetGo ? null : from,
      known: next.kind === "parked" ? next.facts : null,
      // The last words of a run that is removed at once would be removed with it.
      entries: isKept ? entries : [],
      writeEnd: (args) => {
        if (isKept) writeMove(args, decided);
        else writeRemoval(args, decided);
      },
    },
  };
}

/** What the last word of an owner makes of its run; `null`: nothing, it is not its word. */
export function decideLast(
  { types }: Pick<Speaker, "types">,
  read: StoredJob,
  advance: Advance,
): Move | null {
  const { from, entries, next } = advance;
  // How many texts it has, and what it was told, the script compares.
  const known = read.record.entries ?? 0;
  const isLetGo = next.kind === "release" && entries.length === 0;
  const kept = isLetGo ? known : from;
  const record = { ...read.record, ...(kept > 0 ? { entries: kept } : {}) };
  const told = next.kind === "parked" ? next.facts : 0;
  const policy = policyOf(types, record.type, read.retention);
  const transition = decide(record, { ...advance, from: kept }, told, policy, SYMBOLIC_NOW_MS);
  if (transition.kind === "rejected" || transition.kind === "again") return null;
  return {
    job: read,
    claim: null,
    transition,
    changes: changesOf(advance, transition.kind === "removed", transition.job.state),
    suspicion: { strikes: 0, company: 0 },
  };
}

function changesOf({ next }: Advance, isRemoved: boolean, state: JobState): readonly JobChange[] {
  const changes: JobChange[] = [];
  if (next.kind === "succeeded") changes.push({ kind: "succeeded", result: next.result });
  else if (next.kind === "failed" || next.kind === "cancelled") {
    changes.push({ kind: next.kind, error: next.error });
  } else changes.push({ kind: "advanced", state });
  if (isRemoved) changes.push({ kind: "removed" });
  return changes;
}

/** Whether an outcome lets go of the run. */
export function isLastWord({ next }: Advance): boolean {
  return next.kind !== "running" && next.kind !== "waiting";
}
