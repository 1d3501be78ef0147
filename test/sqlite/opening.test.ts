// Opening a file that another process is writing to.
import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Store } from "../../src/core/index.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";

let directory: string;
let path: string;
let writer: DatabaseSync;
const stores: Store[] = [];

const open = async (namespace: string): Promise<Store> => {
  const store = await openSqliteStore({ path, namespace });
  stores.push(store);
  return store;
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-opening-"));
  path = join(directory, "jobs.db");
  await open("known");
  writer = new DatabaseSync(path);
  writer.exec("BEGIN IMMEDIATE");
});

afterEach(async () => {
  writer.close();
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await rm(directory, { recursive: true, force: true });
});

test("a known namespace is opened although another process holds the write lock", async () => {
  const store = await open("known");
  expect(await store.queues()).toEqual([]);
});

test("a new namespace waits for the write lock rather than failing", async () => {
  const opening = open("new");
  // The known namespace is opened after the new one was tried for: by then it waits.
  await open("known");
  writer.exec("ROLLBACK");
  expect(await (await opening).queues()).toEqual([]);
});
