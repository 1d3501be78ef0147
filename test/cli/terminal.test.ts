/* oxlint-disable no-control-regex -- escape sequences are what is looked for */
// What needs a real terminal: top and --follow draw on a pseudo-terminal, and leave it as it was.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defineJob, openMillrace } from "millrace";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Running,
  run,
  scratch,
  start,
  startCommand,
  terminalCommand,
} from "./command-line.ts";

const SLEEP = '{"SleepTimeInSeconds": 0, "Message": "on the screen"}';
let directory: Awaited<ReturnType<typeof scratch>>;
let store = "";
let worker: Running;

beforeAll(async () => {
  directory = await scratch();
  store = `sqlite:${join(directory.path, "terminal.db")}`;
  worker = startCommand(["worker"], { env: { MILLRACE_STORE: store } });
  await worker.line(/worker started/);
});
afterAll(async () => {
  await worker.stop();
  await directory[Symbol.asyncDispose]();
});

function inTerminal(...args: readonly string[]): Running {
  return start(
    "script",
    ["-qfec", terminalCommand(args, { rows: 24, columns: 100 }), "/dev/null"],
    {
      env: { NO_COLOR: "" },
    },
  );
}

// `script` of util-linux makes the pseudo-terminal; other systems' takes other arguments.
describe.skipIf(process.platform !== "linux")("on a terminal", () => {
  test("top shows queues, workers and rates on a screen of its own, and q gives the old one back", async () => {
    const top = inTerminal("top", "--interval", "100ms", "--store", store);
    await top.line(/\u001B\[\?1049h[^]*1 worker\b/);
    await run(["enqueue", "Sleep", SLEEP, "--store", store]);
    await top.line(/Sleep +0 +0 +0 +1 +0 +0\.1/);
    top.child.stdin?.write("q");
    expect(await top.end()).toBe(0);
    expect(top.output()).toMatch(/\u001B\[\?1049l\s*$/);
  });

  test("q ends top at once, also where the service does not answer", async () => {
    const env = { MILLRACE_STORE: store, MILLRACE_PORT: "0" };
    const service = startCommand(["serve"], { env });
    const url = await service.line(/"url":"([^"]+)".*job service listening/);
    const top = inTerminal("top", "--interval", "100ms", "--url", url);
    await top.line(/1 worker\b/);
    service.child.kill("SIGSTOP");
    // Longer than a look takes: the next one waits.
    await sleep(500);
    const fromMs = performance.now();
    top.child.stdin?.write("q");
    const code = await top.end();
    const tookMs = performance.now() - fromMs;
    service.child.kill("SIGCONT");
    await service.stop();
    expect(code).toBe(0);
    // A request of its own gives up after 30 s.
    expect(tookMs).toBeLessThan(20_000);
  });

  test("job --follow shows a progress bar while the job runs, then its result", async () => {
    await run(["pause", "hash-tree", "--store", store]);
    const { out } = await run([
      "enqueue",
      "hash-tree",
      JSON.stringify({ directory: join(import.meta.dirname, "../../src") }),
      "--store",
      store,
    ]);
    const follow = inTerminal("job", out.trim(), "--follow", "--store", store);
    await follow.line(/ready/);
    await run(["resume", "hash-tree", "--store", store]);
    expect(await follow.end()).toBe(0);
    expect(follow.output()).toMatch(/[█░]{30} \d+% \d+\/\d+/);
    expect(follow.output()).toMatch(/succeeded.*: \{"files":\d+/);
  });

  test("an order and its dry run tell how far they are on a line that is gone when they are done", async () => {
    const many = `sqlite:${join(directory.path, "many.db")}`;
    const nobody = defineJob({ name: "nobody", run: () => null });
    const mill = await openMillrace({ store: many, jobs: [nobody], logger: false });
    const inputs = Array.from({ length: 1_000 }, () => null);
    for (let part = 0; part < 3; part += 1) await mill.enqueueMany(nobody, inputs);
    await mill.close();
    const order = ["cancel", "--type", "nobody", "--store", many];
    const dry = inTerminal(...order, "--dry-run");
    expect(await dry.end()).toBe(0);
    expect(dry.output()).toMatch(/\r\u001B\[K1000 found so far; Ctrl-C stops\r\u001B\[K/);
    expect(dry.output()).toMatch(/\r\u001B\[K3000 would be cancelled/);
    const wet = inTerminal(...order);
    expect(await wet.end()).toBe(0);
    expect(wet.output()).toMatch(/\r\u001B\[K\d+ cancelled so far; Ctrl-C stops\r\u001B\[K/);
    expect(wet.output()).toMatch(/\r\u001B\[K3000 cancelled\r?\n/);
  });

  test("an order that is stopped by Ctrl-C says how far it came, also where the key reaches it twice, through npm", async () => {
    const many = `sqlite:${join(directory.path, "stopped.db")}`;
    const nobody = defineJob({ name: "nobody", run: () => null });
    const mill = await openMillrace({ store: many, jobs: [nobody], logger: false });
    const inputs = Array.from({ length: 1_000 }, () => null);
    for (let part = 0; part < 15; part += 1) await mill.enqueueMany(nobody, inputs);
    await mill.close();
    const order = inTerminal("cancel", "--type", "nobody", "--store", many);
    await order.line(/cancelled so far; Ctrl-C stops/);
    for (const key of ["\u0003", "\u0003"]) {
      order.child.stdin?.write(key);
      // Two at the same moment are one signal.
      await sleep(20);
    }
    expect(await order.end()).toBe(130);
    expect(order.output()).toMatch(/\d+ cancelled; stopped before the end/);
  });

  test("a move that is stopped by Ctrl-C says how far it came, also where the key reaches it twice, through npm", async () => {
    const from = `sqlite:${join(directory.path, "from.db")}`;
    const to = `sqlite:${join(directory.path, "to.db")}`;
    const nobody = defineJob({ name: "nobody", run: () => null });
    const mill = await openMillrace({ store: from, jobs: [nobody], logger: false });
    const inputs = Array.from({ length: 1_000 }, () => null);
    for (let part = 0; part < 15; part += 1) await mill.enqueueMany(nobody, inputs);
    await mill.close();
    const move = inTerminal("move", "--from", from, "--to", to);
    await move.line(/moving .* of 15000 jobs/);
    for (const key of ["\u0003", "\u0003"]) {
      move.child.stdin?.write(key);
      // Two at the same moment are one signal.
      await sleep(20);
    }
    expect(await move.end()).toBe(130);
    expect(move.output()).toMatch(/\d+ jobs moved\r?\nstopped before the end: \d+ jobs still wait/);
    // Nobody is to move again: the first store goes on as it was.
    expect((await run(["queues", "--store", from])).out).not.toContain("paused");
  });

  test("Ctrl-C ends the following, not the job", async () => {
    const { out } = await run([
      "enqueue",
      "Sleep",
      '{"SleepTimeInSeconds": 600, "Message": "x"}',
      "--store",
      store,
    ]);
    const id = out.trim();
    const follow = inTerminal("job", id, "--follow", "--store", store);
    await follow.line(/running|started/);
    follow.child.stdin?.write("\u0003");
    expect(await follow.end()).toBe(130);
    expect(follow.output()).toContain(`millrace job ${id} --follow`);
    expect((await run(["job", id, "--store", store])).out).toMatch(/state\s+running/);
    await run(["cancel", id, "--store", store]);
  });
});
