// The record of a run as the engine writes and reads it: items in JSON, in the order in which things happened.
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";

/*
 * Entries are written by the owner alone, in the order of the run: a step that begins, and what the function was then
 * told. So a replay tells it the same in the same order, whatever order the facts came in. Each entry is a JSON array of
 * items, each item an array with its kind first.
 */

/** A step begins. `of`: the step that it undoes. */
export type Begun =
  | {
      readonly kind: "job";
      readonly step: number;
      readonly name: string;
      readonly atMs: number;
      readonly of: number | null;
      readonly type: string;
      /** `null` once a retry by hand has asked for another. */
      jobId: JobId | null;
      /** Left out where it is long. */
      readonly input?: unknown;
    }
  | {
      readonly kind: "local";
      readonly step: number;
      readonly name: string;
      readonly atMs: number;
      readonly of: number | null;
    }
  | {
      readonly kind: "sleep" | "signal";
      readonly step: number;
      readonly name: string;
      readonly atMs: number;
      readonly of: null;
      readonly untilMs: number | null;
    };

/** The function is told what steps came to. */
export type Answer = Exclude<Told, { kind: "stop" }>;

/** The function is told something. */
export type Told =
  /** Jobs ended (their facts say how), or sleeps are over. Several at once where they are inputs of a fan-out. */
  | {
      readonly kind: "got";
      readonly steps: readonly number[];
      /**
       * The latest of their ends, as the function was told it: an owner hears of the end of a job of its own before the
       * store has it, which keeps a time of its own. Records of older programs have none.
       */
      readonly atMs?: number;
    }
  /** A wait took a signal, by the signal's id; `null`: its time was over. */
  | { readonly kind: "took"; readonly step: number; readonly signal: JobId | null }
  /** A step ended that was no job: a function, or one that ended soon. Its result is kept here and nowhere else. */
  | {
      readonly kind: "did";
      readonly step: number;
      readonly atMs: number;
      readonly startedAtMs: number;
      readonly attempts: number;
      /** Of what would have been a job: who tried it, where that is not who began the run. */
      readonly worker?: string;
      readonly output?: unknown;
      readonly error?: ErrorRecord;
      /** It was told together with the one before it: both are inputs of fan-outs. */
      readonly isBeside?: true;
    }
  /** The run is to end: somebody cancelled it, or its deadline is over. */
  | {
      readonly kind: "stop";
      readonly why: "cancel" | "deadline";
      readonly reason: string;
      readonly atMs: number;
    };

export type Item =
  | {
      readonly kind: "start";
      readonly version: number;
      readonly atMs: number;
      readonly deadlineAtMs: number | null;
      /** Who began it. */
      readonly worker?: string;
    }
  | Begun
  | Told
  /** A job is made anew for a step, after a retry by hand. */
  | { readonly kind: "again"; readonly step: number; readonly jobId: JobId }
  /** What the run came to. `step`: the one whose error it failed with. */
  | {
      readonly kind: "end";
      readonly atMs: number;
      readonly state: "succeeded" | "failed" | "cancelled";
      readonly step: number | null;
      readonly undone: readonly number[];
      /** The first of them, with errors cut short. */
      readonly notUndone: readonly { readonly step: number; readonly error: ErrorRecord }[];
      /** How many, where they are more. */
      readonly notUndoneCount?: number;
    }
  /** A retry by hand: so many items stand, and these steps' jobs are made anew. */
  | { readonly kind: "back"; readonly keep: number; readonly redo: readonly number[] };

/** Longest input kept in a record, in UTF-16 units: a fan-out over large inputs must not be kept twice. */
const MAX_RECORDED_INPUT = 4_096;

/** Writes an item. The input of a job is JSON already. */
export function writeItem(item: Item, input?: JsonText): JsonText {
  const text = JSON.stringify(item);
  if (input === undefined || input.length > MAX_RECORDED_INPUT) return text;
  return `${text.slice(0, -1)},"input":${input}}`;
}

/** Makes an entry of items. */
export function writeEntry(items: readonly JsonText[]): JsonText {
  return `[${items.join(",")}]`;
}

/** What a record says, with what retries by hand took back left out. */
export interface Script {
  /** As they stand. */
  readonly items: readonly Item[];
  /** How often the run was retried by hand. */
  readonly retries: number;
}

/** Reads entries in their order. */
export function readScript(entries: readonly JsonText[]): Script {
  let items: Item[] = [];
  let retries = 0;
  for (const entry of entries) {
    for (const item of JSON.parse(entry) as Item[]) {
      if (item.kind === "back") {
        retries += 1;
        items = items.slice(0, item.keep);
        for (const step of item.redo) setJob(items, step, null);
      } else if (item.kind === "again") setJob(items, item.step, item.jobId);
      else items.push(item);
    }
  }
  return { items, retries };
}

function setJob(items: readonly Item[], step: number, jobId: JobId | null): void {
  const begun = items.find((item) => isBegun(item) && item.step === step);
  if (begun?.kind === "job") begun.jobId = jobId;
}

/** Whether an item says that a step begins. */
export function isBegun(item: Item): item is Begun {
  return ["job", "local", "sleep", "signal"].includes(item.kind);
}

/** Whether an item says what a step came to. */
export function isAnswer(item: Item): item is Answer {
  return item.kind === "got" || item.kind === "did" || item.kind === "took";
}

/**
 * What a retry by hand of a run that ended takes back: from the answer on of the step whose error ended it. Steps begun
 * before that whose jobs failed or were cancelled are made anew. A run of which anything was undone starts over.
 *
 * @param hasFailed whether the job of a step is known to have ended other than by success
 */
export function rewind(
  items: readonly Item[],
  hasFailed: (jobId: JobId) => boolean,
): Extract<Item, { kind: "back" }> {
  const end = items.findLast((item) => item.kind === "end");
  if (end === undefined) return { kind: "back", keep: items.length, redo: [] };
  if (end.undone.length + end.notUndone.length > 0) return { kind: "back", keep: 0, redo: [] };
  const isCut = (item: Item): boolean =>
    item.kind === "stop" ||
    item === end ||
    (item.kind === "did" && item.step === end.step) ||
    (item.kind === "got" && end.step !== null && item.steps.includes(end.step));
  const keep = items.findIndex(isCut);
  const told = new Set<number>();
  for (const item of items.slice(0, keep)) {
    if (item.kind === "got") for (const step of item.steps) told.add(step);
  }
  const redo = items.slice(0, keep).flatMap((item) => {
    if (item.kind !== "job" || told.has(item.step) || item.jobId === null) return [];
    return hasFailed(item.jobId) ? [item.step] : [];
  });
  return { kind: "back", keep, redo };
}
