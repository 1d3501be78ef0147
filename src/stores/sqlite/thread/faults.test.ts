import { describe, expect, it } from "vitest";
import { MillraceError } from "../../../core/errors.ts";
import { fromPlainError, isBusy, isFatal, isFull, toPlainError, toStoreError } from "./faults.ts";

function sqliteError(errcode: number): Error {
  return Object.assign(new Error("said by SQLite"), { code: "ERR_SQLITE_ERROR", errcode });
}
/** Extended codes carry their primary one in the low byte. */
const BUSY_RECOVERY = sqliteError(261);
const FULL = sqliteError(13);
const IOERR_FSYNC = sqliteError(1_034);
const CORRUPT = sqliteError(11);

describe("an error of the database", () => {
  it("is a lock held elsewhere, a full disk, or fatal to the connection, by its primary code", () => {
    const errors = [BUSY_RECOVERY, FULL, IOERR_FSYNC, CORRUPT];
    expect(errors.map((error) => isBusy(error))).toEqual([true, false, false, false]);
    expect(errors.map((error) => isFull(error))).toEqual([false, true, false, false]);
    expect(errors.map((error) => isFatal(error))).toEqual([false, false, true, true]);
  });

  it("crosses the seam as a store error with a code", () => {
    const codes = [BUSY_RECOVERY, FULL, IOERR_FSYNC].map(
      (error) => toStoreError(error, "jobs.db").code,
    );
    expect(codes).toEqual(["STORE_BUSY", "STORE_FULL", "STORE_FAILED"]);
    expect(toStoreError(IOERR_FSYNC, "jobs.db")).toMatchObject({
      message: "jobs.db: said by SQLite",
      details: { sqliteCode: 1_034 },
    });
  });
});

it("says how to mend what a user can mend", () => {
  expect(toStoreError(sqliteError(8), "jobs.db").message).toMatch(
    /let this user write to the file/,
  );
  expect(toStoreError(sqliteError(26), "jobs.db").message).toMatch(/name another path/);
});

describe("any other error", () => {
  it("says nothing of the connection", () => {
    expect([new TypeError("x"), "x", null].map((thrown) => isFatal(thrown))).toEqual([
      false,
      false,
      false,
    ]);
    expect(toStoreError("odd", "jobs.db")).toMatchObject({ code: "STORE_FAILED" });
  });

  it("of Millrace's own passes as it is, also across threads", () => {
    const error = new MillraceError("STORE_VERSION", {
      message: "too new",
      details: { version: 9 },
    });
    expect(toStoreError(error, "jobs.db")).toBe(error);
    expect(fromPlainError(structuredClone(toPlainError(error)))).toMatchObject({
      code: "STORE_VERSION",
      message: "too new",
      details: { version: 9 },
    });
  });
});
