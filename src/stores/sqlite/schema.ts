// The tables, as ordered migrations: forward only, each in one transaction.
import { MillraceError } from "../../core/errors.ts";
import type { Database } from "./thread/driver.ts";
import { APPLICATION_ID, checkOwnerInside, isOwnFile, pragma } from "./thread/ownership.ts";

/*
 * Why the tables are as they are. A plain job costs one row and one index entry when it is enqueued, one changed row and
 * one moved entry when it is claimed, one row and one entry gone when it ends: every index is partial and holds only
 * jobs in the state that it serves (eight partial indexes cost an insert 0.3 µs more than three, of about 4).
 * - `jobs` is WITHOUT ROWID, so the id needs no second tree; ids ascend (UUIDv7), so inserts go to the right edge.
 * - A lane (namespace, queue, type, labels) is a small integer, so that a claim filters by one.
 * - What is rarely there (tags, history, errors, ...) is one JSON column, NULL for a plain job.
 * - Inputs and results over INLINE_LENGTH are documents: a change of state must not rewrite them.
 * - `worker` is a worker's number while the job runs (the index stays small) and its name afterwards.
 * - `company` is set on jobs that must run apart from most others because their workers died: see suspects.ts.
 */
const FIRST = `
CREATE TABLE namespaces (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL);
INSERT INTO revision VALUES (1, 0);
CREATE TABLE queues (
  namespace INTEGER NOT NULL, name TEXT NOT NULL, paused TEXT,
  PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE types (
  namespace INTEGER NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE lanes (
  no INTEGER PRIMARY KEY, namespace INTEGER NOT NULL,
  queue TEXT NOT NULL, type TEXT NOT NULL, labels TEXT NOT NULL,
  UNIQUE (namespace, queue, type, labels)
);
CREATE TABLE counts (
  lane INTEGER NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (lane, state)
) WITHOUT ROWID;
CREATE TABLE jobs (
  namespace INTEGER NOT NULL, id BLOB NOT NULL, lane INTEGER NOT NULL, state INTEGER NOT NULL,
  due_at INTEGER NOT NULL, rank INTEGER NOT NULL, enqueued_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, extras INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER, worker, token TEXT, started_at INTEGER, finished_at INTEGER, remove_at INTEGER,
  cancel_at INTEGER, company INTEGER, input TEXT, result TEXT, rest TEXT,
  PRIMARY KEY (namespace, id)
) WITHOUT ROWID;
CREATE INDEX jobs_ready ON jobs (lane, rank, id, expires_at) WHERE state = 1 AND company IS NULL;
CREATE INDEX jobs_scheduled ON jobs (lane, due_at) WHERE state = 0;
CREATE INDEX jobs_running ON jobs (worker) WHERE state = 2;
CREATE INDEX jobs_suspect ON jobs (lane, rank, id) WHERE state = 1 AND company IS NOT NULL;
CREATE INDEX jobs_cancel ON jobs (worker) WHERE state = 2 AND cancel_at IS NOT NULL;
CREATE INDEX jobs_expiry ON jobs (namespace, expires_at) WHERE expires_at IS NOT NULL AND state < 2;
CREATE INDEX jobs_removal ON jobs (namespace, remove_at) WHERE remove_at IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (lane, state, finished_at, id) WHERE state >= 4;
CREATE INDEX jobs_ended ON jobs (lane, state, id) WHERE state >= 4;
CREATE TABLE documents (
  namespace INTEGER NOT NULL, id BLOB NOT NULL, kind INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (namespace, id, kind)
) WITHOUT ROWID;
CREATE TABLE tags (
  namespace INTEGER NOT NULL, tag TEXT NOT NULL, id BLOB NOT NULL,
  PRIMARY KEY (namespace, tag, id)
) WITHOUT ROWID;
CREATE TABLE logs (
  namespace INTEGER NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL,
  at INTEGER NOT NULL, level INTEGER NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY (namespace, id, seq)
) WITHOUT ROWID;
CREATE TABLE keys (
  namespace INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, id BLOB NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, type, key)
) WITHOUT ROWID;
CREATE INDEX keys_expiry ON keys (namespace, expires_at);
CREATE TABLE workers (
  no INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL,
  attached_at INTEGER NOT NULL, lease_until INTEGER NOT NULL, died_with INTEGER,
  UNIQUE (namespace, id)
);
CREATE TABLE subscribers (
  no INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, lease_until INTEGER NOT NULL
);
CREATE TABLE events (
  no INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, writer TEXT NOT NULL, event TEXT NOT NULL
);
`;

const SCHEDULES = `
CREATE TABLE schedules (
  namespace INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, queue TEXT NOT NULL, fire_at INTEGER,
  definition TEXT NOT NULL, life TEXT NOT NULL,
  PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (namespace, fire_at) WHERE fire_at IS NOT NULL;
`;

const FIGURES = `
CREATE TABLE figures (
  namespace INTEGER NOT NULL, resolution INTEGER NOT NULL, start_at INTEGER NOT NULL, type TEXT NOT NULL,
  counts TEXT NOT NULL,
  PRIMARY KEY (namespace, resolution, start_at, type)
) WITHOUT ROWID;
`;

/*
 * A workflow run is a job with `entries`; its record is in `runs`, the owner's entries under integers and then facts
 * under the ids of children and signals, so that one range is read and removed. `news` is what owners in other processes
 * have not heard of yet.
 */
const RUNS = `
ALTER TABLE jobs ADD COLUMN parent BLOB;
ALTER TABLE jobs ADD COLUMN entries INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_waiting ON jobs (lane, id) WHERE state = 3;
CREATE INDEX jobs_held ON jobs (worker) WHERE state = 3 AND token IS NOT NULL;
CREATE TABLE runs (
  namespace INTEGER NOT NULL, run BLOB NOT NULL, key BLOB NOT NULL, kind INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (namespace, run, key)
) WITHOUT ROWID;
CREATE TABLE news (
  worker INTEGER NOT NULL, run BLOB NOT NULL, key BLOB NOT NULL,
  PRIMARY KEY (worker, run, key)
) WITHOUT ROWID;
`;

/*
 * Jobs with an error or a key are found by them. Only what has a `rest` is in these indexes, so a plain job pays for
 * neither; jobs that failed under an earlier version are found by their other properties.
 */
const SEARCH = `
ALTER TABLE queues ADD COLUMN draining TEXT;
CREATE INDEX jobs_fingerprint ON jobs (namespace, json_extract(rest, '$.fp'), id)
  WHERE json_extract(rest, '$.fp') IS NOT NULL;
CREATE INDEX jobs_key ON jobs (namespace, json_extract(rest, '$.key'), id)
  WHERE json_extract(rest, '$.key') IS NOT NULL;
`;

/*
 * `grp` is set on jobs with keys while they are ready or run: such a job is in the index of its group, not in that of its
 * lane, so that a claim never walks over jobs that a limit holds. A group stands before the gates of its keys; its place
 * in the ring of its lane is `turn`, and `parked_at` the gate that keeps it out of it: see gates.ts.
 */
const LIMITS = `
ALTER TABLE jobs ADD COLUMN grp INTEGER;
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (lane, rank, id, expires_at) WHERE state = 1 AND company IS NULL AND grp IS NULL;
CREATE INDEX jobs_keyed ON jobs (grp, rank, id, expires_at) WHERE state = 1 AND company IS NULL AND grp IS NOT NULL;
ALTER TABLE lanes ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE limits (
  namespace INTEGER NOT NULL, queue TEXT NOT NULL, name TEXT NOT NULL,
  change TEXT, held_until INTEGER, starts TEXT,
  PRIMARY KEY (namespace, queue, name)
) WITHOUT ROWID;
CREATE TABLE gates (
  no INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, queue TEXT NOT NULL, name TEXT NOT NULL,
  key TEXT NOT NULL, running INTEGER NOT NULL DEFAULT 0, starts TEXT, held_until INTEGER,
  parked INTEGER NOT NULL DEFAULT 0, opens_at INTEGER,
  UNIQUE (namespace, queue, name, key)
);
CREATE INDEX gates_opening ON gates (namespace, opens_at) WHERE opens_at IS NOT NULL;
CREATE INDEX gates_parked ON gates (namespace) WHERE parked = 1;
CREATE TABLE key_groups (
  no INTEGER PRIMARY KEY AUTOINCREMENT, namespace INTEGER NOT NULL, lane INTEGER NOT NULL, keys TEXT NOT NULL,
  turn INTEGER, parked_at INTEGER,
  UNIQUE (lane, keys)
);
CREATE INDEX key_groups_ring ON key_groups (lane, turn) WHERE turn IS NOT NULL AND parked_at IS NULL;
CREATE INDEX key_groups_parked ON key_groups (parked_at, lane, turn) WHERE parked_at IS NOT NULL;
CREATE TABLE standing (
  namespace INTEGER NOT NULL, gate INTEGER NOT NULL, id BLOB NOT NULL,
  PRIMARY KEY (gate, id)
) WITHOUT ROWID;
CREATE INDEX standing_jobs ON standing (namespace, id);
CREATE TABLE uniques (
  namespace INTEGER NOT NULL, queue TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, id BLOB NOT NULL,
  PRIMARY KEY (namespace, queue, type, key, id)
) WITHOUT ROWID;
`;

/*
 * How far the claims of a lane have come among its groups: see flow/rounds.ts. Places in a ring are different from each other
 * from now on. `jobs_keyed` has all that the look for a group's first job asks about: without the last two columns it
 * read that job's row twice.
 */
const ROUNDS = `
ALTER TABLE lanes ADD COLUMN round INTEGER NOT NULL DEFAULT 1;
ALTER TABLE lanes ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN round_end INTEGER NOT NULL DEFAULT 0;
UPDATE key_groups SET turn = no WHERE turn IS NOT NULL AND parked_at IS NULL;
UPDATE key_groups SET turn = 0 WHERE parked_at IS NOT NULL;
DROP INDEX jobs_keyed;
CREATE INDEX jobs_keyed ON jobs (grp, rank, id, expires_at, state, company)
  WHERE state = 1 AND company IS NULL AND grp IS NOT NULL;
`;

/** What takes a file from each version to the next. */
export const MIGRATIONS: readonly string[] = [
  FIRST,
  SCHEDULES,
  FIGURES,
  RUNS,
  SEARCH,
  LIMITS,
  ROUNDS,
];

/** The version that this program writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/**
 * Brings a file to this program's version.
 *
 * @throws MillraceError `STORE_VERSION` for a newer file, `STORE_MISCONFIGURED` for a file of something else
 */
export function migrate(db: Database, path: string): void {
  if (isOwnFile(db) && checkVersion(db, path) === SCHEMA_VERSION) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Judged under the lock alone: between two pragmas outside it, another process may commit its migration.
    const version = checkVersion(db, path);
    checkOwnerInside(db, path);
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * Makes sure that no newer program has migrated the file meanwhile.
 *
 * @throws MillraceError `STORE_VERSION`
 */
export function checkVersion(db: Database, path: string): number {
  const version = pragma(db, "user_version");
  if (version > SCHEMA_VERSION) {
    throw new MillraceError("STORE_VERSION", {
      message: `${path} has schema version ${version}, this program knows up to ${SCHEMA_VERSION}; upgrade this program, or use the version that wrote the file`,
      details: { version, known: SCHEMA_VERSION },
    });
  }
  return version;
}
