// What is rarely there of a job: kept as one JSON text in its row, so that most rows stay short.
import type { ErrorRecord } from "../../core/errors.ts";
import { fingerprintOf } from "../../core/fingerprint.ts";
import type { AttemptRecord, JobRecord } from "../../core/job.ts";
import type { ClaimedJob, RetentionPolicy } from "../../core/store.ts";
import type { Row } from "./thread/connection.ts";
import { decodeRetention, encodeRetention } from "./context.ts";

type Column = Row[number] | undefined;

/** What is rarely there, as one JSON text. */
export interface Rest {
  readonly tags?: readonly string[];
  readonly retention?: RetentionPolicy;
  readonly terms?: string;
  readonly progress?: string;
  readonly error?: ErrorRecord;
  /** The fingerprint of the error, for the index. */
  readonly fp?: string;
  readonly cancelReason?: string;
  readonly history?: readonly AttemptRecord[];
  readonly key?: string;
  readonly strikes?: number;
  /** Limits and keys. */
  readonly keys?: readonly (readonly [limit: string, key: string])[];
  readonly unique?: string;
}

/** Fingerprints of errors as they were read: a job that keeps its error keeps the work of telling it apart. */
const fingerprints = new WeakMap<ErrorRecord, string>();

/** Writes what is rarely there; `null` where nothing is. */
export function encodeRest(job: {
  readonly record: Pick<
    JobRecord,
    | "tags"
    | "terms"
    | "progress"
    | "error"
    | "cancelRequest"
    | "history"
    | "idempotencyKey"
    | "keys"
  >;
  readonly retention: RetentionPolicy | undefined;
  readonly strikes: number;
  readonly unique: string | undefined;
}): string | null {
  const { record } = job;
  const rest: { -readonly [Key in keyof Rest]: Rest[Key] } = {};
  if (record.tags.length > 0) rest.tags = record.tags;
  if (job.retention !== undefined) rest.retention = encodeRetention(job.retention);
  if (record.terms !== undefined) rest.terms = record.terms;
  if (record.progress !== null) rest.progress = record.progress;
  if (record.error !== null) {
    rest.error = record.error;
    rest.fp = fingerprints.get(record.error) ?? fingerprintOf(record.error);
  }
  if (record.cancelRequest !== null) rest.cancelReason = record.cancelRequest.reason;
  if (record.history.length > 0) rest.history = record.history;
  if (record.idempotencyKey !== null) rest.key = record.idempotencyKey;
  if (job.strikes > 0) rest.strikes = job.strikes;
  if (record.keys.length > 0) rest.keys = record.keys.map(({ limit, key }) => [limit, key]);
  if (job.unique !== undefined) rest.unique = job.unique;
  const text = JSON.stringify(rest);
  return text === "{}" ? null : text;
}

const NO_REST: Rest = {};

/** Reads a `rest` column whole. */
export function decodeRest(rest: Column): Rest {
  const decoded = readRest(rest);
  if (decoded.error !== undefined && decoded.fp !== undefined) {
    fingerprints.set(decoded.error, decoded.fp);
  }
  return decoded;
}

function readRest(rest: Column): Rest {
  return typeof rest === "string" ? (JSON.parse(rest) as Rest) : NO_REST;
}

/** What ends with a job, in a `rest` column. */
export function uniqueOf(rest: Column): string | undefined {
  return readRest(rest).unique;
}

/** The keys in a `rest` column. */
export function keysOf(rest: Column): JobRecord["keys"] {
  return (readRest(rest).keys ?? []).map(([limit, key]) => ({ limit, key }));
}

/** The tags in a `rest` column. */
export function tagsOf(rest: Column): readonly string[] {
  return readRest(rest).tags ?? [];
}

/** Whether a `rest` column may hold progress; a text that only looks like it does no harm. */
export function hasProgress(rest: Column): boolean {
  return typeof rest === "string" && rest.includes('"progress":');
}

/** What a claim needs of a `rest` column. */
export function claimPartOf(rest: Column): {
  readonly tags: readonly string[];
  readonly own: Pick<ClaimedJob, "retention" | "terms">;
  readonly unique: string | undefined;
} {
  const { tags = [], retention, terms, unique } = readRest(rest);
  return {
    tags,
    unique,
    own: {
      ...(retention === undefined ? {} : { retention: decodeRetention(retention) }),
      ...(terms === undefined ? {} : { terms }),
    },
  };
}
