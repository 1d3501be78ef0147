// Opening files: new ones, old ones, newer ones, and those of other programs.
import { afterEach, beforeEach, expect, it } from "vitest";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema.ts";
import { Place, newJob } from "./place.ts";

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.end());

function versionOf(): unknown {
  return place.connect().prepare("PRAGMA user_version").get()?.["user_version"];
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

it("a file of an older version is brought up to date, and keeps its jobs", async () => {
  const old = await place.open();
  const job = newJob();
  await old.enqueue({ jobs: [job] });
  await old.close();
  const connection = place.connect();
  connection.exec("DROP TABLE schedules; DROP TABLE figures; PRAGMA user_version = 1");
  connection.close();
  const store = await place.open();
  expect(versionOf()).toBe(SCHEMA_VERSION);
  const [record] = await store.get({ ids: [job.id] });
  expect(record).toMatchObject({ id: job.id, state: "ready" });
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

it("an SQLite file of another program is refused, and left as it is", async () => {
  const connection = place.connect();
  connection.exec("CREATE TABLE theirs (x)");
  await expect(place.open()).rejects.toMatchObject({ code: "STORE_MISCONFIGURED" });
  expect(connection.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "theirs" }]);
});

it("a place where no file can be is refused", async () => {
  await expect(place.open({ path: `${place.path}/none/jobs.db` })).rejects.toMatchObject({
    code: "STORE_FAILED",
  });
});
