// Turns what core's transitions decide into moves, which a script carries out as one act.
import { type PushBack, QUEUE_LIMIT } from "../../core/flow.ts";
import type { JobChange } from "../../core/events.ts";
import type { JobRecord } from "../../core/job.ts";
import type { Transition } from "../../core/transitions.ts";
import { type Context, callOnce } from "./context.ts";
import { type News, endingBy, newsOf, writeEndingOf } from "./runs/endings.ts";
import { gateOf } from "./flow/limit-keys.ts";
import {
  type Extras,
  FLAG,
  SYMBOLIC_NOW_MS,
  type StoredJob,
  extrasOf,
  isSymbolic,
  laneField,
  writeExtras,
} from "./records.ts";
import type { OpenRoom } from "./rooms.ts";
import { EXCHANGE } from "./scripts/exchange.ts";
import { tellNews } from "./runs/speaking.ts";
import { type Arguments, idBytes } from "./link/wire.ts";

/** A decision about a job, ready to be carried out. */
export interface Move {
  readonly job: StoredJob;
  /** The claim that must stand (worker, zero byte, token); `null`: nothing at all may have changed. */
  readonly claim: string | null;
  readonly transition: Exclude<Transition, { kind: "rejected" }>;
  readonly changes: readonly JobChange[];
  /** Last words that are kept with it. */
  readonly progress?: string | undefined;
  readonly lines?: readonly string[] | undefined;
  /** Its handler said that others must wait too. */
  readonly pushBack?: PushBack | undefined;
  /** Of a running job that is asked to cancel. */
  readonly cancel?: { readonly graceMs: number; readonly worker: string; readonly reason: string };
  /** Its marks as a suspect, where they change. */
  readonly suspicion?: { readonly strikes: number; readonly company: number };
}

/** What became of a move: `changed` says that the job was not as it was read. */
export type MoveResult = "moved" | "stale" | "gone" | "changed";

const RESULTS: Readonly<Record<string, MoveResult>> = {
  a: "moved",
  s: "stale",
  g: "gone",
  c: "changed",
};

/** Reads the letter of a move. */
export function moveResult(letter: string | undefined): MoveResult {
  return RESULTS[letter ?? ""] ?? "gone";
}

/** Of jobs that nobody holds. */
const PLACES: Readonly<Record<string, string>> = {
  scheduled: "T",
  ready: "T",
  waiting: "P",
  succeeded: "S",
  failed: "F",
  cancelled: "C",
};

/** Writes the arguments of a move; the script says which they are. */
export function writeMove(args: Arguments, move: Move): void {
  const { job, transition } = move;
  const { id } = job.record;
  args.id(id);
  if (move.claim === null) args.raw(job.guard);
  else args.text(`s${move.claim}`);
  const events = eventsOf(move);
  if (transition.kind === "removed") {
    args.text("G").number(0);
    for (const empty of ["", "", "", "", "", ""]) args.text(empty);
    args.text(events);
    for (const empty of ["", "", "", "", ""]) args.text(empty);
    writeEnding(args, move);
    args.text(pushedBack(move));
    return;
  }
  const after = transition.job;
  const isEnded = after.finishedAtMs !== null;
  const { extras, flags } = besideAfter(move, after);
  args
    .text(after.token === null ? (PLACES[after.state] ?? "T") : "=")
    .number(flags)
    .text(laneAfter(move, after))
    .text(dueAfter(job.record, after))
    .text(after.input === job.record.input ? "" : `=${after.input}`)
    .text(has(flags, FLAG.extras) ? writeExtras(extras) : "")
    .text(after.result ?? "")
    .text(progressAfter(move, after))
    .text(events)
    .text(after.expiresAtMs === null || isEnded ? "" : timeText(after.expiresAtMs))
    .text(move.cancel === undefined ? "" : String(move.cancel.graceMs))
    .text(move.cancel?.worker ?? "")
    .text(move.cancel?.reason ?? "")
    .text(move.lines === undefined ? "" : JSON.stringify(move.lines));
  writeEnding(args, move);
  args.text(pushedBack(move));
}

function has(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

/** What is kept beside a record after a move, and the flags that say so. */
function besideAfter(
  { job, suspicion }: Move,
  after: JobRecord,
): { readonly extras: Extras; readonly flags: number } {
  const isEnded = after.finishedAtMs !== null;
  const strikes = suspicion?.strikes ?? job.strikes;
  const ageMs = isEnded ? (after.removeAtMs ?? 0) - (after.finishedAtMs ?? 0) : null;
  const { retention, unique, isChoosing } = job;
  const extras = extrasOf(after, { retention, unique, isChoosing, strikes, ageMs });
  const flags =
    (Object.keys(extras).length > 0 ? FLAG.extras : 0) |
    (after.tags.length > 0 ? FLAG.tags : 0) |
    (after.expiresAtMs === null || isEnded ? 0 : FLAG.expires) |
    (after.result === null ? 0 : FLAG.result);
  return { extras, flags };
}

/** What is kept of a job that has ended, where nothing else of it changes. */
export interface KeptEnd {
  /** Of its record's head: place, flags. */
  readonly place: string;
  readonly flags: number;
  readonly extras: string;
  readonly result: string;
  readonly type: string;
  readonly ageMs: number;
}

/** What a move keeps of a job that ends by it; `null`: it does not end, or more changes than that. */
export function keptEndOf(move: Move): KeptEnd | null {
  const { job, transition, progress, lines, pushBack } = move;
  const after = transition.job;
  if (transition.kind !== "changed" || after.finishedAtMs === null) return null;
  if (progress !== undefined || lines !== undefined || pushBack !== undefined) return null;
  const isSame =
    laneAfter(move, after) === "" &&
    dueAfter(job.record, after) === "" &&
    after.input === job.record.input;
  if (!isSame || progressAfter(move, after) !== "") return null;
  const { extras, flags } = besideAfter(move, after);
  const { t: type = "", A: ageMs = 0 } = extras;
  const place = PLACES[after.state] ?? "T";
  return { place, flags, extras: writeExtras(extras), result: after.result ?? "", type, ageMs };
}

/** What is said of the last word of a run of which nothing is kept. */
export function writeRemoval(args: Arguments, move: Move): void {
  args.text(eventsOf(move));
  writeEnding(args, move);
}

function eventsOf({ job: { record }, changes }: Move): string {
  const { id, type, queue } = record;
  return changes.map((change) => JSON.stringify({ id, type, queue, ...change })).join(",");
}

/** What the run that made the job is told, where this is its end. */
function writeEnding(args: Arguments, { job, transition }: Move): void {
  const ending = endingBy(job.record, transition);
  if (ending === null) args.text("");
  else writeEndingOf(args, idBytes(job.record.id), ending, false);
}

/** A handler pushes back on its queue, or on a key of its job: on others it is not heard. */
function pushedBack({ job, pushBack }: Move): string {
  if (pushBack === undefined) return "";
  const { limit, delayMs } = pushBack;
  const key = job.record.keys.find((each) => each.limit === limit);
  if (key === undefined && limit !== QUEUE_LIMIT) return "";
  return `${Math.ceil(delayMs)} ${limit === QUEUE_LIMIT || key === undefined ? QUEUE_LIMIT : gateOf(key)}`;
}

function laneAfter({ job, suspicion }: Move, { headStartMs, keys }: JobRecord): string {
  const { lane } = job;
  const company = suspicion?.company ?? lane.company;
  const isKeyed = keys.length > 0;
  const isSame =
    company === lane.company && headStartMs === lane.headStartMs && isKeyed === lane.isKeyed;
  return isSame ? "" : laneField({ ...lane, headStartMs, company, isKeyed });
}

/** What a held job's progress is only the store knows: it stays unless the transition took away what was read. */
function progressAfter({ job, progress }: Move, after: JobRecord): string {
  if (progress !== undefined) return `=${progress}`;
  return after.progress === null && job.record.progress !== null ? "-" : "";
}

function dueAfter(before: JobRecord, after: JobRecord): string {
  if (after.dueAtMs === before.dueAtMs) return "";
  return timeText(after.dueAtMs);
}

/** A time for the script: from its own now where it is symbolic. */
export function timeText(atMs: number): string {
  return isSymbolic(atMs) ? `+${Math.round(atMs - SYMBOLIC_NOW_MS)}` : String(atMs);
}

/**
 * Carries out moves of one room. Runs that made jobs which end by it are told, unless `news` takes what is to be told.
 */
export async function applyMoves(
  context: Context,
  room: OpenRoom,
  moves: readonly Move[],
  news?: News[],
): Promise<readonly MoveResult[]> {
  if (moves.length === 0) return [];
  const reply = await callOnce(context, room, EXCHANGE, (args) => {
    args.text("").text("1").number(0).number(moves.length).number(0);
    for (const move of moves) writeMove(args, move);
  });
  const letters = String(reply[2]);
  const ended = newsOfMoves(room, moves, letters, Number(reply[0]));
  if (news === undefined) await tellNews(context, ended, "");
  else news.push(...ended);
  return Array.from(letters, moveResult);
}

/** What runs are told of the jobs that moves ended, by the letters of their results. */
export function newsOfMoves(
  room: OpenRoom,
  moves: readonly Move[],
  letters: string,
  nowMs: number,
): readonly News[] {
  const news: News[] = [];
  for (const [index, { job, transition }] of moves.entries()) {
    const { id, parent } = job.record;
    if (parent === undefined || letters[index] !== "a") continue;
    const ending = endingBy(job.record, transition);
    if (ending !== null) news.push(newsOf(ending, id, room, nowMs));
  }
  return news;
}
