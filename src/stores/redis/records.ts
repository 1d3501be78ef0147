// A job between its two forms: the record of core, and the parts that the store keeps of it.
import type { ErrorRecord } from "../../core/errors.ts";
import type { AttemptRecord, CancelRequest, JobRecord, JobState } from "../../core/job.ts";
import type { RetentionPolicy } from "../../core/store.ts";
import { kinFields, readKin } from "./runs/kin.ts";
import { readKeys, writeKeys } from "./flow/limit-keys.ts";
import { idBytes, readId, readTime } from "./link/wire.ts";

/** What a lane's field says after its first letter: type, required labels, head start, company of a suspect. */
export interface LaneDefinition {
  readonly type: string;
  readonly labels: readonly string[];
  readonly headStartMs: number;
  /** Most jobs that may run beside one of this lane, itself included; 0: no matter. */
  readonly company: number;
  /** Whether its jobs have keys that limits count: they wait under these, in turns. */
  readonly isKeyed: boolean;
}

/**
 * The field of a lane in a room's meta hash: `d`, `!` for suspects (who wait by time), `#` for jobs with keys, JSON.
 * Only what has neither mark waits in a list.
 */
export function laneField(lane: LaneDefinition): string {
  const parts = [lane.type, lane.headStartMs, lane.company, ...lane.labels];
  return `d${lane.company > 0 ? "!" : ""}${lane.isKeyed ? "#" : ""}${JSON.stringify(parts)}`;
}

/** Reads a lane's field. */
export function readLaneField(field: string): LaneDefinition {
  const marks = field.indexOf("[");
  const [type, headStartMs, company, ...labels] = JSON.parse(field.slice(marks)) as [
    string,
    number,
    number,
    ...string[],
  ];
  return { type, labels, headStartMs, company, isKeyed: field[marks - 1] === "#" };
}

/** Bits of a record's second byte, and of a running entry's first. */
export const FLAG = {
  extras: 1,
  progress: 2,
  logs: 4,
  tags: 8,
  expires: 16,
  result: 32,
  cancel: 64,
  kin: 128,
} as const;

/** Bytes of a record before the input: place, flags, revision, lane (2), enqueued (6), due (6). */
export const HEAD_BYTES = 17;
/** Bytes of a running entry before the claim: flags, lane (2), started (6). */
export const RUN_HEAD_BYTES = 9;

/** What is kept of a job beside its record, when there is anything: short names, for it is kept per job. */
export interface Extras {
  /** Tags. */
  g?: readonly string[];
  /** Time of expiry. */
  x?: number;
  /** Idempotency key. */
  k?: string;
  /** Key for which it stands until it is over. */
  u?: string;
  /** Retention of its own. */
  y?: RetentionPolicy;
  /** What it is tried by in place of its type's. */
  r?: string;
  /** Attempts, crashes. */
  a?: number;
  c?: number;
  /** Start and worker of the latest try. */
  s?: number;
  w?: string;
  e?: ErrorRecord;
  h?: readonly AttemptRecord[];
  q?: CancelRequest;
  /** Strikes in a row: see suspects.ts. */
  z?: number;
  /** Keys that limits count, as scripts take them. */
  K?: string;
  /** Stands for new jobs of a key. */
  O?: 1;
  /** Of one that ended: type, when it ended, ms that it is kept. */
  t?: string;
  f?: number;
  A?: number;
}

/** Longest retention that a job's removal is counted for: as 48 bits in the index. It stands for ever. */
const FOREVER_MS: number = 2 ** 48 - 1;

/** What the store keeps of a job, as it is read. */
export interface StoredParts {
  readonly id: Buffer;
  readonly record: Buffer;
  /** Empty when it does not run. */
  readonly run: Buffer;
  readonly extras: string;
  readonly progress: string;
  readonly result: string;
  /** Empty where no workflow run is concerned. */
  readonly kin: Buffer;
  readonly lane: LaneDefinition;
}

/** A job as it was read: its record, and what a guarded write must find unchanged. */
export interface StoredJob {
  readonly record: JobRecord;
  readonly retention: RetentionPolicy | undefined;
  /** Key for which it stands; one that is over stands for none, also when it is retried by hand. */
  readonly unique: string | undefined;
  readonly strikes: number;
  /** Whether it stands, until it ends, for new jobs of a key that drop or cancel. */
  readonly isChoosing: boolean;
  readonly lane: LaneDefinition;
  readonly guard: Buffer;
  /** Whether a workflow run made it, or it is one or was told something as one. */
  readonly hasKin: boolean;
}

const PLACES: Readonly<Record<string, JobState>> = {
  S: "succeeded",
  F: "failed",
  C: "cancelled",
  P: "waiting",
};
const GUARDED = Buffer.from("g");

/** Reads a job. */
export function readJob(queue: string, parts: StoredParts, nowMs: number): StoredJob {
  const { record, run, lane } = parts;
  const extras = parts.extras === "" ? {} : (JSON.parse(parts.extras) as Extras);
  const place = String.fromCharCode(record[0] ?? 0);
  const dueAtMs = readTime(record, 11);
  const claim = run.length === 0 ? null : readClaim(run);
  const kin = readKin(parts.kin);
  const held = kin?.isWaiting === true ? "waiting" : "running";
  const state = claim === null ? (PLACES[place] ?? waitingState(place, dueAtMs, nowMs)) : held;
  const finishedAtMs = extras.f ?? null;
  return {
    record: {
      id: readId(parts.id),
      type: lane.type,
      queue,
      state,
      labels: lane.labels,
      tags: extras.g ?? [],
      input: record.toString("utf8", HEAD_BYTES),
      headStartMs: lane.headStartMs,
      attempts: extras.a ?? 0,
      crashes: extras.c ?? 0,
      enqueuedAtMs: readTime(record, 5),
      dueAtMs,
      // A run that has begun does not expire.
      expiresAtMs: kin?.hasBegun === true ? null : (extras.x ?? null),
      startedAtMs: claim?.startedAtMs ?? extras.s ?? null,
      finishedAtMs,
      removeAtMs: finishedAtMs === null ? null : finishedAtMs + readAge(extras.A ?? 0),
      worker: claim?.worker ?? extras.w ?? null,
      token: claim?.token ?? null,
      progress: parts.progress === "" ? null : parts.progress,
      result: parts.result === "" ? null : parts.result,
      error: extras.e ?? null,
      cancelRequest: extras.q ?? null,
      history: extras.h ?? [],
      idempotencyKey: extras.k ?? null,
      keys: extras.K === undefined ? [] : readKeys(extras.K),
      ...(extras.r === undefined ? {} : { terms: extras.r }),
      ...kinFields(kin),
    },
    retention: extras.y === undefined ? undefined : readRetention(extras.y),
    unique: extras.u,
    strikes: extras.z ?? 0,
    isChoosing: extras.O === 1,
    lane,
    guard: Buffer.concat([GUARDED, record.subarray(0, HEAD_BYTES), run]),
    hasKin: kin !== null,
  };
}

function waitingState(place: string, dueAtMs: number, nowMs: number): JobState {
  return place === "T" && dueAtMs > nowMs ? "scheduled" : "ready";
}

/** A running entry's parts. */
function readClaim(run: Buffer): {
  readonly startedAtMs: number;
  readonly worker: string;
  readonly token: string;
} {
  const text = run.toString("utf8", RUN_HEAD_BYTES);
  // What it holds of limits may stand behind it.
  const [worker = "", token = ""] = text.split("\0", 2);
  return { startedAtMs: readTime(run, 3), worker, token };
}

function readAge(ageMs: number): number {
  return ageMs >= FOREVER_MS ? Number.POSITIVE_INFINITY : ageMs;
}

/** An ended job's member in the index by end, as the scripts write it: outcome, type, ms that it is kept, end, id. */
export function endedMember({
  id,
  type,
  state,
  finishedAtMs,
  removeAtMs,
}: Pick<JobRecord, "id" | "type" | "state" | "finishedAtMs" | "removeAtMs">): Buffer {
  const times = Buffer.alloc(12);
  const ageMs = (removeAtMs ?? 0) - (finishedAtMs ?? 0);
  times.writeUIntBE(Math.min(ageMs, FOREVER_MS), 0, 6);
  times.writeUIntBE(finishedAtMs ?? 0, 6, 6);
  const group = `E${state.charAt(0).toUpperCase()}${type}\0`;
  return Buffer.concat([Buffer.from(group), times, idBytes(id)]);
}

/** Writes bounds for JSON, which has no infinity. */
export function writeRetention(policy: RetentionPolicy): RetentionPolicy {
  return mapRetention(policy, (bound) => (Number.isFinite(bound) ? bound : -1));
}

/** Reads them back. */
export function readRetention(policy: RetentionPolicy): RetentionPolicy {
  return mapRetention(policy, (bound) => (bound === -1 ? Number.POSITIVE_INFINITY : bound));
}

function mapRetention(policy: RetentionPolicy, map: (bound: number) => number): RetentionPolicy {
  const side = (outcome: keyof RetentionPolicy): { ageMs: number; count: number } => ({
    ageMs: map(policy[outcome].ageMs),
    count: map(policy[outcome].count),
  });
  return { succeeded: side("succeeded"), failed: side("failed"), cancelled: side("cancelled") };
}

/**
 * The time that transitions are told where only the script will know it. Times at or beyond half of it are meant from
 * then: the script puts its own in their place.
 */
export const SYMBOLIC_NOW_MS = 4e15;

/** Whether a time is meant from the script's own. */
export function isSymbolic(timeMs: number): boolean {
  return timeMs >= SYMBOLIC_NOW_MS / 2;
}

/** Writes extras as JSON in which symbolic times are marks for the script. No JSON text has these characters bare. */
export function writeExtras(extras: Extras): string {
  return writeSymbolic(JSON.stringify(extras));
}

/** Puts marks in place of symbolic times in JSON text. */
export function writeSymbolic(json: string): string {
  return json.replace(
    /(?<=[:,[])(\d{16,})(?=[,}\]])/g,
    (digits, _group, offset: number, whole: string) =>
      isSymbolic(Number(digits)) && !isInText(whole, offset)
        ? `\u0001${Number(digits) - SYMBOLIC_NOW_MS}\u0002`
        : digits,
  );
}

/** Whether a place in JSON is inside a text: an odd number of quotes is before it. Rarely asked. */
function isInText(json: string, offset: number): boolean {
  let isInside = false;
  for (let index = 0; index < offset; index += 1) {
    const unit = json.charCodeAt(index);
    if (unit === 92 && isInside) index += 1;
    else if (unit === 34) isInside = !isInside;
  }
  return isInside;
}

/** What is kept beside the record of a job as a transition left it. */
export function extrasOf(
  job: JobRecord,
  own: {
    readonly retention: RetentionPolicy | undefined;
    readonly unique: string | undefined;
    readonly strikes: number;
    readonly isChoosing: boolean;
    readonly ageMs: number | null;
  },
): Extras {
  const extras: Extras = {};
  if (job.tags.length > 0) extras.g = job.tags;
  if (job.expiresAtMs !== null) extras.x = job.expiresAtMs;
  if (job.idempotencyKey !== null) extras.k = job.idempotencyKey;
  if (own.unique !== undefined && job.finishedAtMs === null) extras.u = own.unique;
  if (own.retention !== undefined) extras.y = writeRetention(own.retention);
  if (job.terms !== undefined) extras.r = job.terms;
  if (job.attempts > 0) extras.a = job.attempts;
  if (job.crashes > 0) extras.c = job.crashes;
  if (job.startedAtMs !== null) extras.s = job.startedAtMs;
  if (job.worker !== null) extras.w = job.worker;
  if (job.error !== null) extras.e = job.error;
  if (job.history.length > 0) extras.h = job.history;
  if (job.cancelRequest !== null) extras.q = job.cancelRequest;
  if (own.strikes > 0) extras.z = own.strikes;
  if (job.keys.length > 0) extras.K = writeKeys(job.keys);
  if (own.isChoosing && job.finishedAtMs === null) extras.O = 1;
  if (own.ageMs !== null && job.finishedAtMs !== null) {
    extras.t = job.type;
    extras.f = job.finishedAtMs;
    extras.A = Math.min(own.ageMs, FOREVER_MS);
  }
  return extras;
}
