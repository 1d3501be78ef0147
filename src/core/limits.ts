// The bounds that hold for every job on every store, each with its reason.
import { type OptionNames, tellValue, wrongArgument } from "./arguments.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { type ErrorCode, MillraceError } from "./errors.ts";
import type { RetentionPolicy } from "./store.ts";

/** Largest input or result, in bytes of UTF-8 JSON. Larger data belongs on a shared resource, with a reference in the job. */
export const MAX_VALUE_BYTES: number = 256 * 1_024;
/** Largest progress value, in bytes: it is written often and shown in lists. */
export const MAX_PROGRESS_BYTES: number = 4 * 1_024;
/** Largest terms of one job, in bytes: a list of as many waits as may be kept, and room. */
export const MAX_TERMS_BYTES: number = 4 * 1_024;
/** Longest name of a job type, queue, worker, schedule or namespace. */
export const MAX_NAME_LENGTH = 128;
/** Most tags, and labels, of one job: each may cost an index entry. */
export const MAX_TAGS = 20;
/** Longest tag, label or key. */
export const MAX_TAG_LENGTH = 256;
/** Most jobs in one bulk enqueue; the client cuts longer lists. One transaction of this size takes well under 100 ms. */
export const MAX_ENQUEUE_BATCH = 1_000;
/** Most jobs claimed in one exchange: bounds the reply and the time that the store is held. */
export const MAX_CLAIM_BATCH = 1_000;
/** Most ids in one call of cancel, retry, remove or get. */
export const MAX_IDS = 1_000;
/** Most jobs in one page of a list. */
export const MAX_PAGE = 1_000;
/** Most jobs counted in one step of a change that changes nothing. */
export const MAX_COUNTED = 10_000;
/** Log lines kept with one job; later ones are told to followers and not kept. */
export const MAX_LOG_LINES = 1_000;
/** Longest log line kept with a job, in UTF-16 units. */
export const MAX_LOG_LINE_LENGTH = 4_096;
/** Largest head start (priority): a year. Beyond it, ageing would no longer be felt. */
export const MAX_HEAD_START_MS: number = 365 * 86_400_000;
/** What one step of `priority` is worth. */
export const HEAD_START_PER_PRIORITY_MS = 60_000;
/**
 * Worker deaths after which a job is held to be their cause. A model of a storm (three workers, one of them killed every
 * 0.83 s, tries of 300 ms, 95 suspects) failed an innocent job in 32 of 150 runs with three, in 7 with four, in none
 * with five. A job that does kill its workers costs two more of them than with three.
 */
export const DEFAULT_MAX_CRASHES = 5;
/** Kept so long that a day's work, a fortnight's failures can be looked at; and bounded in number, for busy types. */
export const DEFAULT_RETENTION: RetentionPolicy = {
  succeeded: { ageMs: 3_600_000, count: 10_000 },
  failed: { ageMs: 14 * 86_400_000, count: 10_000 },
  cancelled: { ageMs: 86_400_000, count: 10_000 },
};
/** How long an idempotency key is remembered. */
export const DEFAULT_IDEMPOTENCY_MS = 86_400_000;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/;
/** No control characters and no half of a surrogate pair: either comes back changed from one store or another. */
const TAG = new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${MAX_TAG_LENGTH}}$`, "u");
/**
 * Checks a name of a job type, queue, worker, namespace and so on.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkName(name: unknown, field: string): string {
  if (typeof name !== "string" || name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${field} is ${tellValue(name)}; expected 1 to ${MAX_NAME_LENGTH} letters, digits or . _ : / - and a letter or digit first`,
    });
  }
  return name;
}

/**
 * Checks tags or labels, and gives them back sorted and without repeats.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `TOO_MANY`
 */
export function checkTags(tags: readonly string[] | undefined, field: string): readonly string[] {
  if (tags === undefined) return [];
  if (!Array.isArray(tags)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${field} is ${tellValue(tags)}; expected a list of texts`,
    });
  }
  if (tags.length > MAX_TAGS) {
    throw new MillraceError("TOO_MANY", {
      message: `${field} has ${tags.length} entries; at most ${MAX_TAGS} are allowed`,
    });
  }
  for (const tag of tags) {
    if (typeof tag !== "string" || !TAG.test(tag)) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `${field} has ${tellValue(tag)}; expected texts of 1 to ${MAX_TAG_LENGTH} characters, none of them a control character`,
      });
    }
  }
  return [...new Set<string>(tags)].sort((left, right) => (left < right ? -1 : 1));
}

/** The names that a priority has, where it is an object. */
export const PRIORITY_NAMES: OptionNames<{ readonly headStart: Duration }> = { headStart: true };

/**
 * Reads a priority into a head start, in milliseconds.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readPriority(priority: number | { readonly headStart: Duration }): number {
  const headStartMs = headStartOf(priority);
  if (Math.abs(headStartMs) <= MAX_HEAD_START_MS) return Math.round(headStartMs) + 0;
  throw wrongArgument(
    "priority",
    priority,
    `a number of at most ${MAX_HEAD_START_MS / HEAD_START_PER_PRIORITY_MS} either way (one step is a minute of head start), or { headStart: duration }`,
  );
}

/** What a priority is worth; `NaN` for what is none. */
function headStartOf(priority: number | { readonly headStart: Duration }): number {
  if (typeof priority === "number") return priority * HEAD_START_PER_PRIORITY_MS;
  if (typeof priority !== "object" || priority === null || Array.isArray(priority)) {
    return Number.NaN;
  }
  return parseDuration(priority.headStart, "priority.headStart");
}

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit <= 0x7f) continue;
    if (unit <= 0x7ff) {
      bytes += 1;
      continue;
    }
    bytes += 2;
    // A surrogate pair is two units and four bytes; half of one is written as U+FFFD, in three.
    if (unit >= 0xd800 && unit <= 0xdbff && isLowSurrogate(text.charCodeAt(index + 1))) index += 1;
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * Writes a value as bounded JSON. `undefined` becomes `null`, as a handler without a result returns it.
 *
 * @throws MillraceError `code` (by default `INVALID_OUTPUT`) for what is not JSON (circular, BigInt), `TOO_LARGE` over the
 * bound
 */
export function toJson(
  value: unknown,
  what: string,
  maxBytes: number = MAX_VALUE_BYTES,
  code: ErrorCode = "INVALID_OUTPUT",
): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value ?? null);
  } catch (cause) {
    throw new MillraceError(code, {
      message: `${what} can't be written as JSON: ${cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "unknown reason"}`,
      cause,
    });
  }
  if (text === undefined) {
    throw new MillraceError(code, {
      message: `${what} is of type ${typeof value} and has no JSON form`,
    });
  }
  // A text of a third of the bound can't be over it, whatever its characters: the count is saved for nearly all.
  if (text.length * 3 > maxBytes) checkBytes(text, what, maxBytes);
  return text;
}

/**
 * Checks a text against a bound in bytes of UTF-8.
 *
 * @throws MillraceError `TOO_LARGE`
 */
export function checkBytes(text: string, what: string, maxBytes: number): void {
  const bytes = utf8Bytes(text);
  if (bytes > maxBytes) {
    throw new MillraceError("TOO_LARGE", {
      message: `${what} is ${bytes} bytes; at most ${maxBytes} are allowed. Put large data on a shared resource and a reference to it in the job`,
      details: { bytes, maxBytes },
    });
  }
}
