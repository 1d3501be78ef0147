// Opening files: new ones, old ones, newer ones, and those of other programs.
import { copyFileSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { APPLICATION_ID } from "../../src/stores/sqlite/thread/ownership.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../../src/stores/sqlite/schema.ts";
import { Place, newJob } from "./place.ts";

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.end());

function versionOf(): unknown {
  return place.connect().prepare("PRAGMA user_version").get()?.["user_version"];
}

/** Every file in the place and its bytes; a shared memory file aside, which is no part of what is kept. */
function readPlace(): Record<string, string> {
  const files = readdirSync(place.directory).filter((name) => !name.endsWith("-shm"));
  return Object.fromEntries(
    files.map((name) => [name, readFileSync(join(place.directory, name), "base64")]),
  );
}

it("a new file gets the version that this program knows", async () => {
  await place.open();
  expect(versionOf()).toBe(SCHEMA_VERSION);
});

it("many that open a new file at once all find it ready", async () => {
  const stores = await Promise.all(Array.from({ length: 4 }, () => place.open()));
  await Promise.all(stores.map((store) => store.enqueue({ jobs: [newJob()] })));
  const [queue] = (await stores[0]?.queues()) ?? [];
  expect(queue?.counts.ready).toBe(4);
});

it("a file of the first version is brought up to date, and keeps its jobs", async () => {
  const job = newJob();
  const connection = place.connect();
  connection.exec(`
    ${MIGRATIONS[0] ?? ""}
    PRAGMA user_version = 1; PRAGMA application_id = ${APPLICATION_ID};
    INSERT INTO namespaces VALUES (1, 'test');
    INSERT INTO lanes VALUES (1, 1, 'mail', 'mail', '[]');
    INSERT INTO counts VALUES (1, 1, 1);
    INSERT INTO jobs (namespace, id, lane, state, due_at, rank, enqueued_at, input)
      VALUES (1, unhex('${job.id}', '-'), 1, 1, 1, 1, 1, '{}');
  `);
  connection.close();
  const store = await place.open();
  expect(versionOf()).toBe(SCHEMA_VERSION);
  const [record] = await store.get({ ids: [job.id] });
  expect(record).toMatchObject({ id: job.id, state: "ready", keys: [] });
  expect(await store.schedules({ kind: "due", limit: 1 })).toMatchObject({ schedules: [] });
});

it("a file of a newer version is refused, and left as it is", async () => {
  const store = await place.open();
  await store.close();
  place.connect().exec("PRAGMA user_version = 999");
  await expect(place.open()).rejects.toMatchObject({
    code: "STORE_VERSION",
    message: expect.stringContaining("schema version 999"),
  });
  expect(versionOf()).toBe(999);
});

it("a file that a newer version migrates meanwhile is written to no more", async () => {
  const store = await place.open();
  await store.enqueue({ jobs: [newJob()] });
  place.connect().exec("PRAGMA user_version = 999");
  await expect(store.enqueue({ jobs: [newJob()] })).rejects.toMatchObject({
    code: "STORE_VERSION",
  });
});

const REFUSED = { code: "STORE_MISCONFIGURED", changed: [] };

/** Tries to open it; gives the error's code, and the files that differ afterwards. */
async function tryToOpen(): Promise<{ code: unknown; changed: readonly string[] }> {
  const before = readPlace();
  const error: unknown = await place.open().catch((thrown: unknown) => thrown);
  const after = readPlace();
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return {
    code: (error as { code?: unknown }).code,
    changed: names.filter((name) => before[name] !== after[name]),
  };
}

describe("an SQLite file of another program is refused, and not a byte of it changed,", () => {
  it("with its tables in the file", async () => {
    const theirs = place.connect();
    theirs.exec("CREATE TABLE theirs (x)");
    theirs.close();
    expect(await tryToOpen()).toEqual(REFUSED);
  });

  it("with a mark of its own and nothing else", async () => {
    const theirs = place.connect();
    theirs.exec("PRAGMA application_id = 7");
    theirs.close();
    expect(await tryToOpen()).toEqual(REFUSED);
  });

  it("in WAL mode", async () => {
    const theirs = place.connect();
    theirs.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)");
    theirs.close();
    expect(await tryToOpen()).toEqual(REFUSED);
  });

  it("with all it has still in its log, as a program leaves it that was killed", async () => {
    const theirs = place.connect();
    theirs.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)");
    for (const end of ["", "-wal", "-shm"])
      copyFileSync(`${place.path}${end}`, `${place.path}2${end}`);
    theirs.close();
    for (const end of ["", "-wal", "-shm"])
      renameSync(`${place.path}2${end}`, `${place.path}${end}`);
    expect(await tryToOpen()).toEqual(REFUSED);
  });

  it("while that program has it open", async () => {
    const theirs = place.connect();
    theirs.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)");
    expect(await tryToOpen()).toEqual(REFUSED);
    expect(theirs.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "theirs" }]);
  });
});

it("a place where no file can be is refused", async () => {
  await expect(place.open({ path: `${place.path}/none/jobs.db` })).rejects.toMatchObject({
    code: "STORE_FAILED",
  });
});
