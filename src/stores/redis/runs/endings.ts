// What workflow runs are told of the ends of the jobs that they made.
import type { JobId } from "../../../core/ids.ts";
import { type JobRecord, type JsonText, isTerminal } from "../../../core/job.ts";
import { type RunFact, endingOf, writeEnding } from "../../../core/run.ts";
import type { Transition } from "../../../core/transitions.ts";
import { SYMBOLIC_NOW_MS } from "../records.ts";
import type { OpenRoom } from "../rooms.ts";
import { type Arguments, writeId } from "../link/wire.ts";

/*
 * The script that ends a job writes what its run is told into the outbox of the job's own room, in the same act; who
 * ended it brings it to the run's room at once, and a sweep what a process that died left there. A run is told a key
 * once, so bringing it twice changes nothing.
 */

/** What a run is to be told, and the room in whose outbox it stands until then. */
export interface News {
  readonly run: JobId;
  readonly fact: RunFact;
  readonly from: OpenRoom | null;
}

/** Of a job that ended: the run, and the text in which the script's own time is still to be put. */
export interface Ending {
  readonly run: JobId;
  readonly text: string;
}

const AT = `"finishedAtMs":${SYMBOLIC_NOW_MS}`;
/** No JSON text has these characters bare. */
const MARK = "\u00010\u0002";
const AT_MARK = `"finishedAtMs":${MARK}`;

/** What the run that made a job is told when it ends by a transition; `null`: there is none, or it does not end. */
export function endingBy(
  before: JobRecord,
  transition: Exclude<Transition, { kind: "rejected" }>,
): Ending | null {
  const { parent } = before;
  if (parent === undefined || isTerminal(before.state)) return null;
  const after = transition.job;
  if (transition.kind !== "removed" && !isTerminal(after.state)) return null;
  // The first such text is the field: whatever a job or its error says comes after it.
  const text = endingOf(after, SYMBOLIC_NOW_MS).replace(AT, AT_MARK);
  return { run: parent, text };
}

/** What the run that made a job is told of its success. */
export function successEnding(
  run: JobId,
  by: { readonly attempts: number; readonly worker: string; readonly startedAtMs: number },
  result: JsonText,
): Ending {
  const { attempts, worker, startedAtMs } = by;
  const base = { attempts, worker, startedAtMs, finishedAtMs: SYMBOLIC_NOW_MS };
  const text = writeEnding({ state: "succeeded", ...base }, result).replace(AT, AT_MARK);
  return { run, text };
}

const FIRST = "1".charCodeAt(0);
const NOT_FIRST = "0".charCodeAt(0);
const HAS_ENDED = "f".charCodeAt(0);
const OF_JOB = "e".charCodeAt(0);
/** Of an ending, before its text. */
const HEAD_BYTES = 35;

/** Writes the ending of a job as scripts take it. `isFirst`: it can't have ended before. */
export function writeEndingOf(
  args: Arguments,
  child: Uint8Array,
  { run, text }: Ending,
  isFirst: boolean,
): void {
  args.filled(HEAD_BYTES + Buffer.byteLength(text), (into, at) => {
    into[at] = isFirst ? FIRST : NOT_FIRST;
    writeId(run, into, at + 1);
    into[at + 17] = HAS_ENDED;
    into.set(child, at + 18);
    into[at + 34] = OF_JOB;
    into.utf8Write(text, at + HEAD_BYTES);
  });
}

/** The news of a job that ended at a time of the store. */
export function newsOf({ run, text }: Ending, child: JobId, from: OpenRoom, nowMs: number): News {
  const body = text.replace(MARK, String(nowMs));
  return { run, fact: { key: child, kind: "ended", body }, from };
}
