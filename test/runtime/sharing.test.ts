// Two worker processes on one file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineJob, openMillrace } from "millrace";
import { expect, test } from "vitest";
import { scratch, start } from "../cli/command-line.ts";

const JOBS = 10_000;
const PROGRAM = fileURLToPath(new URL("programs/counting-worker.ts", import.meta.url));

const count = defineJob({ name: "count" });

/** Many times what it takes on a quiet machine. */
const WITHIN_MS = 150_000;

test(
  "two worker processes on one file share 10,000 jobs, and each job is run once",
  { timeout: WITHIN_MS },
  async () => {
    await using directory = await scratch();
    const store = `sqlite:${join(directory.path, "shared.db")}`;
    await using mill = await openMillrace({ store, jobs: [count], logger: false });
    const receipts = await mill.enqueueMany(
      count,
      Array.from({ length: JOBS }, () => null),
    );
    const workers = ["one", "two"].map((name) => {
      const tally = join(directory.path, name);
      const args = ["--conditions=millrace-source", PROGRAM, store, tally];
      return { tally, running: start(process.execPath, args) };
    });
    try {
      await Promise.all(workers.map(({ running }) => running.line(/has a job/)));
      for (const { running } of workers) running.child.stdin?.write("go\n");
      await expect
        .poll(async () => (await mill.queues())[0]?.counts.succeeded, { timeout: WITHIN_MS })
        .toBe(JOBS);
    } finally {
      await Promise.all(workers.map(({ running }) => running.stop("SIGKILL")));
    }
    const [one = [], two = []] = workers.map(({ tally }) =>
      readFileSync(tally, "utf8").trim().split("\n"),
    );
    expect(one.length).toBeGreaterThan(0);
    expect(two.length).toBeGreaterThan(0);
    expect([...one, ...two].toSorted()).toEqual(receipts.map(({ id }) => id).toSorted());
  },
);
