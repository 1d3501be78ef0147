// Following events across connections to one file.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { Store } from "../../src/core/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";

const newId = createIdMaker({ now: () => Date.now(), randomBytes: (n) => randomBytes(n) });

it("a connection that is opened later tells those who follow already, from its first write on", async () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const open = async (): Promise<Store> => {
    const path = join(directory, "jobs.db");
    const store = await openSqliteStore({ path, namespace: "test" });
    onTestFinished(() => store.close());
    return store;
  };
  const heard: string[] = [];
  const follower = await open();
  await follower.subscribe({
    filter: {},
    listener: ({ id }) => heard.push(id),
    onGap: (reason) => heard.push(reason),
  });
  const late = await open();
  const id = newId("mail");
  await late.enqueue({ jobs: [{ id, type: "send", queue: "mail", input: "{}" }] });
  await vi.waitFor(() => expect(heard).toEqual([id]));
});
