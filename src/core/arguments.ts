// What a caller passed, checked and told: whoever has no type checker may pass anything, and any message may tell of it.
import { MillraceError } from "./errors.ts";
import { nearNames } from "./near-names.ts";

/** Most of a wrong value that a message repeats. */
const MAX_TOLD_LENGTH = 100;

/** User and password of a URL; a password may hold another @. */
const CREDENTIALS = /\/\/[^/\s"]*@/g;

/** A text without user and password of the URLs in it. */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS, "//***@");
}

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
  const text = withoutCredentials(whole);
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
 * The names that an object of options may have, all of them: a name that its type gains or loses does not compile until
 * it is here too. `true` for a value that is not looked into; for an object, or a list of them, its own names, or a
 * function where what they are depends on it.
 */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: NamesWithin };

/** Names of options whatever they are of. */
export type AnyOptionNames = { readonly [name: string]: NamesWithin };

type NamesWithin = true | AnyOptionNames | ((value: UntypedOptions) => AnyOptionNames | true);
type UntypedOptions = Readonly<Record<string, unknown>>;

/**
 * Checks an object: a text, a list or a promise in its place would be taken for one that says nothing.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkObject<Given extends object>(given: Given, what: string): Given {
  const kind = Object.prototype.toString.call(given);
  if (kind === "[object Object]" || kind === MODULE) return given;
  throw wrongArgument(what, given, "an object");
}

const MODULE = "[object Module]";

/**
 * Checks an object of options, and that it has no other names than options have, nor the objects in it: whoever writes
 * `attemps` would get what is done without it. A name whose value is `undefined` says nothing, and may be any.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkOptions<Options extends object>(
  options: Options,
  what: string,
  names: OptionNames<Options>,
): Options {
  // What nearly all are: its kind need not be asked for.
  if (isPlain(options)) checkNamesAt(options, names, what, "");
  else checkNames(checkObject(options, what), what, names);
  return options;
}

/**
 * The same of what is an object: the check of its names alone.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkNames(options: object, what: string, names: AnyOptionNames): void {
  // A module exports for others too.
  if (Object.prototype.toString.call(options) === MODULE) return;
  checkNamesAt(options as UntypedOptions, names, what, "");
}

function isPlain(value: object): value is UntypedOptions {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

/** Of options that are made of several, those that one of them has. */
export function pickOptions<Options extends object, Name extends keyof Options>(
  options: Options,
  names: Readonly<Record<Name, NamesWithin>>,
): Pick<Options, Name> {
  const own = Object.entries(options).filter(([name]) => Object.hasOwn(names, name));
  return Object.fromEntries(own) as Pick<Options, Name>;
}

/** `path` is the way from what is told: `limits[0].rate`. Every enqueue passes here: no list and no text is made. */
function checkNamesAt(
  options: UntypedOptions,
  names: AnyOptionNames,
  what: string,
  path: string,
): void {
  for (const name in options) {
    const within = names[name];
    if (within === true) continue;
    const value = options[name];
    if (value === undefined) continue;
    if (within === undefined || !Object.hasOwn(names, name)) {
      throw unknownName({ what, path }, name, names);
    }
    if (typeof value !== "object" || value === null) continue;
    checkNamesIn(value, within, what, path === "" ? name : `${path}.${name}`);
  }
}

/** What is of a wrong kind is left to whoever reads it. */
function checkNamesIn(
  value: object,
  within: Exclude<NamesWithin, true>,
  what: string,
  path: string,
): void {
  if (Array.isArray(value)) {
    for (const [index, each] of (value as readonly unknown[]).entries()) {
      if (typeof each !== "object" || each === null) continue;
      checkNamesIn(each, within, what, `${path}[${index}]`);
    }
    return;
  }
  const options = value as UntypedOptions;
  const names = typeof within === "function" ? within(options) : within;
  if (names !== true) checkNamesAt(options, names, what, path);
}

/** The error of a name that no options have. */
export function unknownName(
  { what, path }: { readonly what: string; readonly path: string },
  name: string,
  names: AnyOptionNames,
): MillraceError {
  const where = path === "" ? "" : ` in ${path}`;
  return new MillraceError("INVALID_ARGUMENT", {
    message: `${what} has the unknown name ${tellValue(name)}${where}; ${meantBy(name, names)}`,
  });
}

function meantBy(name: string, names: AnyOptionNames): string {
  const known = Object.keys(names);
  const near = name.length > MAX_TOLD_LENGTH ? [] : nearNames(name, known);
  if (near.length > 0) return `did you mean ${near.join(" or ")}?`;
  const holder = known.find((each) => {
    const within = names[each];
    return typeof within === "object" && Object.hasOwn(within, name);
  });
  if (holder !== undefined) return `did you mean ${holder}: { ${name} }?`;
  return `expected ${known.join(", ")}`;
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
