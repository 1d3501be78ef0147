// Values of options and arguments that the rooms below check as well: read here, a refusal names the option as it was
// typed, where theirs names a field of a call or of a request.
import { InvalidArgumentError } from "commander";
import {
  type OwnBackoff,
  checkName,
  checkTags,
  isFingerprint,
  isJobId,
  parseDuration,
  readPriority,
  readRate,
} from "../core/index.ts";

const DURATION = 'a duration such as "250ms", "30s" or "1h30m"';

function refuse(expected: string): never {
  throw new InvalidArgumentError(`Expected ${expected}.`);
}

/** Whether a check of the core lets something pass. */
function passes(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** A duration. */
export function readDuration(text: string): string {
  return passes(() => parseDuration(text)) ? text : refuse(DURATION);
}

/** The longest time of a try. */
export function readTimeout(text: string): string {
  if (parseDuration(readDuration(text)) > 0) return text;
  return refuse("at least 1 ms; leave it out for the type's");
}

/** The name of a queue, a job type or a limit. */
export function readName(text: string): string {
  if (passes(() => checkName(text, "name"))) return text;
  return refuse("1 to 128 letters, digits or . _ : / - and a letter or digit first");
}

/** One tag or label more. */
export function readTag(text: string, known: readonly string[] = []): readonly string[] {
  if (passes(() => checkTags([text], "tags"))) return [...known, text];
  return refuse("1 to 256 characters, none of them a control character");
}

/** A time of ISO 8601. */
export function readTimeText(text: string): string {
  return Number.isNaN(Date.parse(text)) ? refuse('a time such as "2030-01-31T08:00:00Z"') : text;
}

/** A whole number from 1. */
export function readCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  return count >= 1 && Number.isSafeInteger(count) ? count : refuse("a whole number from 1");
}

/** A port to listen on. */
export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : refuse("a port from 0 to 65535; 0 takes a free one");
}

/** A priority: steps of a minute. */
export function readPriorityNumber(text: string): number {
  const priority = text.trim() === "" ? Number.NaN : Number(text);
  if (passes(() => readPriority(priority))) return priority;
  return refuse("a number of minutes of head start, at most 525600 either way");
}

/** A backoff. */
export function readBackoff(text: string): OwnBackoff {
  if (text === "exponential" || text === "fixed") return text;
  const delays = text.split(",").map((each) => each.trim());
  if (delays.every((delay) => passes(() => parseDuration(delay)))) return delays;
  return refuse(`"exponential", "fixed", or durations with commas between, such as 1s,10s,1m`);
}

/** How many may start in a time, or any number. */
export function readRateText(text: string): string {
  if (text === "none" || passes(() => readRate(text))) return text;
  return refuse('"100/s", "5/m", "10/2s" or "none"');
}

/** The id of a job. */
export function readJobId(text: string): string {
  return isJobId(text) ? text : refuse("a job id: a UUID, as millrace enqueue prints it");
}

/** Ids of jobs. */
export function readJobIds(text: string, known: readonly string[] = []): readonly string[] {
  return [...known, readJobId(text)];
}

/** The fingerprint of an error. */
export function readFingerprint(text: string): string {
  return isFingerprint(text) ? text : refuse("16 hex digits, as millrace errors lists them");
}
