// Whose file it is, told before anything in it may change.
import { statSync } from "node:fs";
import { MillraceError } from "../../../core/errors.ts";
import { type Database, loadDriver } from "./driver.ts";

/** "mill" in ASCII: says whose file it is (https://sqlite.org/pragma.html#pragma_application_id). */
export const APPLICATION_ID = 0x6d696c6c;

/**
 * Makes sure that what a log beside the file holds is not another program's: whoever closes such a file last writes the
 * log into it, unless it was opened for reading only. (The file's first bytes would tell as much, but to close a file
 * that was opened beside SQLite drops the locks of this process on it: https://sqlite.org/howtocorrupt.html, 2.2.)
 *
 * @throws MillraceError `STORE_MISCONFIGURED`, and what the driver throws
 */
export function checkOwnerOfLog(path: string): void {
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
  const { DatabaseSync } = loadDriver();
  const db = new DatabaseSync(path, { timeout: 0, readOnly: true });
  try {
    checkOwner(db, path);
  } finally {
    db.close();
  }
}

/**
 * Makes sure that a file is Millrace's, or empty. Called outside a transaction.
 *
 * @throws MillraceError `STORE_MISCONFIGURED`, and what the driver throws
 */
export function checkOwner(db: Database, path: string): void {
  // One look at all of it: between two, another process may commit what makes the file Millrace's.
  db.exec("BEGIN");
  try {
    checkOwnerInside(db, path);
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK");
  }
}

/**
 * Makes sure of it within a transaction.
 *
 * @throws MillraceError `STORE_MISCONFIGURED`, and what the driver throws
 */
export function checkOwnerInside(db: Database, path: string): void {
  if (isOwnFile(db) || isEmpty(db)) return;
  throw new MillraceError("STORE_MISCONFIGURED", {
    message: `${path} is an SQLite file of another program; give Millrace a file of its own`,
  });
}

/** Whether the file bears Millrace's mark. */
export function isOwnFile(db: Database): boolean {
  return pragma(db, "application_id") === APPLICATION_ID;
}

function isEmpty(db: Database): boolean {
  return ["application_id", "user_version", "schema_version"].every(
    (name) => pragma(db, name) === 0,
  );
}

/** A number that the file keeps in its header. */
export function pragma(db: Database, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}
