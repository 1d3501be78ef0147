// A job service and two workers, real processes on one Redis: killing any of them loses nothing.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Running,
  repository,
  runProcess,
  scratch,
  startCommand,
} from "../cli/command-line.ts";
import { callService } from "../http/service.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

/** Several times what the starts of so many processes take on a machine that others use as well. */
const TIMEOUT = { timeout: 180_000 };

let server: RedisServer;
let directory: Awaited<ReturnType<typeof scratch>>;
let env: Readonly<Record<string, string>>;
const started: Running[] = [];

beforeAll(async () => {
  [server, directory] = await Promise.all([startRedis(), scratch()]);
  // Leases so short that a killed worker's jobs are taken back in seconds.
  const config = join(directory.path, "redis.config.ts");
  await writeFile(
    config,
    `import { sleep } from ${JSON.stringify(join(repository, "examples/jobs/sleep.ts"))};
export default { jobs: [sleep], worker: { leaseDuration: "1s", sweepInterval: "200ms" } };
`,
  );
  env = { MILLRACE_STORE: server.url, MILLRACE_CONFIG: config, MILLRACE_PORT: "0" };
});

afterAll(async () => {
  await Promise.all(started.map((running) => running.stop("SIGKILL")));
  await server.stop();
  await directory[Symbol.asyncDispose]();
});

function begin(...args: readonly string[]): Running {
  const running = startCommand(args, { env });
  started.push(running);
  return running;
}

const beginWorker = async (): Promise<Running> => {
  const worker = begin("worker");
  await worker.line(/worker started/);
  return worker;
};

async function beginService(
  command = "serve",
): Promise<{ readonly url: string; readonly process: Running }> {
  const process = begin(command);
  return { url: await process.line(/"url":"([^"]+)".*job service listening/), process };
}

async function post(url: string, seconds: number): Promise<string> {
  const data = JSON.stringify({ SleepTimeInSeconds: seconds, Message: "done" });
  const reply = await callService(url, "POST", "/job", { body: { Type: "Sleep", Data: data } });
  expect(reply.status).toBe(202);
  return reply.json.id;
}

async function stateOf(url: string, id: string): Promise<string> {
  return (await callService(url, "GET", `/job/${id}`)).json.state;
}

test("start does on Redis what it does on a file", TIMEOUT, async () => {
  const { url, process } = await beginService("start");
  const id = await post(url, 0.05);
  await expect.poll(() => stateOf(url, id)).toBe("succeeded");
  await process.line(/"msg":"done"/);
  const doctor = await runProcess(["doctor"], { env });
  expect(doctor.out).toContain(server.url);
  expect(doctor.out).toMatch(/no append-only file/);
  expect(await process.stop()).toBe(0);
});

test(
  "a service and two workers share one Redis, and any of them can be killed",
  TIMEOUT,
  async () => {
    const [first, doomed] = await Promise.all([beginService(), beginWorker(), beginWorker()]);
    const ids: string[] = [];
    const ask = async (url: string, count: number): Promise<void> => {
      for (let job = 0; job < count; job += 1) ids.push(await post(url, 0.1));
    };
    await ask(first.url, 20);
    const long = await post(first.url, 1);
    ids.push(long);
    await expect.poll(() => stateOf(first.url, long)).toBe("running");
    await doomed.stop("SIGKILL");
    await ask(first.url, 10);
    await first.process.stop("SIGKILL");
    const second = await beginService();
    await ask(second.url, 10);
    const running = started.filter(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    );
    expect(running).toHaveLength(2);
    await beginWorker();
    for (const id of ids) await expect.poll(() => stateOf(second.url, id)).toBe("succeeded");
  },
);
