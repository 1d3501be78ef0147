// `millrace run`, `signal` and `graph`, against a store and against a service.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, scratch } from "./command-line.ts";
import { WAYS, useStoreAndService } from "./store-and-service.ts";

const place = useStoreAndService();
let directory: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  directory = await scratch();
});
afterAll(() => directory[Symbol.asyncDispose]());

const GRAPH = {
  steps: {
    first: {
      type: "Sleep",
      input: { SleepTimeInSeconds: 0, Message: { $from: "input.message" } },
    },
    second: { type: "Sleep", needs: ["first"], input: { SleepTimeInSeconds: 0, Message: "later" } },
  },
};

async function fileOf(graph: unknown): Promise<string> {
  const path = join(directory.path, "graph.json");
  await writeFile(path, JSON.stringify(graph));
  return path;
}

describe.each(WAYS)("against %s", (where) => {
  const ask = (...args: readonly string[]) => place.ask(where, ...args);

  test("graph runs one, and run draws it", async () => {
    const file = await fileOf(GRAPH);
    const args = ["--input", '{"message": "hello"}'];
    const followed = await ask("graph", file, ...args, "--follow");
    expect(followed.code, followed.err).toBe(0);
    expect(followed.out).toMatch(/├─ ✓ 1 first {2}.*\n└─ ✓ 2 second ← 1/);
    const { out } = await ask("graph", file, ...args);
    const id = out.trim();
    const lines = (await ask("run", id, "--follow", "--json")).out.trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ id, state: "succeeded" });
    expect((await ask("run", id)).out).toContain("succeeded");
  });

  test("graph --check says what is wrong, each step named", async () => {
    expect((await ask("graph", await fileOf(GRAPH), "--check")).out).toContain("2 steps");
    const wrong = await fileOf({ steps: { a: { type: "Sleep", needs: ["b"] } } });
    const refused = await ask("graph", wrong, "--check");
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('step a needs "b"') });
    const none = await ask("graph", join(directory.path, "none.json"), "--check");
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining("can't be read") });
  });

  test("signal tells a run that waits, and says where there is none", async () => {
    const { out } = await ask("enqueue", "approval", '{"what": "a trip"}');
    const id = out.trim();
    const sent = await ask("signal", id, "approved", '{"by": "ada"}');
    expect(sent).toMatchObject({ code: 0, out: `sent approved to ${id}\n` });
    expect((await ask("run", id, "--follow")).code).toBe(0);
    const unknown = "0199d3c0-0000-7000-8000-000000000001";
    expect((await ask("signal", unknown, "approved")).code).toBe(3);
    expect((await ask("run", unknown)).code).toBe(3);
  });
});

test("graph --check creates no store", async () => {
  const store = join(directory.path, "none.db");
  const file = await fileOf(GRAPH);
  const { code, out } = await run(["graph", file, "--check", "--store", `sqlite:${store}`]);
  expect({ code, out }).toEqual({ code: 0, out: "the graph can run: 2 steps\n" });
  expect(existsSync(store)).toBe(false);
});
