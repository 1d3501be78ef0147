// Inputs and results too long for a row, kept beside it.
import type { Row } from "./thread/connection.ts";
import type { Context } from "./context.ts";
import { EXTRA } from "./extras.ts";

type Column = Row[number] | undefined;

/** Kinds of documents. */
const DOCUMENT = { input: 0, result: 1 } as const;

/**
 * Largest input or result kept in the row, in UTF-16 units. A row of a WITHOUT ROWID table over about a quarter of a
 * page (1,000 bytes) would spill into pages of its own, and each change of state rewrites the row.
 */
const INLINE_LENGTH = 512;

const PUT_DOCUMENT = "INSERT OR REPLACE INTO documents VALUES (?, unhex(?, '-'), ?, ?)";
const DELETE_DOCUMENT =
  "DELETE FROM documents WHERE namespace = ? AND id = unhex(?, '-') AND kind = ?";

/** Whether an input is kept beside the row. */
export function isLongInput(input: string): boolean {
  return input.length > INLINE_LENGTH;
}

/** Keeps a long input beside the row. */
export function putLongInput(context: Context, id: string, input: string): void {
  context.connection.run(PUT_DOCUMENT, context.namespace, id, DOCUMENT.input, input);
}

/** Forgets the long input of a job. */
export function dropLongInput(context: Context, id: string): void {
  context.connection.run(DELETE_DOCUMENT, context.namespace, id, DOCUMENT.input);
}

/** The input of a job, by its column and extras. */
export function readInput(context: Context, id: string, column: Column, extras: number): string {
  const isLong = (extras & EXTRA.input) !== 0;
  return (isLong ? readDocument(context, id, DOCUMENT.input) : textOf(column)) ?? "null";
}

/** The input of a row whose own column is NULL. */
export function readLongInput(context: Context, id: string): string {
  return readInput(context, id, null, EXTRA.input);
}

/** The result of a job, by its column and extras; `null` where there is none. */
export function readResult(
  context: Context,
  id: string,
  column: Column,
  extras: number,
): string | null {
  const isLong = (extras & EXTRA.result) !== 0;
  return isLong ? readDocument(context, id, DOCUMENT.result) : textOf(column);
}

/** Keeps a result beside the row where it is long, and forgets the one before. Returns the extras that the job has now. */
export function writeResult(
  context: Context,
  id: string,
  result: string | null,
  extras: number,
): number {
  const { connection, namespace } = context;
  if (result === null || result.length <= INLINE_LENGTH) {
    if ((extras & EXTRA.result) !== 0) {
      connection.run(DELETE_DOCUMENT, namespace, id, DOCUMENT.result);
    }
    return extras & ~EXTRA.result;
  }
  connection.run(PUT_DOCUMENT, namespace, id, DOCUMENT.result, result);
  return extras | EXTRA.result;
}

function readDocument(context: Context, id: string, kind: number): string | null {
  const row = context.connection.first(
    "SELECT body FROM documents WHERE namespace = ? AND id = unhex(?, '-') AND kind = ?",
    context.namespace,
    id,
    kind,
  );
  return row === undefined ? null : String(row[0]);
}

function textOf(column: Column): string | null {
  return typeof column === "string" ? column : null;
}
