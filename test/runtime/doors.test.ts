// Pauses, drains and limits reach every worker, whichever process they come from: judged by what was claimed when.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type JobView, type Millrace, defineJob, openMillrace } from "millrace";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Running, scratch, start } from "../cli/command-line.ts";
import { startRedis } from "../servers/redis-server.ts";

const QUEUE = "turn";
const turn = defineJob({ name: QUEUE });
const WORKERS = 3;
/** Far more than the workers do in the test. */
const BACKLOG = 4_000;
/** Jobs looked at: those that were claimed last. */
const PAGE = 1_000;
/** How soon every worker must follow. */
const WITHIN_MS = 1_000;
/** Jobs looked at under a limit. */
const LOOKED_AT = 15;

describe.each(["SQLite", "Redis"])("on %s", (kind) => {
  let mill: Millrace;
  let workers: readonly Running[] = [];
  let ending: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    const store = await openPlace(kind, ending);
    mill = await openMillrace({ store, jobs: [turn], logger: false });
    const program = fileURLToPath(new URL("programs/turning-worker.ts", import.meta.url));
    const args = ["--conditions=millrace-source", program, store];
    workers = Array.from({ length: WORKERS }, () => start(process.execPath, args));
    await Promise.all(workers.map((worker) => worker.line(/"msg":"up"/)));
    for (let kept = 0; kept < BACKLOG; kept += PAGE) {
      await mill.enqueueMany(
        turn,
        Array.from({ length: PAGE }, () => ({})),
      );
    }
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop("SIGKILL")));
    await mill.close();
    for (const end of ending.splice(0)) await end();
    ending = [];
  });

  /** Jobs that were claimed from a time on. */
  async function claimedFrom(atMs: number): Promise<readonly JobView[]> {
    const { jobs } = await mill.jobs({ states: ["running", "succeeded"], limit: PAGE });
    return jobs.filter(({ startedAt }) => timeOf(startedAt) >= atMs);
  }

  async function everyWorkerClaims(atMs: number): Promise<void> {
    const claimers = async (): Promise<number> =>
      new Set((await claimedFrom(atMs)).map(({ worker }) => worker)).size;
    await expect.poll(claimers).toBe(WORKERS);
  }

  async function now(): Promise<number> {
    return (await mill.describe()).nowMs;
  }

  async function running(): Promise<number> {
    const queue = (await mill.queues()).find(({ name }) => name === QUEUE);
    return queue?.counts.running ?? 0;
  }

  test("a pause stops every worker, and its end is heard by all", async () => {
    await everyWorkerClaims(0);
    await mill.pause(QUEUE);
    const pausedAtMs = await now();
    await expect.poll(running).toBe(0);
    expect(await claimedFrom(pausedAtMs + WITHIN_MS)).toEqual([]);
    const resumedAtMs = await now();
    await mill.resume(QUEUE);
    await everyWorkerClaims(resumedAtMs);
  });

  test("a limit holds over all workers from then on, and no longer than it is set", async () => {
    await everyWorkerClaims(0);
    await mill.setLimit(QUEUE, { concurrency: 1 });
    const heldFromMs = (await now()) + WITHIN_MS;
    await expect
      .poll(async () => (await claimedFrom(heldFromMs)).length)
      .toBeGreaterThan(LOOKED_AT);
    const held = await claimedFrom(heldFromMs);
    const spans = held.map(({ startedAt, finishedAt }) => ({
      from: timeOf(startedAt),
      until: finishedAt === null ? Number.POSITIVE_INFINITY : timeOf(finishedAt),
    }));
    for (const { from } of spans) {
      expect(spans.filter((other) => other.from < from && other.until > from)).toEqual([]);
    }
    await mill.resetLimit(QUEUE);
    await everyWorkerClaims(await now());
  });

  test("a queue that drains takes nothing from any process, and all work off what is there", async () => {
    await everyWorkerClaims(0);
    await mill.drain(QUEUE);
    const drainedAtMs = await now();
    for (const worker of workers) worker.child.stdin?.write("enqueue\n");
    await Promise.all(workers.map((worker) => worker.line(/"msg":"refused"/)));
    for (const worker of workers) expect(worker.output()).toContain("takes nothing new in");
    await everyWorkerClaims(drainedAtMs);
  });
});

/** A store of the test's own. */
async function openPlace(kind: string, ending: (() => Promise<unknown>)[]): Promise<string> {
  if (kind === "Redis") {
    const server = await startRedis();
    ending.push(() => server.stop());
    return server.url;
  }
  const directory = await scratch();
  ending.push(async () => directory[Symbol.asyncDispose]());
  return `sqlite:${join(directory.path, "doors.db")}`;
}

function timeOf(text: string | null): number {
  return text === null ? 0 : Date.parse(text);
}
