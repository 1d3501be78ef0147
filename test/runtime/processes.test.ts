// One job, several processes: cancelled, paused and drained from outside the process that runs it.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AnyJobType, type Millrace, defineJob, openMillrace } from "millrace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Running, scratch, start } from "../cli/command-line.ts";

const deaf = defineJob({ name: "deaf" });
const attentive = defineJob({ name: "attentive" });
const quick = defineJob({ name: "quick" });

/** Long enough for a cold start on a loaded machine; nothing waits that long when it works. */
const WITHIN = { timeout: 50_000 };

let directory: Awaited<ReturnType<typeof scratch>>;
let store: string;
let mill: Millrace;
const started: Running[] = [];

beforeEach(async () => {
  directory = await scratch();
  store = `sqlite:${join(directory.path, "shared.db")}`;
  mill = await openMillrace({ store, jobs: [deaf, attentive, quick], logger: false });
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((running) => running.stop("SIGKILL")));
  await mill.close();
  await directory[Symbol.asyncDispose]();
});

function startProgram(name: string, ...args: readonly string[]): Running {
  const program = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const running = start(process.execPath, ["--conditions=millrace-source", program, ...args]);
  started.push(running);
  return running;
}

async function startWorker(shutdownGrace = "25s"): Promise<Running> {
  const worker = startProgram("worker", store, shutdownGrace);
  await worker.line(/"msg":"up"/);
  return worker;
}

/** Enqueues a job that stays until it is told, and waits until it runs. */
async function enqueueBusy(worker: Running, type: AnyJobType): Promise<string> {
  const { id } = await mill.enqueue(type, null);
  await worker.line(new RegExp(`${type.name} is busy`));
  return id;
}

function endJob(worker: Running): void {
  worker.child.stdin?.write("go\n");
}

describe("another process", () => {
  test("cancels a running job that listens", async () => {
    const worker = await startWorker();
    const id = await enqueueBusy(worker, attentive);
    await mill.cancel([id], { reason: "no longer wanted" });
    expect(await mill.wait(id, { timeout: "50s" })).toMatchObject({
      state: "cancelled",
      cancelRequested: { reason: "no longer wanted" },
    });
  });

  test("cancels a running job that does not listen: its claim is withdrawn, its late result refused", async () => {
    const worker = await startWorker();
    const id = await enqueueBusy(worker, deaf);
    await mill.cancel([id]);
    expect(await mill.wait(id, { timeout: "50s" })).toMatchObject({ state: "cancelled" });
    expect(worker.output()).not.toContain("deaf has done its effect");
    endJob(worker);
    await worker.line(/deaf has done its effect/);
    await (await mill.enqueue(quick, null)).result({ timeout: "50s" });
    expect(await mill.job(id)).toMatchObject({ state: "cancelled", result: null });
  });

  test("pauses a queue and lets it go on", async () => {
    const worker = await startWorker();
    await mill.pause("quick", { by: "another process", reason: "a test" });
    const held = await mill.enqueue(quick, null);
    const passing = await enqueueBusy(worker, attentive);
    await mill.cancel([passing]);
    await mill.wait(passing, { timeout: "50s" });
    expect(await mill.job(held.id)).toMatchObject({ state: "ready", startedAt: null });
    await mill.resume("quick");
    expect(await held.result({ timeout: "50s" })).toBe("done");
  });
});

test.each(["SIGTERM", "SIGINT"] as const)(
  "on %s a process finishes what runs, takes nothing new, and ends by itself",
  async (signal) => {
    const worker = await startWorker();
    const running = await enqueueBusy(worker, deaf);
    const ending = worker.stop(signal);
    await worker.line(/a second signal stops at once/);
    const late = await mill.enqueue(quick, null);
    endJob(worker);
    expect(await ending).toBe(0);
    expect(await mill.job(running)).toMatchObject({ state: "succeeded", result: "late" });
    expect(await mill.job(late.id)).toMatchObject({ state: "ready", startedAt: null });
  },
);

test("a process that ends gives back what does not end in time, its attempt kept, for another to run", async () => {
  const first = await startWorker("1ms");
  const id = await enqueueBusy(first, deaf);
  expect(await first.stop()).toBe(0);
  expect(await mill.job(id)).toMatchObject({ state: "ready", attempt: 1, crashes: 0 });
  const second = await startWorker();
  await second.line(/"attempt":1,"msg":"deaf is busy"/);
  endJob(second);
  expect(await mill.wait(id, { timeout: "50s" })).toMatchObject({ state: "succeeded", attempt: 1 });
});

test.each([
  ["memory", 50],
  // Each round starts a thread: a few show a leak as well as many.
  ["file", 8],
])(
  "opened and closed again and again in %s, nothing is left, and the process ends by itself",
  async (where, rounds) => {
    const program = startProgram(
      "open-and-close",
      where === "file" ? store : "memory:",
      String(rounds),
    );
    const left: unknown = JSON.parse(await program.line(/^\{.*\}$/m));
    const { before, after } = left as { readonly before: unknown; readonly after: unknown };
    expect(after).toEqual(before);
    expect(await program.end()).toBe(0);
    await expect.poll(() => mill.workers(), WITHIN).toEqual([]);
  },
);
