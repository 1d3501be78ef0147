// What a new job counts under and which others it is the same as: read from its input by what its type says.
import { createHash } from "node:crypto";
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError, isMillraceError } from "../../core/errors.ts";
import type { NewLimitKey } from "../../core/flow.ts";
import { type UniqueRule, fieldAt } from "../../core/flow-options.ts";
import { MAX_TAG_LENGTH, checkTags } from "../../core/limits.ts";
import type { NewJob, Store } from "../../core/store.ts";

/** A longer key is kept as its digest: keys are compared and indexed, never read. */
const LONGEST_PLAIN_KEY = 100;

/** Whether anything of a type's flow is read from inputs. */
export function hasFlow({ flow }: AnyJobType): boolean {
  return flow.unique !== undefined || flow.limits.some(isNamed);
}

/** Keys of a new job, and what makes it one with others. */
export type FlowParts = Pick<NewJob, "keys" | "unique" | "idempotency" | "delayMs">;

/**
 * Reads a new job's keys.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, and `INVALID_INPUT` where a key function throws
 */
export function readFlowOf(
  type: AnyJobType,
  input: unknown,
  given: Pick<NewJob, "idempotency" | "delayMs" | "runAtMs">,
): FlowParts {
  const keys = readKeysOf(type, input);
  const { unique } = type.flow;
  return {
    ...(keys.length === 0 ? {} : { keys }),
    ...(unique === undefined ? {} : readUnique(type, unique, input, given)),
  };
}

/**
 * What a job counts under with an input.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, and `INVALID_INPUT` where a key function throws
 */
export function readKeysOf(type: AnyJobType, input: unknown): readonly NewLimitKey[] {
  return type.flow.limits.filter(isNamed).flatMap((limit): NewLimitKey[] => {
    // A limit of the whole queue has one key, the same for all: so many of them stand at once.
    const key = limit.key === null ? limit.name : readKey(type, limit, input);
    if (key === null) return [];
    const { onLimit } = limit;
    return [{ limit: limit.name, key, ...(onLimit === "wait" ? {} : { onLimit }) }];
  });
}

function isNamed(limit: AnyJobType["flow"]["limits"][number]): boolean {
  return limit.key !== null || limit.onLimit !== "wait";
}

function readKey(
  type: AnyJobType,
  { name: limit, key }: AnyJobType["flow"]["limits"][number],
  input: unknown,
): string | null {
  const value: unknown = ask(key, input, `the key of limit ${limit} of job type ${type.name}`);
  if (value === null || value === undefined) return null;
  if (typeof value !== "string" && typeof value !== "number") {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `the key of limit ${limit} of job type ${type.name} is of type ${typeof value}; expected a text, a number, null or undefined`,
    });
  }
  const [text] = checkTags([String(value)], `key of limit ${limit}`);
  return text ?? null;
}

/** What a function of a type makes of an input: one that it fails on is a wrong input. */
function ask(read: unknown, input: unknown, what: string): unknown {
  try {
    return (read as (input: unknown) => unknown)(input);
  } catch (cause) {
    if (isMillraceError(cause)) throw cause;
    throw new MillraceError("INVALID_INPUT", {
      message: `${what} can't be read from the input: ${cause instanceof Error ? cause.message : "its function threw"}`,
      cause,
    });
  }
}

function readUnique(
  type: AnyJobType,
  rule: UniqueRule<never>,
  input: unknown,
  given: Pick<NewJob, "idempotency" | "delayMs" | "runAtMs">,
): FlowParts {
  if (given.idempotency !== undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type.name} is unique, debounced or throttled, and an idempotencyKey is given; expected one of them`,
    });
  }
  const key = uniqueKey(type, rule, input);
  const { how } = rule;
  if (how.kind === "within") return { idempotency: { key, rememberMs: how.ms } };
  if (how.kind === "while") return { unique: { key, while: how.while } };
  if (given.delayMs !== undefined || given.runAtMs !== undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type.name} is debounced, and delay or runAt is given; its wait says when it is due`,
    });
  }
  const { waitMs, longestMs } = how;
  return {
    delayMs: Math.min(waitMs, longestMs),
    unique: { key, while: "waiting", debounce: { waitMs, longestMs } },
  };
}

function uniqueKey(type: AnyJobType, { by }: UniqueRule<never>, input: unknown): string {
  // Before a digest or a text of one's own, so that neither is taken for the other.
  if (typeof by === "function") {
    const key = ask(by, input, `what makes a job of type ${type.name} one with others (by)`);
    if (typeof key !== "string" || key === "") {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `unique.by gave ${JSON.stringify(key) ?? typeof key}; expected a text`,
      });
    }
    return key.length <= LONGEST_PLAIN_KEY ? `=${key}` : digest(key);
  }
  const part = by === "input" ? input : by.map((path) => fieldAt(input, path) ?? null);
  return digest(canonical(part));
}

function digest(text: string): string {
  return `#${createHash("sha256").update(text).digest("base64url")}`.slice(0, MAX_TAG_LENGTH);
}

/** JSON with the fields of objects in order: equal inputs have equal texts, however they were put together. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}

/**
 * Refuses types that ask for what the store can't do.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function checkFlow(store: Pick<Store, "capabilities">, types: readonly AnyJobType[]): void {
  for (const { name, flow, labels, priority } of types) {
    if (labels.length > 0 && !store.capabilities.has("labels")) {
      throw lacking(name, "requires labels", "labels");
    }
    if (priority !== 0 && !store.capabilities.has("priorities")) {
      throw lacking(name, "has a priority", "priorities");
    }
    if (flow.limits.length > 0 && !store.capabilities.has("limits")) {
      throw lacking(name, "has limits over all workers", "limits");
    }
    const how = flow.unique?.how.kind;
    if (how !== undefined && how !== "within" && !store.capabilities.has("unique")) {
      throw lacking(name, how === "while" ? "is unique while it stands" : "is debounced", "unique");
    }
  }
}

function lacking(type: string, what: string, capability: string): MillraceError {
  return new MillraceError("UNSUPPORTED", {
    message: `job type ${type} ${what}, which this store can't hold: it lacks the capability "${capability}". Take that out of the type, or use another store`,
    details: { type, capability },
  });
}
