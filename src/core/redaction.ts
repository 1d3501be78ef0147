// Redaction: one mark masks a field wherever a job is shown; the handler sees the real value.

/** What stands in place of a masked value. */
export const MASK = "[redacted]";

/**
 * Paths to mask (`"card"`, `"user.password"`, `"items.*.token"`; `*` is any one key or index), or a function from the
 * whole value to what may be shown.
 */
export type Redaction = readonly string[] | ((value: unknown) => unknown);

/** Shows a value with its secrets masked. Never changes the value given. */
export type Redactor = (value: unknown) => unknown;

/** How deep a value is shown; deeper parts are masked, so that no input can exhaust the stack. */
const MAX_DEPTH = 100;

/** Makes the function that masks a job type's values. Without a mark the value is shown as it is. */
export function createRedactor(redaction: Redaction | undefined): Redactor {
  if (redaction === undefined) return (value) => value;
  if (typeof redaction === "function") {
    return (value) => {
      try {
        return redaction(value);
      } catch {
        // A redactor that throws must not let the secret through.
        return MASK;
      }
    };
  }
  if (redaction.length === 0) return (value) => value;
  const paths = redaction.map((path) => path.split("."));
  return (value) => maskPaths(value, paths, 0);
}

function maskPaths(value: unknown, paths: readonly (readonly string[])[], depth: number): unknown {
  if (typeof value !== "object" || value === null || paths.length === 0) return value;
  if (depth >= MAX_DEPTH) return MASK;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => maskKey(item, String(index), paths, depth));
  }
  const shown: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) shown[key] = maskKey(item, key, paths, depth);
  return { ...shown };
}

function maskKey(
  item: unknown,
  key: string,
  paths: readonly (readonly string[])[],
  depth: number,
): unknown {
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
 * that a handler writes about it.
 */
export function collectSecrets(value: unknown, redact: Redactor): readonly string[] {
  const secrets = new Set<string>();
  collectHidden(value, redact(value), secrets, 0);
  // Longest first, so that a secret that contains another is masked whole.
  return [...secrets].sort((left, right) => right.length - left.length);
}

function collectHidden(real: unknown, shown: unknown, secrets: Set<string>, depth: number): void {
  if (real === shown || depth > MAX_DEPTH || secrets.size >= MAX_SECRETS) return;
  if (typeof real === "string" || typeof real === "number") {
    const text = String(real);
    if (text.length >= MIN_SECRET_LENGTH) secrets.add(text);
    return;
  }
  if (typeof real !== "object" || real === null) return;
  const view =
    typeof shown === "object" && shown !== null ? (shown as Record<string, unknown>) : {};
  for (const [key, item] of Object.entries(real)) {
    collectHidden(item, view[key], secrets, depth + 1);
  }
}

/** Masks every secret in a text. */
export function maskText(text: string, secrets: readonly string[]): string {
  let masked = text;
  for (const secret of secrets) masked = masked.replaceAll(secret, MASK);
  return masked;
}
