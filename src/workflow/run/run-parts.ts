// What a run in memory is made of, and how it ends.
import type { AnyJobType } from "../../core/define-job.ts";
import { type MillraceError, toErrorRecord } from "../../core/errors.ts";
import type { AdvanceOutcome, RunFact } from "../../core/run.ts";
import type { RetentionPolicy } from "../../core/store.ts";
import type { RoomParts } from "../../runtime/index.ts";
import type { WorkflowType } from "../define-workflow.ts";
import type { InboxParts } from "./inbox.ts";
import type { LiveRun } from "./live-run.ts";
import type { Item } from "../record/record.ts";
import type { RunStepsParts } from "../steps/run-steps.ts";
import type { Telling } from "./run-log.ts";
import type { SpeechParts } from "./speech.ts";
import type { Turns } from "./turns.ts";
import type { UnderWayParts } from "./under-way.ts";

/** Most steps of one run: a record of so many is replayed in about a second. */
export const MAX_RUN_STEPS = 100_000;

/** Largest record of one run, in UTF-16 units: who takes it up has all of it in memory, as text and parsed. */
export const MAX_RECORD_LENGTH: number = 64 * 1_024 * 1_024;

/** What all runs in memory share. */
export interface LiveRunParts {
  readonly room: Pick<RoomParts, "prepareJob" | "values">;
  readonly turns: Turns;
  /** What work on an input tells on its way. */
  readonly tellingOf: (run: LiveRun, type: AnyJobType, input: unknown, about?: object) => Telling;
  /** The function, run to its end with the steps of this run. Called once; never rejects. */
  readonly runFunction: (run: LiveRun) => Promise<void>;
}

/*
 * A run is what its parts call, and no part is given a literal of closures. V8 puts literals of a place that lived on at
 * its first collection straight into the old generation, where dead ones keep all they refer to through every collection
 * of the young: 10 KB of each run of two steps. Objects of classes it does not.
 */
/** What the parts of a run call. */
export type RunEars = InboxParts & SpeechParts & UnderWayParts & RunStepsParts;

/** How a run ends: its last word, and what its record says of it. */
export interface LastWord {
  readonly item: Extract<Item, { kind: "end" }>;
  readonly next: AdvanceOutcome;
}

/** What a record says when a run is taken up. */
export interface Recorded {
  readonly items: readonly Item[];
  /** How often it was retried by hand. */
  readonly retries: number;
  readonly entries: number;
  /** Of the entries, in UTF-16 units. */
  readonly length: number;
  readonly facts: readonly RunFact[];
  readonly cancelReason: string | null;
}

/** The last word of a run whose function can't be followed: nothing is undone, so that it can be taken up again. */
export function brokenWord(
  error: MillraceError,
  atMs: number,
  retention: RetentionPolicy,
): LastWord {
  return {
    item: { kind: "end", atMs, state: "failed", step: null, undone: [], notUndone: [] },
    next: { kind: "failed", error: toErrorRecord(error), retention: retention.failed },
  };
}

/** The first item of a record. */
export function startItem(
  { workflow }: WorkflowType,
  atMs: number,
  worker: string,
): Extract<Item, { kind: "start" }> {
  const { version, deadlineMs } = workflow;
  const deadlineAtMs = deadlineMs === undefined ? null : atMs + deadlineMs;
  return { kind: "start", version, atMs, deadlineAtMs, worker };
}
