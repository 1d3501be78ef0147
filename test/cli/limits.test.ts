// Limits by the command line: against a store, and against a service by its URL and token.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defineJob, openMillrace, snooze } from "../../src/index.ts";
import { repository, run } from "./command-line.ts";
import { WAYS, useStoreAndService } from "./store-and-service.ts";

const place = useStoreAndService();

describe.each(WAYS)("limits against %s", (where) => {
  const ask = (...args: readonly string[]) => place.ask(where, ...args);

  test("are set, shown with their use, and taken back", async () => {
    const set = await ask("limits", "set", "hash-tree", "--concurrency", "3", "--rate", "100/s");
    expect(set).toMatchObject({ code: 0, err: "" });
    expect(set.out).toMatch(/^QUEUE\s+LIMIT.*\nhash-tree\s+queue\s+3\s+0\s+100\/s/);
    await ask("limits", "set", "hash-tree", "--name", "customer", "--concurrency", "2");
    const shown = await ask("limits", "hash-tree", "--name", "customer", "--key", "acme", "--json");
    expect(JSON.parse(shown.out)).toMatchObject([
      { name: "customer", key: null, concurrency: 2 },
      { name: "queue", concurrency: 3, rate: { limit: 100, perMs: 1_000 } },
      { name: "customer", key: "acme", running: 0 },
    ]);
    await ask("limits", "reset", "hash-tree");
    const reset = await ask("limits", "reset", "hash-tree", "--name", "customer");
    expect(reset.out).toBe("no limits\n");
  });

  test("of all queues are listed where none is named", async () => {
    await ask("limits", "set", "hash-tree", "--concurrency", "3");
    expect(await ask("limits")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\nhash-tree\s+queue\s+3/) as string,
    });
    await ask("limits", "reset", "hash-tree");
  });

  test("of a name that nobody declares are set, and told to hold nothing back", async () => {
    const set = await ask("limits", "set", "hash-tree", "--name", "custmer", "--concurrency", "2");
    expect(set).toMatchObject({ code: 0, err: expect.stringContaining("custmer") as string });
    expect(set.err).toContain("no job counts under it");
    await ask("limits", "reset", "hash-tree", "--name", "custmer");
  });

  test("of a queue that nothing has are set, with a word of what may have been meant", async () => {
    const set = await ask("limits", "set", "hsah-tree", "--concurrency", "3");
    expect(set).toMatchObject({ code: 0, out: expect.stringContaining("hsah-tree") as string });
    expect(set.err).toMatch(
      /has the queue hsah-tree.* Did you mean hash-tree\? .*limits reset hsah-tree/,
    );
    await ask("limits", "reset", "hsah-tree");
    const paused = await ask("pause", "slep");
    expect(paused).toMatchObject({ code: 0, out: "slep paused\n" });
    expect(paused.err).toMatch(/Did you mean Sleep\? .*millrace resume slep/);
    expect((await ask("resume", "slep")).err).toBe("");
    expect((await ask("resume", "slep")).err).toMatch(/nothing to resume\. Did you mean Sleep/);
  });

  test("that a handler pushed back on are told, and released by the command that why names", async () => {
    const pusher = defineJob({
      name: "pusher",
      limits: [{ name: "customer", key: "customer" }],
      run: ({ input }) => {
        throw snooze("1h", { pushBack: (input as { limit: string }).limit });
      },
    });
    const { store } = place;
    await using mill = await openMillrace({ store, jobs: [pusher], logger: false });
    await mill.start();
    await mill.enqueue(pusher, { customer: "a b", limit: "customer" });
    const held = async (): Promise<readonly (number | null)[]> => {
      const keys = [{ limit: "customer", key: "a b" }];
      const records = await mill.limits({ queue: "pusher", keys });
      return records
        .filter(({ name, key }) => name === "queue" || key !== null)
        .map(({ pushedBackUntilMs }) => pushedBackUntilMs);
    };
    await expect.poll(held).toEqual([expect.any(Number)]);
    const { id } = await mill.enqueue(pusher, { customer: "a b", limit: "queue" });
    const why = await ask("why", id);
    expect(why.out).toMatch(/limits release pusher --name customer --key 'a b'\)/);
    const key = await ask("limits", "release", "pusher", "--name", "customer", "--key", "a b");
    expect(key.out).toMatch(/^pusher, customer a b goes on: it was held until 2/);
    // It runs at once, and pushes back on its queue.
    await expect.poll(held).toEqual([expect.any(Number), null]);
    expect((await ask("limits", "pusher")).out).toMatch(/pusher +queue .*\(pushed back\)/);
    const resumed = await ask("resume", "pusher");
    expect(resumed.err).toContain("To let it go on at once: millrace limits release pusher");
    expect((await ask("limits", "release", "pusher")).out).toMatch(/^pusher goes on: it was held/);
    expect(await held()).toEqual([null]);
    const again = await ask("limits", "release", "pusher");
    expect(again).toMatchObject({ code: 0, out: "pusher: no handler holds it\n" });
    expect((await ask("limits", "release", "slep")).err).toMatch(/Did you mean Sleep/);
    expect(await ask("limits", "release", "pusher", "--key", "a")).toMatchObject({ code: 2 });
  });

  test("of a key need the queue, and a name the key", async () => {
    for (const args of [
      ["--key", "a"],
      ["slep", "--name", "customer"],
    ]) {
      expect(await ask("limits", ...args)).toMatchObject({
        code: 2,
        err: expect.stringContaining("millrace limits QUEUE --name LIMIT --key KEY") as string,
      });
    }
  });

  test("that can't be read are refused", async () => {
    expect(await ask("limits", "set", "hash-tree", "--rate", "fast")).toMatchObject({ code: 2 });
  });
});

test("a command leaves what is declared of a type as it is, whatever its own config says", async () => {
  const path = join(place.directory, "older.config.ts");
  await writeFile(
    path,
    `import { defineConfig, defineJob } from ${JSON.stringify(join(repository, "src/index.ts"))};
    const limits = [{ concurrency: 2 }];
    const jobs = ["import", "export"].map((name) => defineJob({ name, limits, run: () => 1 }));
    export default defineConfig({ jobs });`,
  );
  const store = `sqlite:${join(place.directory, "declared.db")}`;
  const type = defineJob({ name: "import", limits: [{ concurrency: 5 }] });
  await using mill = await openMillrace({ store, jobs: [type], logger: false });
  const options = ["--store", store, "--config", path];
  expect(await run(["enqueue", "import", "{}", ...options])).toMatchObject({ code: 0, err: "" });
  expect((await run(["limits", ...options])).out).toMatch(/import\s+queue\s+5/);
  const limits = await mill.limits();
  expect(limits.map(({ queue, concurrency }) => [queue, concurrency])).toEqual([
    ["export", 2],
    ["import", 5],
  ]);
});

test("a job that a limit drops is told as such to who follows it or waits for it", async () => {
  const path = join(place.directory, "dropping.config.ts");
  await writeFile(
    path,
    `import { defineConfig, defineJob } from ${JSON.stringify(join(repository, "src/index.ts"))};
    const limits = [{ key: "who", concurrency: 1, onLimit: "drop-new" }];
    export default defineConfig({ jobs: [defineJob({ name: "only", limits, run: () => 1 })] });`,
  );
  const options = ["--store", `sqlite:${join(place.directory, "dropping.db")}`, "--config", path];
  const enqueue = ["enqueue", "only", '{"who":"ada"}', ...options];
  expect(await run(enqueue)).toMatchObject({ code: 0, err: "" });
  for (const how of ["--follow", "--wait"]) {
    expect(await run([...enqueue, how])).toMatchObject({
      code: 4,
      err: expect.stringContaining("(JOB_DROPPED)") as string,
    });
  }
});
