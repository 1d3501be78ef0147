// Checks inputs and outputs against any Standard Schema, and tells what is wrong in one line.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type ErrorCode, MillraceError } from "../core/errors.ts";
import type { JsonText } from "../core/job.ts";

/** Issues told in one message; the rest are counted. */
const MAX_TOLD_ISSUES = 5;

/**
 * Checks a value.
 *
 * @returns what the schema made of it; the value itself without a schema
 * @throws MillraceError `code`, with `details.issues` as `{ path, message }`
 */
export function validate<Output>(
  schema: StandardSchemaV1<unknown, Output> | undefined,
  value: unknown,
  what: string,
  code: ErrorCode,
): Output | Promise<Output> {
  if (schema === undefined) return value as Output;
  const outcome = schema["~standard"].validate(value);
  // Most schemas answer at once: the hot path makes no promise for them.
  return outcome instanceof Promise
    ? outcome.then((settled) => accept(settled, what, code))
    : accept(outcome, what, code);
}

function accept<Output>(
  outcome: StandardSchemaV1.Result<Output>,
  what: string,
  code: ErrorCode,
): Output {
  if (outcome.issues === undefined) return outcome.value;
  const issues = outcome.issues.map((issue) => ({ path: pathOf(issue), message: issue.message }));
  const told = issues
    .slice(0, MAX_TOLD_ISSUES)
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const more =
    issues.length > MAX_TOLD_ISSUES ? `; and ${issues.length - MAX_TOLD_ISSUES} more` : "";
  throw new MillraceError(code, {
    message: `${what} does not fit its schema: ${told.join("; ")}${more}`,
    details: { issues },
  });
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .join(".");
}

/** What some schema libraries add to Standard Schema: a JSON Schema of either side. */
interface JsonSchemaSource {
  readonly jsonSchema?: {
    readonly input: (options: { readonly target: string }) => unknown;
    readonly output: (options: { readonly target: string }) => unknown;
  };
}

/** The JSON Schema of a Standard Schema, where its library can tell. */
export function jsonSchemaOf(schema: StandardSchemaV1 | undefined): JsonText | undefined {
  const source = (schema?.["~standard"] as JsonSchemaSource | undefined)?.jsonSchema;
  if (source === undefined) return undefined;
  try {
    return JSON.stringify(source.input({ target: "draft-2020-12" }));
  } catch {
    // A schema with a part that JSON Schema can't say (a function, a transform) has none: that is no error.
    return undefined;
  }
}
