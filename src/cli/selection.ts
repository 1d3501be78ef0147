// The options by which commands say which jobs are meant, other than by their ids.
import { type Command, InvalidArgumentError } from "commander";
import { type InputValue, JOB_STATES, type JobState, parseDuration } from "../core/index.ts";
import type { JobSelection } from "../runtime/index.ts";
import { readFingerprint } from "./option-values.ts";

/** What the options give. */
export interface SelectionOptions {
  readonly state?: readonly JobState[];
  readonly type?: string;
  readonly queue?: string;
  readonly tag?: string;
  readonly key?: string;
  readonly error?: string;
  readonly field?: Readonly<Record<string, InputValue>>;
  readonly since?: number;
  readonly before?: number;
  readonly endedSince?: number;
  readonly endedBefore?: number;
}

/** Adds the options. */
export function withSelectionOptions(command: Command): Command {
  return command
    .option(
      "--state <states>",
      `only these, with commas between: ${JOB_STATES.join(", ")}`,
      readStates,
    )
    .option("--type <name>", "only this job type")
    .option("--queue <name>", "only this queue")
    .option("--tag <tag>", "only with this tag")
    .option("--key <key>", "only with this idempotency key")
    .option(
      "--error <fingerprint>",
      "only with this error, as millrace errors lists it",
      readFingerprint,
    )
    .option(
      "--field <path=value>",
      "only with this field of the input; may be given again",
      readField,
    )
    .option("--since <time>", "only enqueued since then: a time, or how long ago (2h)", readMoment)
    .option("--before <time>", "only enqueued before then", readMoment)
    .option("--ended-since <time>", "only ended since then", readMoment)
    .option("--ended-before <time>", "only ended before then", readMoment);
}

/** The selection that the options say. */
export function selectionOf(options: SelectionOptions): JobSelection {
  const { state, type, queue, tag, key, error, field, since, before } = options;
  const { endedSince, endedBefore } = options;
  const selection: { -readonly [Field in keyof JobSelection]: JobSelection[Field] } = {};
  if (state !== undefined) selection.states = state;
  if (type !== undefined) selection.type = type;
  if (queue !== undefined) selection.queue = queue;
  if (tag !== undefined) selection.tag = tag;
  if (key !== undefined) selection.key = key;
  if (error !== undefined) selection.error = error;
  if (field !== undefined) selection.input = field;
  if (since !== undefined) selection.createdFrom = since;
  if (before !== undefined) selection.createdBefore = before;
  if (endedSince !== undefined) selection.finishedFrom = endedSince;
  if (endedBefore !== undefined) selection.finishedBefore = endedBefore;
  return selection;
}

function readStates(text: string): readonly JobState[] {
  return text.split(",").map((name) => {
    const state = JOB_STATES.find((known) => known === name.trim());
    if (state === undefined) {
      throw new InvalidArgumentError(`${name} is no state; expected ${JOB_STATES.join(", ")}.`);
    }
    return state;
  });
}

/** `customer=acme` or `order.lines.0.amount=7`: a value that is JSON is taken as that, else as text. */
function readField(
  text: string,
  known: Readonly<Record<string, InputValue>> = {},
): Readonly<Record<string, InputValue>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected PATH=VALUE, such as customer=acme.");
  return { ...known, [text.slice(0, at)]: readValue(text.slice(at + 1)) };
}

function readValue(text: string): InputValue {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return text;
    return value as InputValue;
  } catch {
    return text;
  }
}

/** A time (ISO 8601), or how long ago it is. */
function readMoment(text: string): number {
  const atMs = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  try {
    return Date.now() - parseDuration(text, "time");
  } catch {
    throw new InvalidArgumentError('Expected a time ("2030-01-31T08:00Z") or how long ago ("2h").');
  }
}
