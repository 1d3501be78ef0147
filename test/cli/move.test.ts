// `millrace move` between files: what it refuses, what it leaves alone, and how it ends.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/runtime/index.ts";
import { run, scratch } from "./command-line.ts";

const ID = "0199d3c0-0000-7000-8000-000000000001";

/** A store in a file of this directory, with one job that waits. */
async function storeWithJob(directory: string): Promise<string> {
  const url = `sqlite:${join(directory, "from.db")}`;
  const store = await openStore({ url, namespace: "default" });
  await store.enqueue({ jobs: [{ id: ID, type: "mail", queue: "mail", input: "{}" }] });
  await store.close();
  return url;
}

test("a source that is not there is refused, and nothing is created", async () => {
  await using place = await scratch();
  const from = `sqlite:${join(place.path, "typo.db")}`;
  const to = `sqlite:${join(place.path, "to.db")}`;
  expect(await run(["move", "--from", from, "--to", to])).toMatchObject({
    code: 5,
    out: "",
    err: expect.stringContaining(`there is no store at ${from}`) as string,
  });
  expect(await readdir(place.path)).toEqual([]);
});

test("a dry run counts what would be moved, and creates no target", async () => {
  await using place = await scratch();
  const from = await storeWithJob(place.path);
  const to = `sqlite:${join(place.path, "to.db")}`;
  const args = ["move", "--from", from, "--to", to];
  expect(await run([...args, "--dry-run"])).toMatchObject({
    code: 0,
    out: "1 jobs would be moved\n",
  });
  expect(await readdir(place.path)).toEqual(["from.db"]);
  expect(await run(args)).toMatchObject({ code: 0, out: "1 jobs moved\n" });
  expect(await readdir(place.path)).toContain("to.db");
});

test.each([
  ["--from", "--to"],
  ["--to", "--from"],
])(
  "%s a store in memory is refused: it ends with the command, and all that is in it",
  async (memory, file) => {
    await using place = await scratch();
    const url = await storeWithJob(place.path);
    const { code, err } = await run(["move", memory, "memory:", file, url]);
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringContaining("ends with this process"),
    });
    expect((await run(["job", ID, "--store", url])).code).toBe(0);
  },
);
