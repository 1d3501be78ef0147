// The programs that the process protocol shows do jobs, and lose none when they or their worker are killed.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Millrace, openMillrace, verifyProgram } from "millrace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guardian } from "../../src/processes/index.ts";
import { type Running, scratch, startCommand } from "../cli/command-line.ts";
import { processesWith } from "../fleet/programs.ts";

const document = await readFile(new URL("../../docs/process-protocol.md", import.meta.url), "utf8");
const CONFIG = `export default {
  store: "sqlite:jobs.db",
  worker: { leaseDuration: "3s", sweepInterval: "100ms" },
};`;

let directory: Awaited<ReturnType<typeof scratch>>;
let mill: Millrace;
let workers: Running[];
beforeEach(async () => {
  directory = await scratch();
  workers = [];
  await writeFile(join(directory.path, "millrace.config.mjs"), CONFIG);
  mill = await openMillrace({ store: `sqlite:${join(directory.path, "jobs.db")}`, logger: false });
});
afterEach(async () => {
  for (const { child } of workers) child.kill("SIGKILL");
  await mill.close();
  await directory[Symbol.asyncDispose]();
});

function startWorker(): Running {
  const worker = startCommand(["worker"], { cwd: directory.path });
  workers.push(worker);
  return worker;
}

async function enqueue(input: object): Promise<{ id: string; ended: () => Promise<unknown> }> {
  const [receipt] = await mill.enqueueEntries([{ type: "count-words", input }]);
  if (receipt === undefined) throw new Error("nothing was enqueued");
  return { id: receipt.id, ended: () => receipt.result({ timeout: "40s" }) };
}

/** Enqueues a job that takes a while, and waits until its program is at it. */
async function beginSlow(): ReturnType<typeof enqueue> {
  const slow = await enqueue({ text: "to be or not", seconds: 2 });
  await expect.poll(async () => (await mill.job(slow.id))?.progress).not.toBeNull();
  return slow;
}

describe.each([
  { language: "python", command: "python3" },
  { language: "sh", command: "sh" },
])("the program in $language", ({ language, command }) => {
  test("has under 60 lines, does jobs, and loses none when it or its worker is killed in the middle", async () => {
    const program = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(document)?.[1] ?? "";
    expect(program.trimEnd().split("\n").length).toBeLessThan(60);
    const path = join(directory.path, `count-words.${language}`);
    await writeFile(path, program);
    await mill.typeRegistration.declare("count-words", {
      launcher: "process",
      options: { command: [command, path] },
      retry: { attempts: 2, backoff: [0] },
    });
    const first = startWorker();
    const quick = await Promise.all(["", "a", "a b"].map((text) => enqueue({ text })));
    expect(await Promise.all(quick.map(({ ended }) => ended()))).toEqual([
      { words: 0 },
      { words: 1 },
      { words: 2 },
    ]);
    const wrong = await enqueue({});
    await expect(wrong.ended()).rejects.toThrow("the input has no");

    const shot = await beginSlow();
    for (const pid of processesWith(path)) process.kill(pid, "SIGKILL");
    expect(await shot.ended()).toEqual({ words: 4 });
    expect(await mill.job(shot.id)).toMatchObject({ attempt: 2, crashes: 0 });

    const orphaned = await beginSlow();
    await first.stop("SIGKILL");
    await expect.poll(() => processesWith(path)).toEqual([]);
    const second = startWorker();
    expect(await orphaned.ended()).toEqual({ words: 4 });
    expect(await mill.job(orphaned.id)).toMatchObject({ attempt: 1, crashes: 1 });
    expect(await second.stop()).toBe(0);
  });

  test("keeps the protocol, as millrace verify sees it", async () => {
    const program = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(document)?.[1] ?? "";
    const path = join(directory.path, `count-words.${language}`);
    await writeFile(path, program);
    const guardian = new Guardian(() => {});
    try {
      const { mistakes } = await verifyProgram({
        argv: [command, path],
        inputText: '{"text":"one two","seconds":1}',
        isWarm: false,
        timeoutMs: 20_000,
        guardian,
      });
      expect(mistakes).toEqual([]);
    } finally {
      await guardian.stop();
    }
  });
});
