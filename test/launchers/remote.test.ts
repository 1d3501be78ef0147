// Remote workers: the routes, and the workers that the document shows, killed in the middle of their work.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AnyJobType, type Millrace, defineJob, openMillrace } from "millrace";
import { type ListeningService, listenJobService } from "millrace/http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { scratch } from "../cli/command-line.ts";
import { type Reply, callService } from "../http/service.ts";

const TOKEN = "work-0123456789abcdef";
const OTHER = "other-0123456789abcdef";
const countWords = defineJob({
  name: "count-words",
  input: z.object({ text: z.string(), seconds: z.int().optional(), secret: z.string().optional() }),
  output: z.object({ words: z.number() }),
  redact: ["secret"],
  grace: "100ms",
  retry: { attempts: 3, backoff: [0] },
  launch: { launcher: "remote" },
});
const bounded = { grace: "50ms", retry: { attempts: 1 }, launch: { launcher: "remote" } };
const hasty = defineJob({ ...bounded, name: "hasty", timeout: "100ms" });

let directory: Awaited<ReturnType<typeof scratch>>;
let mill: Millrace;
let service: ListeningService;
let children: ChildProcess[];

async function openService(jobs: readonly AnyJobType[] = [countWords, hasty]): Promise<void> {
  mill = await openMillrace({
    store: `sqlite:${join(directory.path, "remote.db")}`,
    jobs,
    logger: false,
    worker: { leaseDuration: "3s", sweepInterval: "100ms" },
  });
  service = await listenJobService({
    operations: mill,
    port: 0,
    access: {
      tokens: [
        { name: "remote", token: TOKEN, scopes: ["work"] },
        { name: "other", token: OTHER, scopes: ["work"] },
      ],
    },
  });
}

beforeEach(async () => {
  directory = await scratch();
  children = [];
  await openService();
});
afterEach(async () => {
  for (const child of children) await kill(child);
  await service.close();
  await mill.close();
  await directory[Symbol.asyncDispose]();
});

async function post(path: string, body: unknown, token = TOKEN): Promise<Reply> {
  return callService(service.url, "POST", path, {
    body,
    headers: { authorization: `Bearer ${token}` },
  });
}

async function claim(body: object = {}): Promise<Reply["json"]> {
  const { status, json, text } = await post("/v1/claims", { types: ["count-words"], ...body });
  expect(status, text).toBe(200);
  return json;
}

/** Whether the worker that runs a job has said something since it got it. */
async function hasReported(id: string): Promise<boolean> {
  const job = await mill.job(id);
  if (job?.state !== "running") return false;
  const worker = (await mill.workers()).find((each) => each.id === job.worker);
  return (worker?.heardAtMs ?? 0) > Date.parse(job.startedAt ?? "");
}

/** Claims a job and settles it, the token in the header; gives where it stands then. */
async function settle(outcome: object): Promise<unknown> {
  const { id } = await mill.enqueue(countWords, { text: "a" });
  const {
    jobs: [{ token }],
  } = await claim();
  const reply = await post(`/v1/claims/${id}/settle`, { ...outcome }, TOKEN);
  expect(reply.status).toBe(400);
  const { json } = await callService(service.url, "POST", `/v1/claims/${id}/settle`, {
    body: outcome,
    headers: { authorization: `Bearer ${TOKEN}`, "claim-token": token },
  });
  const job = await mill.job(id);
  await mill.cancel([id]);
  return { ...json, error: job?.error };
}

describe("a worker over HTTP", () => {
  test("is given jobs with their token, reports and settles", async () => {
    const { id } = await mill.enqueue(countWords, { text: "one two", secret: "hush-hush" });
    const given = await claim();
    expect(given.jobs).toMatchObject([
      { id, type: "count-words", attempt: 1, attempts: 3, input: { text: "one two" } },
    ]);
    const [{ token }] = given.jobs;
    const report = await post(`/v1/claims/${id}/report`, {
      token,
      progress: 0.5,
      logs: [{ message: "saw hush-hush", fields: { n: 1 } }],
    });
    expect(report.json).toEqual({ cancel: null });
    const settled = await post(`/v1/claims/${id}/settle`, {
      token,
      kind: "result",
      value: { words: 2 },
    });
    expect(settled.json).toEqual({ state: "succeeded" });
    const job = await mill.job(id);
    expect(job).toMatchObject({ state: "succeeded", progress: 0.5, result: { words: 2 } });
    const [line] = await mill.logs(id);
    expect(line?.message).toContain('{"n":1}');
    expect(line?.message).not.toContain("hush-hush");
    const again = await post(`/v1/claims/${id}/settle`, { token, kind: "result", value: null });
    expect(again).toMatchObject({ status: 409, json: { code: "STALE_CLAIM" } });
  });

  test("waits for a job, and is woken when there is one", async () => {
    const waiting = claim({ wait: "50s" });
    await expect.poll(async () => (await mill.workers()).length).toBe(1);
    const { id } = await mill.enqueue(countWords, { text: "a" });
    expect((await waiting).jobs).toMatchObject([{ id }]);
  });

  test("says how a try ended, as a handler in process does", async () => {
    expect(await settle({ kind: "error", message: "oops" })).toMatchObject({
      state: "ready",
      error: { message: "oops" },
    });
    expect(await settle({ kind: "error", message: "never", fatal: true })).toMatchObject({
      state: "failed",
      error: { message: "never" },
    });
    expect(
      await settle({ kind: "error", message: "later", retryAfterMs: 3_600_000 }),
    ).toMatchObject({ state: "scheduled" });
    expect(await settle({ kind: "snooze", delayMs: 3_600_000 })).toMatchObject({
      state: "scheduled",
      error: null,
    });
    expect(await settle({ kind: "release" })).toMatchObject({ state: "ready" });
    expect(await settle({ kind: "result", value: "three" })).toMatchObject({
      state: "failed",
      error: { code: "INVALID_OUTPUT" },
    });
  });

  test("is told to end a job that was cancelled, and loses it when the grace is over", async () => {
    const { id } = await mill.enqueue(countWords, { text: "a" });
    const {
      jobs: [{ token }],
    } = await claim();
    await mill.cancel([id], { reason: "not needed" });
    await expect.poll(async () => (await mill.job(id))?.state).toBe("cancelled");
    const report = await post(`/v1/claims/${id}/report`, { token });
    expect(report.status).toBe(409);
  });

  test("loses a job that outlives its timeout", async () => {
    const { id } = await mill.enqueue(hasty, null);
    const { jobs } = await claim({ types: ["hasty"] });
    expect(jobs).toMatchObject([{ id, timeoutMs: 100 }]);
    await expect
      .poll(async () => await mill.job(id))
      .toMatchObject({
        state: "failed",
        error: { code: "JOB_TIMEOUT" },
      });
  });

  test("gets a job again whose claim's reply was lost", async () => {
    const { id } = await mill.enqueue(countWords, { text: "a" });
    const first = await claim();
    const kept = await claim({ worker: first.worker, holding: [id] });
    expect(kept.jobs).toEqual([]);
    const again = await claim({ worker: first.worker });
    expect(again.jobs).toMatchObject([{ id, attempt: 1 }]);
    expect(again.jobs[0].token).not.toBe(first.jobs[0].token);
  });

  test("goes on with another service when its own was lost", async () => {
    const { id } = await mill.enqueue(countWords, { text: "a b c" });
    const { worker, jobs } = await claim();
    const firstMill = mill;
    const firstService = service;
    await openService();
    try {
      const [{ token }] = jobs;
      expect((await post(`/v1/claims/${id}/report`, { token, progress: 1 })).status).toBe(200);
      expect((await claim({ worker, holding: [id] })).jobs).toEqual([]);
      const settled = await post(`/v1/claims/${id}/settle`, {
        token,
        kind: "result",
        value: { words: 3 },
      });
      expect(settled.json).toEqual({ state: "succeeded" });
    } finally {
      await firstService.close();
      await firstMill.close();
    }
  });

  test("has no more time for a job with another service than it had left", async () => {
    const { id } = await mill.enqueue(countWords, { text: "a" });
    const { jobs } = await claim();
    const [firstMill, firstService] = [mill, service];
    // The first service lets it take for ever, so that only the second can end it.
    await openService([defineJob({ ...bounded, name: countWords.name, timeout: "100ms" })]);
    try {
      const startedAtMs = Date.parse((await mill.job(id))?.startedAt ?? "");
      await expect.poll(() => Date.now() - startedAtMs).toBeGreaterThan(100);
      const report = await post(`/v1/claims/${id}/report`, { token: jobs[0].token });
      expect(report.json).toMatchObject({ cancel: { code: "JOB_TIMEOUT" } });
      await expect.poll(async () => mill.job(id)).toMatchObject({ error: { code: "JOB_TIMEOUT" } });
    } finally {
      await firstService.close();
      await firstMill.close();
    }
  });

  test("can't speak for another token's worker, nor ask for types that are not for it", async () => {
    const { worker } = await claim();
    const foreign = await post("/v1/claims", { types: ["count-words"], worker }, OTHER);
    expect(foreign).toMatchObject({ status: 400, json: { code: "INVALID_ARGUMENT" } });
    const unknown = await post("/v1/claims", { types: ["nothing"] });
    expect(unknown).toMatchObject({ status: 422, json: { code: "UNKNOWN_TYPE" } });
  });

  test("that is silent for its lease is held to be dead, and its job goes to another", async () => {
    const { id } = await mill.enqueue(countWords, { text: "a" });
    expect((await claim()).jobs).toMatchObject([{ id }]);
    await expect.poll(async () => (await mill.job(id))?.state, { timeout: 30_000 }).toBe("ready");
    expect(await mill.job(id)).toMatchObject({ crashes: 1 });
    expect((await claim()).jobs).toMatchObject([{ id }]);
  });
});

const document = await readFile(new URL("../../docs/remote-protocol.md", import.meta.url), "utf8");

function programOf(language: string): string {
  const program = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(document)?.[1];
  if (program === undefined) throw new Error(`the document shows no program in ${language}`);
  return program;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  // The program and what it started: a machine that is lost takes all of it along.
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await ended;
}

describe.each([
  { language: "python", command: "python3" },
  { language: "sh", command: "sh" },
])("the worker in $language that the document shows", ({ language, command }) => {
  test("has under 60 lines, does jobs, and loses none when it is killed in the middle of one", async () => {
    expect(programOf(language).trimEnd().split("\n").length).toBeLessThan(60);
    const path = join(directory.path, `worker.${language}`);
    await writeFile(path, programOf(language));
    const start = (): ChildProcess => {
      const child = spawn(command, [path], {
        detached: true,
        stdio: ["ignore", "ignore", "inherit"],
        env: { PATH: process.env["PATH"], MILLRACE_URL: service.url, MILLRACE_TOKEN: TOKEN },
      });
      children.push(child);
      return child;
    };
    const first = start();
    const quick = await mill.enqueueMany(
      countWords,
      Array.from({ length: 5 }, (_, index) => ({ text: "word ".repeat(index).trim() })),
    );
    const results = await Promise.all(quick.map((receipt) => receipt.result({ timeout: "30s" })));
    expect(results.map(({ words }) => words)).toEqual([0, 1, 2, 3, 4]);
    // Longer than the lease, so that it lives by its reports.
    const long = await mill.enqueue(countWords, { text: "a b", seconds: 4 });
    expect(await long.result({ timeout: "30s" })).toEqual({ words: 2 });
    const slow = await mill.enqueue(countWords, { text: "to be or not", seconds: 3 });
    // Its report says that the worker has the job: a claim whose reply finds nobody is given back, and is no crash.
    await expect
      .poll(() => hasReported(slow.id), { timeout: 10_000, message: "a report of the slow job" })
      .toBe(true);
    await kill(first);
    start();
    expect(await slow.result({ timeout: "40s" })).toEqual({ words: 4 });
    expect(await mill.job(slow.id)).toMatchObject({ crashes: 1, state: "succeeded" });
    expect((await mill.job(long.id))?.crashes).toBe(0);
  });
});
