// The sample job types do what they say, can be cancelled, and fail as they should.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Millrace, openMillrace, silentLogger } from "millrace";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { hashTree } from "../../examples/jobs/hash-tree.ts";
import { sleep } from "../../examples/jobs/sleep.ts";
import { scratch } from "../cli/command-line.ts";

let mill: Millrace;

beforeAll(async () => {
  mill = await openMillrace({ store: "memory:", jobs: [sleep, hashTree], logger: silentLogger });
  await mill.start();
});
afterAll(async () => {
  await mill.close();
});

test("Sleep sleeps, then logs the message", async () => {
  const receipt = await mill.enqueue(sleep, { SleepTimeInSeconds: 0.05, Message: "Hello World" });
  expect(await receipt.result()).toEqual({ message: "Hello World" });
  expect(await mill.logs(receipt.id)).toMatchObject([{ level: "info", message: "Hello World" }]);
});

test("a sleeping job wakes up to be cancelled", async () => {
  const receipt = await mill.enqueue(sleep, { SleepTimeInSeconds: 600, Message: "never" });
  await vi.waitFor(async () => expect((await mill.job(receipt.id))?.state).toBe("running"), 30_000);
  await mill.cancel([receipt.id], { reason: "enough" });
  await expect(receipt.result({ timeout: "30s" })).rejects.toMatchObject({ code: "JOB_CANCELLED" });
});

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("hash-tree hashes every file, the same for the same tree, and tells how far it is", async () => {
  await using directory = await scratch();
  await mkdir(join(directory.path, "sub"));
  await writeFile(join(directory.path, "b.txt"), "two");
  await writeFile(join(directory.path, "sub", "a.txt"), "one");
  const told: unknown[] = [];
  await using _following = await mill.subscribe({ type: "hash-tree" }, (event) => {
    if (event.kind === "progress") told.push(event.progress);
  });
  const receipt = await mill.enqueue(hashTree, { directory: directory.path });
  const lines = `${sha256("two")}  b.txt\n${sha256("one")}  sub/a.txt\n`;
  expect(await receipt.result()).toEqual({ files: 2, bytes: 6, digest: `sha256:${sha256(lines)}` });
  expect((await mill.job(receipt.id))?.progress).toEqual({ done: 2, total: 2 });
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(0), 30_000);
});

test("hash-tree of what is not there fails at once, without retries", async () => {
  const receipt = await mill.enqueue(hashTree, { directory: "/nowhere/at/all" });
  await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(await mill.job(receipt.id)).toMatchObject({ state: "failed", attempt: 1 });
});

/** A web server whose pages fail in every way that a checker meets; remembers when it was asked. */
async function startSite(): Promise<{ server: Server; url: string; asked: Map<string, number[]> }> {
  const asked = new Map<string, number[]>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const times = [...(asked.get(path) ?? []), performance.now()];
    asked.set(path, times);
    if (path === "/busy" && times.length === 1) response.writeHead(429, { "retry-after": "0" });
    else if (path === "/flaky" && times.length < 2) response.writeHead(500);
    else if (path === "/gone") response.writeHead(404);
    response.end("<html><title> A page </title>content</html>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("check-page fetches and checks, waits its turn at a host, and tries again what may pass", async () => {
  vi.stubEnv("CHECK_PAGE_INTERVAL_MS", "50");
  const { checkPage } = await import("../../examples/jobs/check-page.ts");
  const site = await startSite();
  try {
    await mill.start(checkPage);
    const check = (path: string, contains?: string) =>
      mill.enqueue(checkPage, {
        url: `${site.url}${path}`,
        ...(contains === undefined ? {} : { contains }),
      });
    const [fine, busy, flaky, gone, other] = await Promise.all([
      check("/fine", "content"),
      check("/busy"),
      check("/flaky"),
      check("/gone"),
      check("/other", "something else"),
    ]);
    expect(await fine.result()).toMatchObject({ status: 200, title: "A page" });
    expect(await busy.result()).toMatchObject({ status: 200 });
    expect(await flaky.result()).toMatchObject({ status: 200 });
    await expect(gone.result()).rejects.toThrow("404");
    await expect(other.result()).rejects.toThrow("does not contain");
    expect(site.asked.get("/busy")).toHaveLength(2);
    expect(site.asked.get("/gone")).toHaveLength(1);
    const times = [...site.asked.values()].flat().sort((left, right) => left - right);
    // Seven requests in turns of 50 ms take 300 ms; half of that is left to a slow first connection.
    expect(times).toHaveLength(7);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(150);
  } finally {
    site.server.close();
    site.server.closeAllConnections();
    vi.unstubAllEnvs();
  }
});
