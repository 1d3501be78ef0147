// Following events across connections to one file.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { Store } from "../../src/core/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";

/** Enough that a follower which reads some events again is caught: 10 of 3,000 were, when one did. */
const ROUNDS = 1_500;

const newId = createIdMaker({ now: () => Date.now(), randomBytes: (n) => randomBytes(n) });

let directory: string;
const opened: Store[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "millrace-"));
});

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

async function open(): Promise<Store> {
  const store = await openSqliteStore({ path: join(directory, "jobs.db"), namespace: "test" });
  opened.push(store);
  return store;
}

/** The ids of the jobs that a connection hears of, and the gaps it is told of. */
async function follow(store: Store): Promise<readonly string[]> {
  const heard: string[] = [];
  await store.subscribe({
    filter: {},
    listener: ({ id }) => heard.push(id),
    onGap: (reason) => heard.push(reason),
  });
  return heard;
}

async function enqueueOne(store: Store): Promise<string> {
  const id = newId("mail");
  await store.enqueue({ jobs: [{ id, type: "send", queue: "mail", input: "{}" }] });
  return id;
}

it("a connection that is opened later tells those who follow already, from its first write on", async () => {
  const heard = await follow(await open());
  const id = await enqueueOne(await open());
  await vi.waitFor(() => expect(heard).toEqual([id]), 30_000);
});

it("a follower hears each event once, however fast others commit", async () => {
  const heard = await follow(await open());
  const writer = await open();
  const ids: string[] = [];
  // Commit after commit, each with few events, so that some fall between two reads of the follower.
  for (let round = 0; round < ROUNDS; round += 1) {
    ids.push(...(await Promise.all([enqueueOne(writer), enqueueOne(writer)])));
  }
  await vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(ids.length), {
    timeout: 30_000,
  });
  expect(heard).toEqual(ids);
});
