// A BullMQ job as a record: BullMQ's own fields, and one beside them for what BullMQ has no place for.
import { createHash } from "node:crypto";
import type { ErrorRecord } from "../../core/errors.ts";
import { type JobId, isJobId, queueHash } from "../../core/ids.ts";
import type { AttemptRecord, CancelRequest, JobRecord, JobState } from "../../core/job.ts";
import { MAX_HEAD_START_MS } from "../../core/limits.ts";
import type { NewJob, Retention, RetentionPolicy } from "../../core/store.ts";
import { type Keys, entryOf } from "./keys.ts";
import type { Sent } from "./link.ts";

/** Where BullMQ has a job. */
export type BullList =
  | "wait"
  | "prioritized"
  | "active"
  | "delayed"
  | "completed"
  | "failed"
  | "waiting-children";

/** Where a job is by its names. */
export interface Place {
  readonly id: JobId;
  readonly queue: string;
  /** Its id in BullMQ: the same, but for jobs of other producers. */
  readonly bullId: string;
}

/** A job as it was read. */
export interface Found extends Place {
  readonly list: BullList;
  /** The token that holds BullMQ's lock. */
  readonly lock: string | null;
  readonly record: JobRecord;
  readonly extras: Extras;
  readonly retention: RetentionPolicy | undefined;
  /** BullMQ's options as they are kept. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The error by which BullMQ wants the next worker to fail it: its own workers lost it too often. */
  readonly deferredFailure: string | null;
}

/** What is kept in the job's hash beside BullMQ's fields, and changes with the job. */
export interface Extras {
  readonly due?: number;
  readonly expires?: number | null;
  readonly crashes?: number;
  readonly history?: readonly AttemptRecord[];
  readonly error?: ErrorRecord | null;
  readonly cancel?: CancelRequest | null;
  readonly isCancelled?: boolean;
  readonly removeAt?: number | null;
  /** Its worker died while it ran beside others: it is run apart from now on. */
  readonly isSuspect?: boolean;
  /** The token whose settlement was accepted last. */
  readonly settledBy?: string;
}

/** Field of a job's hash, and option of a job, under which Millrace keeps its own. */
export const OWN_FIELD = "millrace";
/** Before the id of a Millrace worker in BullMQ's `processedBy`. */
const WORKER_PREFIX = "millrace:";

/** What an enqueue says of a job that BullMQ has no option for. */
interface OwnOptions {
  readonly expires?: number;
  readonly tags?: readonly string[];
  readonly retention?: RetentionPolicy;
  readonly terms?: string;
  readonly key?: string;
}

/** The name under which a worker is BullMQ's `processedBy`. */
export function processedBy(worker: string): string {
  return WORKER_PREFIX + worker;
}

/** The id of a worker; `null` where it is none of Millrace. */
export function workerOf(name: string | undefined): string | null {
  return name?.startsWith(WORKER_PREFIX) === true ? name.slice(WORKER_PREFIX.length) : null;
}

/** Whether a BullMQ id is one that Millrace made for a job of this queue. */
function isOwnId(queue: string, bullId: string): boolean {
  return isJobId(bullId) && Number.parseInt(bullId.slice(-4), 16) === queueHash(queue);
}

/** BullMQ's own ids count from 1; in an id they take 14 hex digits, so that they order jobs of one millisecond. */
const COUNTED = /^[1-9][0-9]{0,14}$/;

/**
 * The id of a job: BullMQ's own where Millrace made it. One of another producer is given a UUID by its time, queue and
 * BullMQ id, always the same.
 */
export function idOf(queue: string, bullId: string, addedAtMs: number): JobId {
  if (isOwnId(queue, bullId)) return bullId;
  const rest = COUNTED.test(bullId)
    ? Number(bullId).toString(16).padStart(14, "0")
    : createHash("sha256").update(entryOf(queue, bullId)).digest("hex").slice(0, 14);
  const time = Math.max(0, Math.trunc(addedAtMs)).toString(16).padStart(12, "0").slice(-12);
  const place = queueHash(queue).toString(16).padStart(4, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-8${rest.slice(3, 6)}-${rest.slice(6)}${place}`;
}

/** Commands that read a job, and how many they are. */
export function readsOf(keys: Keys, queue: string, bullId: string): readonly Sent[] {
  const key = keys.bull(queue, bullId);
  return [
    ["HGETALL", key],
    ["GET", `${key}:lock`],
    ["LPOS", keys.bull(queue, "active"), bullId],
    ["ZSCORE", keys.bull(queue, "delayed"), bullId],
    ["ZSCORE", keys.bull(queue, "completed"), bullId],
    ["ZSCORE", keys.bull(queue, "failed"), bullId],
    ["ZSCORE", keys.bull(queue, "waiting-children"), bullId],
  ];
}
export const READS_PER_JOB = 7;

/** Commands that read a job as its worker knows it: it runs while BullMQ's lock stands, else nothing of it matters. */
export function claimReadsOf(keys: Keys, queue: string, bullId: string): readonly Sent[] {
  return readsOf(keys, queue, bullId).slice(0, CLAIM_READS_PER_JOB);
}
export const CLAIM_READS_PER_JOB = 2;

/** Reads the replies to {@link claimReadsOf}; a job that has no lock is told as one that waits. */
export function readClaimed(
  queue: string,
  bullId: string,
  replies: readonly unknown[],
): Found | null {
  const hash = fieldsOf(replies[0]);
  if (hash["name"] === undefined) return null;
  const lock = replies[1] as string | null;
  return foundOf({ queue, bullId, hash, lock, list: lock === null ? "wait" : "active" });
}

/** Fields of a hash as the server sends them. */
export function fieldsOf(reply: unknown): Readonly<Record<string, string>> {
  const flat = reply as readonly string[];
  const fields: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) fields[flat[at] ?? ""] = flat[at + 1] ?? "";
  return fields;
}

/** Reads the replies to {@link readsOf}; `null` where the job is not kept. */
export function readFound(
  queue: string,
  bullId: string,
  replies: readonly unknown[],
): Found | null {
  const hash = fieldsOf(replies[0]);
  if (hash["name"] === undefined) return null;
  const [, lock, active, delayed, completed, failed, waitingChildren] = replies;
  const list: BullList =
    completed !== null
      ? "completed"
      : failed !== null
        ? "failed"
        : active !== null
          ? "active"
          : delayed !== null
            ? "delayed"
            : waitingChildren !== null
              ? "waiting-children"
              : Number(hash["priority"] ?? 0) > 0
                ? "prioritized"
                : "wait";
  return foundOf({ queue, bullId, list, hash, lock: lock as string | null });
}

/** Puts together what was read of a job. */
export function foundOf(read: {
  readonly queue: string;
  readonly bullId: string;
  readonly list: BullList;
  readonly hash: Readonly<Record<string, string>>;
  readonly lock: string | null;
}): Found {
  const { queue, bullId, list, hash, lock } = read;
  const options = JSON.parse(hash["opts"] ?? "{}") as Record<string, unknown>;
  const own = readOwnOptions(options);
  const extras = JSON.parse(hash[OWN_FIELD] ?? "{}") as Extras;
  const id = idOf(queue, bullId, Number(hash["timestamp"] ?? 0));
  return {
    id,
    queue,
    bullId,
    list,
    lock,
    extras,
    options,
    retention: own.retention,
    deferredFailure: hash["defa"] ?? null,
    record: recordOf({ id, queue, list, lock, hash, options, own, extras }),
  };
}

/** BullMQ's priorities come after jobs that have none, 1 first: each step is a second behind. */
const BEHIND_PER_PRIORITY_MS = 1_000;

const STATES: Readonly<Record<BullList, JobState>> = {
  wait: "ready",
  prioritized: "ready",
  active: "running",
  delayed: "scheduled",
  completed: "succeeded",
  failed: "failed",
  "waiting-children": "waiting",
};

function recordOf(read: {
  readonly id: JobId;
  readonly queue: string;
  readonly list: BullList;
  readonly lock: string | null;
  readonly hash: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly own: OwnOptions;
  readonly extras: Extras;
}): JobRecord {
  const { list, hash, own, extras } = read;
  const state = list === "failed" && extras.isCancelled === true ? "cancelled" : STATES[list];
  const enqueuedAtMs = Number(hash["timestamp"] ?? 0);
  const isEnded = list === "completed" || list === "failed";
  return {
    id: read.id,
    type: hash["name"] ?? "",
    queue: read.queue,
    state,
    labels: [],
    tags: own.tags ?? [],
    input: hash["data"] ?? "null",
    headStartMs:
      0 - Math.min(MAX_HEAD_START_MS, Number(hash["priority"] ?? 0) * BEHIND_PER_PRIORITY_MS),
    attempts: Number(hash["atm"] ?? 0),
    crashes: extras.crashes ?? 0,
    enqueuedAtMs,
    dueAtMs: extras.due ?? enqueuedAtMs + Number(read.options["delay"] ?? 0),
    expiresAtMs: extras.expires === undefined ? (own.expires ?? null) : extras.expires,
    startedAtMs: numberOf(hash["processedOn"]),
    finishedAtMs: isEnded ? numberOf(hash["finishedOn"]) : null,
    removeAtMs: isEnded ? (extras.removeAt ?? null) : null,
    worker: workerOf(hash["pb"]) ?? hash["pb"] ?? null,
    token: list === "active" ? read.lock : null,
    progress: hash["progress"] ?? null,
    result: list === "completed" ? (hash["returnvalue"] ?? null) : null,
    error: list === "completed" ? null : errorOf(hash, extras),
    cancelRequest: extras.cancel ?? null,
    history: extras.history ?? [],
    idempotencyKey: own.key ?? null,
    keys: [],
    ...(own.terms === undefined ? {} : { terms: own.terms }),
    ...parentOf(read.queue, hash),
  };
}

/** What a job belongs to: the parent of its flow, or the job scheduler that made it. */
function parentOf(
  queue: string,
  hash: Readonly<Record<string, string>>,
): Pick<JobRecord, "parent"> {
  const bullId = hash["parentKey"] ?? hash["rjk"];
  return bullId === undefined ? {} : { parent: idOf(queue, bullId.split(":").at(-1) ?? "", 0) };
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

/** The error that Millrace kept, or what BullMQ's own worker left. */
function errorOf(hash: Readonly<Record<string, string>>, extras: Extras): ErrorRecord | null {
  if (extras.error !== undefined) return extras.error;
  const message = hash["failedReason"];
  if (message === undefined) return null;
  const stacks = JSON.parse(hash["stacktrace"] ?? "[]") as readonly string[];
  const stack = stacks.at(-1);
  return { name: "Error", message, ...(stack === undefined ? {} : { stack }) };
}

/** JSON has no infinity, which a retention's count may be. */
function writeNumber(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? "unbounded" : value;
}

function readNumber(_key: string, value: unknown): unknown {
  return value === "unbounded" ? Number.POSITIVE_INFINITY : value;
}

/** JSON text of what may hold infinite counts. */
export function writeUnbounded(value: unknown): string {
  return JSON.stringify(value, writeNumber);
}

/** Reads what {@link writeUnbounded} wrote. */
export function readUnbounded(text: string): unknown {
  return JSON.parse(text, readNumber);
}

function readOwnOptions(options: Readonly<Record<string, unknown>>): OwnOptions {
  const text = options[OWN_FIELD];
  return typeof text === "string" ? (readUnbounded(text) as OwnOptions) : {};
}

/** BullMQ's options of a new job. Those of Millrace are text: BullMQ's scripts change empty lists and large numbers. */
export function optionsOf(
  job: NewJob,
  nowMs: number,
  retention: RetentionPolicy | undefined,
): Readonly<Record<string, unknown>> {
  const delay = delayOf(job, nowMs);
  const own: OwnOptions = {
    ...(job.expireAfterMs === undefined ? {} : { expires: nowMs + delay + job.expireAfterMs }),
    ...(job.tags === undefined || job.tags.length === 0 ? {} : { tags: job.tags }),
    ...(job.retention === undefined ? {} : { retention: job.retention }),
    ...(job.terms === undefined ? {} : { terms: job.terms }),
    ...(job.idempotency === undefined ? {} : { key: job.idempotency.key }),
  };
  const kept = job.retention ?? retention;
  return {
    ...(delay === 0 ? {} : { delay }),
    // For BullMQ's own workers: a job that one of them runs goes as it would here.
    ...(kept === undefined
      ? {}
      : { removeOnComplete: keepOf(kept.succeeded), removeOnFail: keepOf(kept.failed) }),
    ...(Object.keys(own).length === 0 ? {} : { [OWN_FIELD]: writeUnbounded(own) }),
  };
}

function keepOf({ ageMs, count }: Retention): object | true {
  if (ageMs === 0 || count === 0) return true;
  return {
    age: Math.ceil(ageMs / 1_000),
    ...(Number.isFinite(count) ? { count } : {}),
  };
}

/** Milliseconds until a new job is due. */
export function delayOf(job: NewJob, nowMs: number): number {
  return Math.max(0, job.runAtMs === undefined ? (job.delayMs ?? 0) : job.runAtMs - nowMs);
}
