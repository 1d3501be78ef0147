// Reads a text message by parsing it whole: the meaning of a message, which the fast reader must agree with.
import { isUtf8 } from "node:buffer";
import { canonicalUuid } from "./uuid-table.ts";

/**
 * Why a frame was skipped: `binary` (not a text frame), `utf8` (not UTF-8), `json` (not JSON), `shape`
 * (JSON, but neither a list of associations nor a message), `id` (the right shape, but an id that is no
 * UUID), `oversize` (larger than the bound; the connection is closed and opened again).
 */
export type MalformedKind = "binary" | "utf8" | "json" | "shape" | "id" | "oversize";

/** Every kind of malformed frame, in the order it is reported. */
export const MALFORMED_KINDS: readonly MalformedKind[] = [
  "binary",
  "utf8",
  "json",
  "shape",
  "id",
  "oversize",
];

/** One association: `child` belongs to `parent` from now on. Both are lower-case UUIDs. */
interface Association {
  readonly parent: string;
  readonly child: string;
}

/** What a text message says. Ids are lower-case UUIDs. */
export type FullMessage =
  | { readonly kind: "message"; readonly source: string; readonly destination: string }
  | {
      readonly kind: "associations";
      readonly associations: readonly Association[];
      /** Entries of the list that were skipped, by kind. The good ones of the same list count. */
      readonly skipped: { readonly shape: number; readonly id: number };
    }
  | { readonly kind: "malformed"; readonly reason: MalformedKind };

/**
 * Reads a text message. Fields beyond the ids are not looked at, their order does not matter, and of a
 * field that stands twice the last one counts, as `JSON.parse` has it. Never throws.
 */
export function parseFullMessage(bytes: Buffer): FullMessage {
  if (!isUtf8(bytes)) return { kind: "malformed", reason: "utf8" };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return { kind: "malformed", reason: "json" };
  }
  if (Array.isArray(value)) return readAssociations(value);
  const ids = twoTexts(value, "source", "destination");
  if (ids === undefined) return { kind: "malformed", reason: "shape" };
  const source = canonicalUuid(ids[0]);
  const destination = canonicalUuid(ids[1]);
  if (source === undefined || destination === undefined) return { kind: "malformed", reason: "id" };
  return { kind: "message", source, destination };
}

function readAssociations(entries: readonly unknown[]): FullMessage {
  const associations: Association[] = [];
  const skipped = { shape: 0, id: 0 };
  for (const entry of entries) {
    const ids = twoTexts(entry, "parent", "child");
    const parent = ids && canonicalUuid(ids[0]);
    const child = ids && canonicalUuid(ids[1]);
    if (ids === undefined) skipped.shape += 1;
    else if (parent === undefined || child === undefined) skipped.id += 1;
    else associations.push({ parent, child });
  }
  return { kind: "associations", associations, skipped };
}

/** Two fields of an object when both are its own and texts. */
function twoTexts(value: unknown, first: string, second: string): [string, string] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  if (!Object.hasOwn(fields, first) || !Object.hasOwn(fields, second)) return undefined;
  const [one, two] = [fields[first], fields[second]];
  return typeof one === "string" && typeof two === "string" ? [one, two] : undefined;
}
