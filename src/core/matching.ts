// Whether a job is what a filter asks for, and what a filter costs: which parts an index answers, which by looking.
import { checkList, checkObject, checkTexts, wrongArgument } from "./arguments.ts";
import { MillraceError } from "./errors.ts";
import { fingerprintOf, isFingerprint } from "./fingerprint.ts";
import { idTimeMs } from "./ids.ts";
import { JOB_STATES, type JobRecord } from "./job.ts";
import type { InputValue, JobFilter } from "./store.ts";

/** Most fields of the input in one filter. */
const MAX_INPUT_FIELDS = 10;

/** Whether a job fits every part of a filter. */
export function matches(job: JobRecord, filter: JobFilter): boolean {
  return (
    (filter.states === undefined || filter.states.includes(job.state)) &&
    (filter.type === undefined || filter.type === job.type) &&
    (filter.queue === undefined || filter.queue === job.queue) &&
    (filter.tag === undefined || job.tags.includes(filter.tag)) &&
    (filter.key === undefined || filter.key === job.idempotencyKey) &&
    isWithin(idTimeMs(job.id), filter.createdFromMs, filter.createdBeforeMs) &&
    isWithin(job.finishedAtMs, filter.finishedFromMs, filter.finishedBeforeMs) &&
    (filter.fingerprint === undefined ||
      (job.error !== null && fingerprintOf(job.error) === filter.fingerprint)) &&
    (filter.input === undefined || hasFields(job.input, filter.input))
  );
}

function isWithin(
  atMs: number | null,
  fromMs: number | undefined,
  beforeMs: number | undefined,
): boolean {
  if (fromMs === undefined && beforeMs === undefined) return true;
  if (atMs === null) return false;
  return (fromMs === undefined || atMs >= fromMs) && (beforeMs === undefined || atMs < beforeMs);
}

function hasFields(text: string, fields: Readonly<Record<string, InputValue>>): boolean {
  const input: unknown = JSON.parse(text);
  return Object.entries(fields).every(([path, value]) => fieldAt(input, path) === value);
}

/** The value at a path such as `order.customer` or `items.0.sku`. */
function fieldAt(value: unknown, path: string): unknown {
  let current = value;
  for (const part of path.split(".")) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) {
      return undefined;
    }
    current = (current as Readonly<Record<string, unknown>>)[part];
  }
  return current;
}

/** The parts of a filter that are answered by looking at each job which the other parts leave. */
export const EXAMINED_PARTS: readonly (keyof JobFilter)[] = [
  "key",
  "finishedFromMs",
  "finishedBeforeMs",
  "fingerprint",
  "input",
];

/** Parts of a filter for which a store has no index: each job that the others leave is looked at. */
export function examinedParts(
  filter: JobFilter,
  indexed: readonly (keyof JobFilter)[] = [],
): readonly (keyof JobFilter)[] {
  return EXAMINED_PARTS.filter((part) => filter[part] !== undefined && !indexed.includes(part));
}

/**
 * Checks a filter.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `TOO_MANY`
 */
export function checkFilter(filter: JobFilter): void {
  const { type, queue, tag, key } = filter;
  checkTexts({ type, queue, tag, key });
  for (const state of checkList(filter.states ?? [], "states", "states of jobs")) {
    if (!JOB_STATES.includes(state)) throw wrongArgument("states", state, JOB_STATES.join(", "));
  }
  for (const part of [
    "createdFromMs",
    "createdBeforeMs",
    "finishedFromMs",
    "finishedBeforeMs",
  ] as const) {
    const value = filter[part];
    if (value !== undefined && !Number.isFinite(value)) {
      throw wrongArgument(part, value, "milliseconds since 1970");
    }
  }
  if (filter.fingerprint !== undefined && !isFingerprint(filter.fingerprint)) {
    throw wrongArgument("fingerprint", filter.fingerprint, "16 hex digits, as `errors` lists them");
  }
  const fields = Object.entries(checkObject(filter.input ?? {}, "input"));
  if (fields.length > MAX_INPUT_FIELDS) {
    throw new MillraceError("TOO_MANY", {
      message: `${fields.length} fields of the input in one filter; at most ${MAX_INPUT_FIELDS} are allowed`,
    });
  }
  for (const [path, value] of fields) {
    if (value !== null && !["string", "number", "boolean"].includes(typeof value)) {
      throw wrongArgument(`input.${path}`, value, "a text, number, boolean or null");
    }
  }
}
