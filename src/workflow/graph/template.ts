// Templates: JSON with references in it, which are found before a graph runs and filled in as it does.
import { MillraceError } from "../../core/errors.ts";
import type { Template } from "./graph.ts";

/** Keys and indexes from a named value on. */
type Path = readonly [root: string, ...rest: (string | number)[]];

/** A reference in a template, or what is wrong with it. */
export type Reference =
  | { readonly path: Path; readonly problem?: undefined }
  | { readonly problem: string };

/** Deepest nesting of a template: the bound of JSON that the job service takes is lower. */
const MAX_DEPTH = 200;

/** Every reference in a template. */
export function referencesIn(template: Template, depth = 0): readonly Reference[] {
  if (depth > MAX_DEPTH) return [{ problem: `is nested deeper than ${MAX_DEPTH}` }];
  if (!isContainer(template)) return [];
  if (Array.isArray(template)) return template.flatMap((item) => referencesIn(item, depth + 1));
  if (isMarked(template, "$literal")) return [];
  if (isMarked(template, "$from")) return [readPath(template.$from)];
  return Object.values(template).flatMap((value) => referencesIn(value, depth + 1));
}

/**
 * Fills in a template.
 *
 * @throws MillraceError `INVALID_GRAPH` where a path leads nowhere, saying how far it went
 */
export function fillIn(template: Template, values: ReadonlyMap<string, unknown>): unknown {
  if (!isContainer(template)) return template;
  if (Array.isArray(template)) return template.map((item) => fillIn(item, values));
  if (isMarked(template, "$literal")) return template.$literal;
  if (isMarked(template, "$from")) return follow(template.$from, values);
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) => [key, fillIn(value, values)]),
  );
}

function readPath(from: unknown): Reference {
  const keys: unknown = typeof from === "string" ? from.split(".") : from;
  if (Array.isArray(keys) && keys.length > 0 && keys.every(isKey) && typeof keys[0] === "string") {
    return { path: keys as unknown as Path };
  }
  return {
    problem: `has the reference ${JSON.stringify(from)}; expected a path such as "network.id" or ["network", "id"]`,
  };
}

function isKey(key: unknown): key is string | number {
  return (typeof key === "string" && key !== "") || (typeof key === "number" && key >= 0);
}

function follow(from: unknown, values: ReadonlyMap<string, unknown>): unknown {
  const { path } = readPath(from) as { readonly path: Path };
  const [root, ...rest] = path;
  let value = values.get(root);
  for (const [index, key] of rest.entries()) {
    // Own fields only: no path leads to what every object inherits.
    if (!isContainer(value) || !Object.hasOwn(value, key)) {
      const way = path.slice(0, index + 1).join(".");
      throw new MillraceError("INVALID_GRAPH", {
        message: `the reference ${path.join(".")} leads nowhere: ${way} has no ${JSON.stringify(key)}`,
        details: { path },
      });
    }
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isMarked<Mark extends string>(
  value: object,
  mark: Mark,
): value is { readonly [key in Mark]: unknown } {
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === mark;
}
