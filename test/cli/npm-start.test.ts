// `npm start` as it is stopped: by a signal to npm alone, and by a terminal's to npm and all below it.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Running, run, scratch, start } from "./command-line.ts";

let directory: Awaited<ReturnType<typeof scratch>>;
let store: string;
let npm: Running;
let url: string;

beforeEach(async () => {
  directory = await scratch();
  store = `sqlite:${join(directory.path, "jobs.db")}`;
  const env = { MILLRACE_STORE: store, MILLRACE_PORT: "0" };
  npm = start("npm", ["start"], { env, hasOwnGroup: true });
  url = await npm.line(/"url":"([^"]+)".*job service listening/);
  await npm.line(/worker started/);
});
afterEach(async () => {
  signalGroup("SIGKILL");
  await directory[Symbol.asyncDispose]();
});

/** Whether there was anybody left to hear it. */
function signalGroup(signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-(npm.child.pid ?? Number.NaN), signal);
  } catch {
    return false;
  }
}

test("SIGTERM to npm stops the service in good order, and leaves nothing behind", async () => {
  await npm.stop("SIGTERM");
  await npm.line(/"msg":"stopped"/);
  expect((await run(["queues", "--url", url])).err).toContain("millrace:");
  await expect.poll(() => signalGroup(0)).toBe(false);
});

test("Ctrl-C, which reaches the service twice, lets what runs finish", async () => {
  const input = '{"SleepTimeInSeconds": 1, "Message": "finished"}';
  const { out } = await run(["enqueue", "Sleep", input, "--store", store]);
  await npm.line(/job started/);
  signalGroup("SIGINT");
  await npm.end();
  await npm.line(/"msg":"stopped"/);
  expect((await run(["job", out.trim(), "--store", store])).out).toMatch(/state\s+succeeded/);
});
