// The project's own worker program keeps the contract that outside worker programs keep.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";

const program = new URL("../../examples/fleet-worker/worker", import.meta.url).pathname;
const started: ChildProcess[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function startWorker(...switches: string[]): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort();
  const child = spawn(program, ["-workerId", "1", "-port", String(port), ...switches]);
  started.push(child);
  await once(child.stdout, "data");
  return { url: `http://localhost:${port}/rnd`, child };
}

async function readNumbers(url: string): Promise<string> {
  const response = await fetch(url);
  return response.text();
}

test("sends n lines in a chunked stream under the agreed headers", async () => {
  const { url } = await startWorker("-pace", "10");
  const response = await fetch(`${url}?n=5`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/text");
  expect(response.headers.get("x-worker-id")).toBe("1");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  expect(response.headers.get("transfer-encoding")).toBe("chunked");
  expect(await response.text()).toMatch(/^(rnd=\d{1,2}\n){5}$/);
});

test("the first number comes at once, however slow the pace", async () => {
  const { url } = await startWorker("-pace", "600000");
  expect(await readNumbers(`${url}?n=1`)).toMatch(/^rnd=\d+\n$/);
});

test("numbers keep their pace, on a new connection too", async () => {
  const { url } = await startWorker("-pace", "300");
  const startedAtMs = performance.now();
  await readNumbers(`${url}?n=2`);
  await readNumbers(`${url}?n=1`);
  // Three numbers are two paces apart at least, whatever the machine is busy with.
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(599);
});

test("a busy worker takes no second connection", async () => {
  const { url } = await startWorker("-pace", "5000");
  const busy = await fetch(`${url}?n=2`);
  await expect(fetch(`${url}?n=1`)).rejects.toThrow("fetch failed");
  await busy.body?.cancel();
});

test("the same seed sends the same numbers", async () => {
  const texts: string[] = [];
  for (const seed of ["7", "7", "8"]) {
    const { url } = await startWorker("-pace", "1", "-seed", seed);
    texts.push(await readNumbers(`${url}?n=20`));
  }
  expect(texts[1]).toBe(texts[0]);
  expect(texts[2]).not.toBe(texts[0]);
});

test("split lines, garbage lines and a crash are made on demand", async () => {
  const { url, child } = await startWorker(
    ..."-pace 1 -split -garbage 1 -crashAfter 3 -seed 1".split(" "),
  );
  const exited = once(child, "exit");
  const whole = await readNumbers(`${url}?n=2`);
  expect(whole.match(/^rnd=\d+$/gm)).toHaveLength(2);
  expect(whole.match(/no number$/gm)).toHaveLength(2);
  await expect(readNumbers(`${url}?n=9`)).rejects.toThrow("terminated");
  expect(await exited).toEqual([null, "SIGKILL"]);
});

test("a stall leaves the connection open and silent", async () => {
  const { url } = await startWorker("-pace", "1", "-stallAfter", "2");
  const response = await fetch(`${url}?n=5`);
  const reader = response.body?.getReader();
  let text = "";
  while (text.split("\n").length < 3) {
    const part = await reader?.read();
    text += Buffer.from(part?.value ?? []).toString();
  }
  const silence = await Promise.race([
    reader?.read().then(() => "spoke"),
    new Promise((resolve) => setTimeout(resolve, 100, "silent")),
  ]);
  expect(silence).toBe("silent");
});

test("a wrong switch is refused with the usage", async () => {
  const child = spawn(program, ["-workerId", "1", "-port", "1", "-pace", "soon"]);
  started.push(child);
  let told = "";
  child.stderr.on("data", (part: Buffer) => (told += part.toString()));
  const [code] = await once(child, "close");
  expect(code).toBe(2);
  expect(told).toContain('-pace takes a number, not "soon"');
});
