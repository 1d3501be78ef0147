// What a caller passed, checked and told: whoever has no type checker may pass anything, and any message may tell of it.
import { MillraceError } from "./errors.ts";

/** Most of a wrong value that a message repeats. */
const MAX_TOLD_LENGTH = 100;

/** User and password of a URL; a password may hold another @. */
const CREDENTIALS = /\/\/[^/\s"]*@/g;

/** A value as a message tells it: bounded, without credentials of URLs, and whatever it is. */
export function tellValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return cut(value, JSON.stringify);
    case "bigint":
      return cut(`${value}n`, String);
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      return tellObject(value);
    case "undefined":
    case "number":
    case "boolean":
      return String(value);
  }
}

function tellObject(value: object | null): string {
  if (value instanceof Date && Number.isNaN(value.getTime())) return "an invalid Date";
  if (value instanceof Promise) return "a promise";
  try {
    return cut(JSON.stringify(value), String);
  } catch {
    return "an object that has no JSON form";
  }
}

function cut(whole: string, write: (text: string) => string): string {
  const text = whole.replace(CREDENTIALS, "//***@");
  if (text.length <= MAX_TOLD_LENGTH) return write(text);
  return `${write(text.slice(0, MAX_TOLD_LENGTH))}… (${text.length} characters)`;
}

/** The error of an argument that is not what a call expects. */
export function wrongArgument(what: string, value: unknown, expected: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", {
    message: `${what} is ${tellValue(value)}; expected ${expected}`,
  });
}

/**
 * Checks an object of options: a text, a list or a promise in its place would be taken for one that says nothing.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkOptions<Options extends object>(options: Options, what: string): Options {
  const kind = Object.prototype.toString.call(options);
  if (kind === "[object Object]" || kind === "[object Module]") return options;
  throw wrongArgument(what, options, "an object");
}

/**
 * Checks a list.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkList<Item>(list: readonly Item[], what: string, of: string): readonly Item[] {
  if (!Array.isArray(list)) throw wrongArgument(what, list, `a list of ${of}`);
  return list;
}

/**
 * Checks texts that may be left out.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkTexts(texts: Readonly<Record<string, string | undefined>>): void {
  for (const [what, text] of Object.entries(texts)) {
    if (text !== undefined && typeof text !== "string") throw wrongArgument(what, text, "a text");
  }
}

/**
 * Checks a whole number within bounds, and gives it back.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkWhole(
  value: number,
  what: string,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const upTo = most === Number.POSITIVE_INFINITY ? "" : ` to ${most}`;
  throw wrongArgument(what, value, `a whole number from ${least}${upTo}`);
}

/**
 * Checks a function.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== "function") throw wrongArgument(what, value, "a function");
}

/**
 * Reads a moment into milliseconds since 1970.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readTime(time: Date | number | string, what: string): number {
  const isTime = typeof time === "number" || typeof time === "string" || time instanceof Date;
  const atMs = isTime ? new Date(time).getTime() : Number.NaN;
  if (Number.isNaN(atMs)) {
    throw wrongArgument(
      what,
      time,
      'a Date, milliseconds since 1970 or an ISO 8601 text such as "2030-01-31T08:00:00Z"',
    );
  }
  return Math.round(atMs);
}
