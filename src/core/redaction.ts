// Redaction: one mark masks a field wherever a job is shown; the handler sees the real value.
import { checkList } from "./arguments.ts";
import { MillraceError } from "./errors.ts";

/** What stands in place of a masked value. */
export const MASK = "[redacted]";

/**
 * Paths to mask (`"card"`, `"user.password"`, `"items.*.token"`; `*` is any one key or index, a dot always parts two
 * keys), or a function from a copy of the whole value to what may be shown.
 */
export type Redaction = readonly string[] | ((value: unknown) => unknown);

/** Shows a value with its secrets masked. Never changes the value given, never throws: what can't be read is masked. */
export type Redactor = (value: unknown) => unknown;

/** How deep a value is shown; deeper parts are masked, so that no input can exhaust the stack. */
const MAX_DEPTH = 100;

type Paths = readonly (readonly string[])[];

/**
 * Makes the function that masks a job type's values. Without a mark the value is shown as it is.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for a path that could never match, and so would let a secret through
 */
export function createRedactor(redaction: Redaction | undefined): Redactor {
  if (redaction === undefined) return (value) => value;
  if (typeof redaction === "function") {
    // A copy, since a function that masks in place would otherwise take the secret from the handler too.
    return orMask((value) => redaction(structuredClone(value)));
  }
  const paths = checkList(redaction, "redact", 'paths such as ["card"], or a function').map(
    readPath,
  );
  if (paths.length === 0) return (value) => value;
  return orMask((value) => maskPaths(value, paths, 0));
}

/** A redactor that throws must not let the secret through. */
function orMask(redactor: Redactor): Redactor {
  return (value) => {
    try {
      return redactor(value);
    } catch {
      return MASK;
    }
  };
}

function readPath(path: unknown): readonly string[] {
  const keys = typeof path === "string" ? path.split(".") : [""];
  if (keys.includes("")) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `redact has ${typeof path === "string" ? JSON.stringify(path) : `a ${typeof path}`}; expected paths such as "card", "user.password" or "items.*.token", or a function`,
    });
  }
  return keys;
}

function maskPaths(given: unknown, paths: Paths, depth: number): unknown {
  if (typeof given !== "object" || given === null || paths.length === 0) return given;
  if (depth >= MAX_DEPTH) return MASK;
  // Masked as it will be written: a toJSON of its own must not bring back what was masked.
  const { toJSON } = given as { toJSON?: unknown };
  const value: unknown = typeof toJSON === "function" ? toJSON.call(given, "") : given;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => maskKey(item, String(index), paths, depth));
  }
  // Own keys only, whatever their names: on an object without a prototype `__proto__` is a key like any other.
  const shown: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    // JSON has no functions, and a toJSON among them would speak for the whole copy.
    if (typeof item !== "function") shown[key] = maskKey(item, key, paths, depth);
  }
  return { ...shown };
}

function maskKey(item: unknown, key: string, paths: Paths, depth: number): unknown {
  const below = paths.filter(([head]) => head === key || head === "*").map((path) => path.slice(1));
  if (below.some((path) => path.length === 0)) return MASK;
  return maskPaths(item, below, depth + 1);
}

/** Shortest secret that is searched for in free text: shorter ones would mask half of every line. */
const MIN_SECRET_LENGTH = 4;
/** Most secrets of one job that are searched for in its lines. */
const MAX_SECRETS = 100;

/**
 * The texts and numbers that a redactor hides from a value: what must not appear in a log line or an error message
 * that a handler writes about it. A text that JSON would write otherwise is there in that form too.
 */
export function collectSecrets(value: unknown, redact: Redactor): readonly string[] {
  const secrets = new Set<string>();
  collectHidden(value, redact(value), secrets, 0);
  return [...secrets];
}

function collectHidden(real: unknown, shown: unknown, secrets: Set<string>, depth: number): void {
  if (real === shown || depth > MAX_DEPTH || secrets.size >= MAX_SECRETS) return;
  if (typeof real === "string" || typeof real === "number") {
    const text = String(real);
    if (text.length < MIN_SECRET_LENGTH) return;
    secrets.add(text);
    // Lines often hold a value as JSON, where quotes and line ends look different.
    secrets.add(JSON.stringify(text).slice(1, -1));
    return;
  }
  if (typeof real !== "object" || real === null) return;
  const view =
    typeof shown === "object" && shown !== null ? (shown as Record<string, unknown>) : {};
  for (const [key, item] of Object.entries(real)) {
    collectHidden(item, Object.hasOwn(view, key) ? view[key] : undefined, secrets, depth + 1);
  }
}

/** Masks every secret in a text, those that overlap as one. */
export function maskText(text: string, secrets: readonly string[]): string {
  const hidden = secrets.flatMap((secret) => occurrences(text, secret));
  if (hidden.length === 0) return text;
  hidden.sort(([left], [right]) => left - right);
  let masked = "";
  let readUpTo = 0;
  for (const [start, end] of hidden) {
    if (start >= readUpTo) masked += `${text.slice(readUpTo, start)}${MASK}`;
    readUpTo = Math.max(readUpTo, end);
  }
  return masked + text.slice(readUpTo);
}

function occurrences(text: string, secret: string): (readonly [start: number, end: number])[] {
  const found: (readonly [number, number])[] = [];
  if (secret === "") return found;
  let from = text.indexOf(secret);
  while (from !== -1) {
    found.push([from, from + secret.length]);
    // One further, not one secret further: "aaaa" is in "aaaaa" twice.
    from = text.indexOf(secret, from + 1);
  }
  return found;
}

/** Masks every secret in the texts and numbers of a value of plain data. */
export function maskValue(value: unknown, secrets: readonly string[], depth = 0): unknown {
  if (secrets.length === 0) return value;
  if (typeof value === "string") return maskText(value, secrets);
  if (typeof value === "number") return secrets.includes(String(value)) ? MASK : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return MASK;
  if (Array.isArray(value)) return value.map((item) => maskValue(item, secrets, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, maskValue(item, secrets, depth + 1)]),
  );
}
