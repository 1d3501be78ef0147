// The harness's own means, tried on a plain SQLite file: a harness that can't see a loss would prove nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  Program,
  cutPower,
  missingSmallDisk,
  missingStrace,
  onSmallDisk,
  readPromises,
  restore,
  tracedTo,
  withFailing,
} from "./index.ts";
import { createRandom } from "./random.ts";

const WRITER = new URL("../programs/sqlite-writer.ts", import.meta.url);
const ROWS = 200;
const withoutStrace = missingStrace();
const withoutSmallDisk = missingSmallDisk();

let directory: string;
let data: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "millrace-faults-"));
  data = join(directory, "data");
  mkdirSync(data);
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function startWriter(synchronous: "FULL" | "OFF", under: readonly string[]): Promise<Program> {
  const options = { path: join(data, "rows.db"), logs: directory, synchronous };
  return Program.start({ program: WRITER, options, directory, name: "writer", under });
}

/** Rows that were promised before a loss of power and not found after it, over a number of losses. */
function countLost(seed: number): { lost: number; promised: number } {
  const totals = { lost: 0, promised: 0 };
  const cuts = cutPower({
    trace: join(directory, "trace"),
    directory: data,
    cuts: 20,
    random: createRandom(seed),
  });
  let number = 0;
  for (const aftermath of cuts) {
    const found = join(directory, `after-${(number += 1)}`);
    restore(aftermath, found);
    const rows = readRows(join(found, "rows.db"));
    totals.promised += aftermath.promises.acknowledged.length;
    for (const promise of aftermath.promises.acknowledged) {
      if (!rows.has(promise.number)) totals.lost += 1;
    }
  }
  return totals;
}

function readRows(path: string): ReadonlySet<number> {
  const database = new DatabaseSync(path);
  try {
    const rows = database.prepare("SELECT number FROM rows").all();
    return new Set(rows.map((row) => Number(row["number"])));
  } catch {
    // Neither a table nor a sound file: nothing of it is found.
    return new Set();
  } finally {
    database.close();
  }
}

const SETTINGS = [
  { synchronous: "FULL", outcome: "nothing that was promised", isLossy: false },
  { synchronous: "OFF", outcome: "what was promised too soon", isLossy: true },
] as const;

test.skipIf(withoutStrace !== null).for(SETTINGS)(
  `a loss of power with synchronous $synchronous takes $outcome (${withoutStrace ?? "strace"})`,
  async ({ synchronous, isLossy }) => {
    await using writer = await startWriter(synchronous, tracedTo(join(directory, "trace")));
    await writer.ask({ kind: "write", count: ROWS }, AbortSignal.timeout(30_000));
    await writer.kill();
    const { lost, promised } = countLost(1);
    expect(promised).toBeGreaterThan(ROWS);
    expect(lost > 0).toBe(isLossy);
  },
);

test.skipIf(withoutStrace !== null)(
  `a flush that fails on purpose stops the promises (${withoutStrace ?? "strace"})`,
  async () => {
    const paths = [join(data, "rows.db"), join(data, "rows.db-wal")];
    const calls = ["fsync", "fdatasync"];
    const under = withFailing({ calls, error: "EIO", paths, from: 60 });
    await using writer = await startWriter("FULL", under);
    const order = { kind: "write", count: ROWS };
    const answer = await writer.ask(order, AbortSignal.timeout(30_000));
    expect(answer["failure"]).toMatchObject({ message: "disk I/O error" });
    const promised = readPromises(directory).acknowledged.length;
    expect(promised).toBeGreaterThan(10);
    expect(promised).toBeLessThan(60);
  },
);

test.skipIf(withoutSmallDisk !== null)(
  `a small disk is full soon (${withoutSmallDisk ?? "tmpfs"})`,
  async () => {
    await using writer = await startWriter("FULL", onSmallDisk(data, 256 * 1024));
    const order = { kind: "write", count: 10_000 };
    const answer = await writer.ask(order, AbortSignal.timeout(30_000));
    expect(answer["failure"]).toMatchObject({ message: "database or disk is full" });
    expect(readPromises(directory).acknowledged.length).toBeGreaterThan(0);
  },
);

test("a killed program is gone, with its group, and said what it had promised", async () => {
  await using writer = await startWriter("FULL", []);
  await writer.ask({ kind: "write", count: 3 }, AbortSignal.timeout(30_000));
  await writer.kill();
  expect(await writer.exited).toBe("SIGKILL");
  expect(writer.isRunning).toBe(false);
  expect(readPromises(directory).acknowledged).toHaveLength(3);
});

test("a program that ends before it says what is waited for is told", async () => {
  const program = new URL(`file://${join(directory, "silent.mjs")}`);
  writeFileSync(program, "process.exit(3);");
  const starting = Program.start({ program, options: null, directory, name: "silent" });
  await expect(starting).rejects.toThrow('silent ended with 3 before it said "hello"');
});
