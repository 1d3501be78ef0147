// What SQLite's errors mean to a caller of the store, and which of them end a connection.
import { MillraceError, isMillraceError } from "../../../core/errors.ts";
import type { PlainError } from "./messages.ts";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_FULL = 13;

/** What mends an error that a user can mend; SQLite's own words say only what is wrong. */
const MENDS: Readonly<Record<number, string>> = {
  8: "let this user write to the file and to its directory, where the write-ahead log goes",
  14: "it must be a file, in a directory that is there and that this user may write to",
  26: "name another path, or move that file away",
};

function primaryCode(thrown: unknown): number | null {
  if (!(thrown instanceof Error)) return null;
  const code: unknown = (thrown as { errcode?: unknown }).errcode;
  return typeof code === "number" ? code & 0xff : null;
}

/** Whether another connection holds the lock: nothing was written, and trying again is right. */
export function isBusy(thrown: unknown): boolean {
  const code = primaryCode(thrown);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

/** Whether the disk has no room. The transaction was rolled back and the connection is sound. */
export function isFull(thrown: unknown): boolean {
  return primaryCode(thrown) === SQLITE_FULL;
}

/**
 * Whether the connection must not be trusted any longer. Any error of the database that is neither a lock nor a full
 * disk: after a failed write or fsync nobody knows what is on disk.
 */
export function isFatal(thrown: unknown): boolean {
  return primaryCode(thrown) !== null && !isBusy(thrown) && !isFull(thrown);
}

/** The error that crosses the seam. */
export function toStoreError(thrown: unknown, path: string): MillraceError {
  if (isMillraceError(thrown)) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  if (isFull(thrown)) {
    return new MillraceError("STORE_FULL", {
      message: `the disk of ${path} is full; make room, the store works on by itself`,
      cause: thrown,
    });
  }
  if (isBusy(thrown)) {
    return new MillraceError("STORE_BUSY", {
      message: `another process holds the write lock of ${path}`,
      cause: thrown,
    });
  }
  const mend = MENDS[primaryCode(thrown) ?? 0];
  return new MillraceError("STORE_FAILED", {
    message: `${path}: ${said}${mend === undefined ? "" : `; ${mend}`}`,
    cause: thrown,
    details: { sqliteCode: (thrown as { errcode?: number }).errcode ?? null },
  });
}

/** An error in a form that crosses threads. */
export function toPlainError({ code, message, details }: MillraceError): PlainError {
  return { code, message, details };
}

/** The error that crossed. */
export function fromPlainError({ code, message, details }: PlainError): MillraceError {
  return new MillraceError(code, { message, details });
}
