// The connection: opened with the settings that durability needs, with every statement prepared once.
import { accessSync } from "node:fs";
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Durability } from "../../../core/store-description.ts";
import { type Database, type Statement, loadDriver } from "./driver.ts";
import { checkOwner, checkOwnerOfLog } from "./ownership.ts";
import { migrate } from "../schema.ts";

/** Bound values of a statement. */
export type Values = readonly SQLInputValue[];
/** A row as an array, in the order of its columns. */
export type Row = readonly SQLOutputValue[];

/** One open database file. */
export interface Connection {
  readonly db: Database;
  /** Runs a statement; gives back how many rows it changed. */
  run(sql: string, ...values: Values): number;
  /** The first row, as an array. */
  first(sql: string, ...values: Values): Row | undefined;
  /** Every row, as arrays. */
  all(sql: string, ...values: Values): readonly Row[];
  /** Whether the next commits wait for the disk, where the durability asks for it. Called outside a transaction. */
  setSynced(isSynced: boolean): void;
  /** Writes the whole log to the database and syncs it. `false`: others were in the way, or there is no room for it. */
  checkpoint(): boolean;
  /** Changes when another connection has committed. */
  dataVersion(): number;
  close(): void;
}

const SYNCHRONOUS: Readonly<Record<Durability, string>> = {
  memory: "OFF",
  os: "NORMAL",
  fsync: "FULL",
  replicated: "FULL",
};

/** Page cache: the edges of a dozen trees and the pages between two checkpoints fit, whatever the size of the file. */
const CACHE_KIB = 65_536;
/** Pages of log after which it is written to the database: 16 MB. SQLite's 1,000 cost a job about a tenth more time. */
const CHECKPOINT_PAGES = 4_000;
/** A WAL that grew past this (a long reader kept it from being reset) is cut back at the next chance. */
const WAL_LIMIT_BYTES = 64 * 1_024 * 1_024;

/**
 * Opens (and makes, or migrates) the file.
 *
 * @throws what the driver throws, and MillraceError `STORE_VERSION`, `STORE_MISCONFIGURED`
 */
export function openConnection(path: string, durability: Durability): Connection {
  checkOwnerOfLog(path);
  const { DatabaseSync } = loadDriver();
  // Busy timeout 0: waiting is the engine's, which goes on reading and renewing meanwhile.
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    // Before the settings: to say that a file has a log is to write into it.
    checkOwner(db, path);
    db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = ${SYNCHRONOUS[durability]}; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${CACHE_KIB}; PRAGMA journal_size_limit = ${WAL_LIMIT_BYTES};
      PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    `);
    migrate(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  return wrap(db, durability);
}

/**
 * Opens a file again after its connection failed, and makes sure that all which was ever acknowledged is on disk: a
 * failed fsync says nothing of what it was to write, and the next one would not fail for it. So a write is committed,
 * and the whole log written to the database and synced, before anything else is done.
 *
 * @throws what the driver throws while the fault lasts
 */
export function reopenConnection(path: string, durability: Durability): Connection {
  // Without the file an empty one would be made, and everything that was acknowledged be missing without a word.
  accessSync(path);
  const connection = openConnection(path, durability);
  try {
    connection.db.exec("BEGIN IMMEDIATE; UPDATE revision SET n = n + 1; COMMIT");
    if (!connection.checkpoint()) throw new Error("the log could not be written to the database");
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

function wrap(db: Database, durability: Durability): Connection {
  let isSyncedNow = true;
  const statements = new Map<string, Statement>();
  const prepare = (sql: string): Statement => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      statement.setReturnArrays(true);
      statements.set(sql, statement);
    }
    return statement;
  };
  return {
    db,
    run: (sql, ...values) => Number(prepare(sql).run(...values).changes),
    first: (sql, ...values) => prepare(sql).get(...values) as Row | undefined,
    all: (sql, ...values) => prepare(sql).all(...values) as unknown as readonly Row[],
    setSynced: (isSynced) => {
      if (isSynced === isSyncedNow || SYNCHRONOUS[durability] !== "FULL") return;
      db.exec(`PRAGMA synchronous = ${isSynced ? "FULL" : "NORMAL"}`);
      isSyncedNow = isSynced;
    },
    checkpoint: () => {
      try {
        return (prepare("PRAGMA wal_checkpoint(RESTART)").get() as Row | undefined)?.[0] === 0;
      } catch {
        return false;
      }
    },
    dataVersion: () => Number((prepare("PRAGMA data_version").get() as Row | undefined)?.[0]),
    close: () => {
      statements.clear();
      db.close();
    },
  };
}
