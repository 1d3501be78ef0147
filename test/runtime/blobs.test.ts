// Large inputs and results: put away, read where they are used, cleaned up, and told clearly when they are gone.
import { readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type BlobStore,
  type Millrace,
  type MillraceOptions,
  createDirectoryBlobs,
  defineJob,
  openMillrace,
} from "millrace";
import { listenJobService } from "millrace/http";
import { describeBlobStore } from "millrace/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { cleanPage } from "../../src/runtime/blobs/index.ts";
import { openStore } from "../../src/runtime/open-store.ts";
import { run, scratch } from "../cli/command-line.ts";
import { callService } from "../http/service.ts";

/** Over the bound of a job's own values. */
const LARGE = "x".repeat(1_000_000);
const double = defineJob({
  name: "double",
  input: z.object({ text: z.string(), secret: z.string().optional() }),
  redact: ["secret"],
  retry: { attempts: 1 },
  run: ({ input, log }) => {
    log.info(`doubling, ${input.secret}`);
    return { text: input.text + input.text };
  },
});

let directory: Awaited<ReturnType<typeof scratch>>;
let opened: Millrace[];
beforeEach(async () => {
  directory = await scratch();
  opened = [];
});
afterEach(async () => {
  for (const mill of opened) await mill.close();
  await directory[Symbol.asyncDispose]();
});

const path = (name: string): string => join(directory.path, name);

async function open(options: MillraceOptions = {}): Promise<Millrace> {
  const mill = await openMillrace({
    store: `sqlite:${path("jobs.db")}`,
    jobs: [double],
    logger: false,
    blobs: { store: `dir:${path("blobs")}` },
    ...options,
  });
  opened.push(mill);
  return mill;
}

async function files(): Promise<readonly string[]> {
  const found = await readdir(path("blobs"), { recursive: true }).catch(() => []);
  return found.filter((name) => name.includes("-"));
}

describeBlobStore(
  "a directory",
  {
    open: async () => {
      const place = await scratch();
      const blobs = createDirectoryBlobs({ path: place.path });
      const second = createDirectoryBlobs({ path: place.path });
      return { blobs, second, close: async () => place[Symbol.asyncDispose]() };
    },
  },
  { describe, test },
);

test("a large input and a large result go through, the job holds references to them", async () => {
  const producer = await open();
  const worker = await open();
  await worker.start();
  const receipt = await producer.enqueue(double, { text: LARGE, secret: "hush-hush" });
  expect(await receipt.result({ timeout: "30s" })).toEqual({ text: LARGE + LARGE });
  const job = await producer.job(receipt.id);
  expect(job?.input).toEqual({
    $blob: { name: "input", bytes: expect.any(Number), sha256: expect.any(String) },
  });
  expect(job?.result).toMatchObject({ $blob: { bytes: 2_000_011 } });
  expect(JSON.stringify(await producer.logs(receipt.id))).not.toContain("hush-hush");
  expect(await files()).toHaveLength(2);
});

test("small values stay in their jobs", async () => {
  const mill = await open();
  await mill.start();
  const receipt = await mill.enqueue(double, { text: "a" });
  expect(await receipt.result({ timeout: "30s" })).toEqual({ text: "aa" });
  expect((await mill.job(receipt.id))?.result).toEqual({ text: "aa" });
  expect(await files()).toEqual([]);
});

test("the service and the command line show what is put away, and where", async () => {
  const mill = await open();
  await mill.start();
  await using service = await listenJobService({ operations: mill, port: 0 });
  const { json } = await callService(service.url, "POST", "/v1/jobs", {
    body: { type: "double", input: { text: "x".repeat(100_000) } },
  });
  const waited = await callService(service.url, "GET", `/v1/jobs/${json.id}?wait=20s`);
  expect(waited.json.input).toMatchObject({ $blob: { name: "input", bytes: 100_011 } });
  const { out } = await run(["job", json.id, "--url", service.url, "--json"]);
  expect(JSON.parse(out)).toMatchObject({ input: { $blob: { bytes: 100_011 } } });
});

test("values over the bounds are refused, with and without a blob store", async () => {
  const bounded = await open({ blobs: { store: `dir:${path("blobs")}`, maxBytes: 500_000 } });
  await expect(bounded.enqueue(double, { text: LARGE })).rejects.toMatchObject({
    code: "TOO_LARGE",
  });
  const without = await openMillrace({ store: "memory:", logger: false, jobs: [double] });
  opened.push(without);
  await expect(without.enqueue(double, { text: LARGE })).rejects.toMatchObject({
    code: "TOO_LARGE",
  });
});

test("a value that looks like a reference is refused: it could name another's", async () => {
  const mill = await open({ jobs: [defineJob({ name: "any" })] });
  const input = { $blob: { name: "../../x", bytes: 1, sha256: "" } };
  await expect(mill.enqueueEntries([{ type: "any", input }])).rejects.toMatchObject({
    code: "INVALID_INPUT",
  });
});

test("a value that is gone, or was changed, or has no blob store here, is told clearly", async () => {
  const producer = await open();
  const [gone, changed, here] = await producer.enqueueMany(
    double,
    [1, 2, 3].map(() => ({ text: LARGE })),
  );
  const fileOf = async (id = ""): Promise<string> =>
    join(path("blobs"), (await files()).find((name) => name.includes(id)) ?? "");
  await rm(await fileOf(gone?.id));
  await writeFile(await fileOf(changed?.id), '{"text":"forged"}');
  await producer.start();
  await expect(gone?.result({ timeout: "30s" })).rejects.toThrow(/is not in dir:.*same blob store/);
  await expect(changed?.result({ timeout: "30s" })).rejects.toThrow(/something else/);
  expect(await here?.result({ timeout: "30s" })).toBeDefined();
  expect(await producer.job(gone?.id ?? "")).toMatchObject({ error: { code: "BLOB_MISSING" } });
  const plain = await openMillrace({
    store: `sqlite:${path("jobs.db")}`,
    jobs: [double],
    logger: false,
  });
  opened.push(plain);
  await producer.stop();
  const other = await producer.enqueue(double, { text: LARGE });
  await plain.start();
  await expect(other.result({ timeout: "30s" })).rejects.toThrow(/no blob store is configured/);
});

test("a blob store that fails refuses the enqueue, and nothing is kept", async () => {
  await writeFile(path("blobs"), "a file where the directory should be");
  const mill = await open();
  await expect(mill.enqueue(double, { text: LARGE })).rejects.toMatchObject({
    code: "BLOB_FAILED",
  });
  expect((await mill.jobs()).jobs).toEqual([]);
});

/** One whole round, page after page. */
async function clean(blobs: BlobStore): Promise<number> {
  const store = await openStore({ url: `sqlite:${path("jobs.db")}`, namespace: "default" });
  try {
    const nowMs = Date.now();
    const { removed, cursor } = await cleanPage({ blobs, store }, undefined, { nowMs });
    expect(cursor).toBeUndefined();
    return removed;
  } finally {
    await store.close();
  }
}

async function age(): Promise<void> {
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const file of await files()) await utimes(join(path("blobs"), file), longAgo, longAgo);
}

describe("cleaning up", () => {
  test("removes what no kept job refers to, and leaves the young and what is referred to", async () => {
    const mill = await open();
    await mill.start();
    const blobs = createDirectoryBlobs({ path: path("blobs") });
    const [kept, removed] = await mill.enqueueMany(double, [{ text: LARGE }, { text: LARGE }]);
    await Promise.all([kept?.result({ timeout: "30s" }), removed?.result({ timeout: "30s" })]);
    // A claim that was superseded put this away; its word did not stand.
    await blobs.put({ job: kept?.id ?? "", name: "result-other.1", text: "1" });
    await mill.remove([removed?.id ?? ""]);
    expect(await files()).toHaveLength(5);
    expect(await clean(blobs)).toBe(0);
    await age();
    expect(await clean(blobs)).toBe(3);
    expect(await files()).toHaveLength(2);
    expect(await kept?.result()).toEqual({ text: LARGE + LARGE });
  });
});

test("a wrong configuration is refused by its field", async () => {
  await expect(open({ blobs: { store: "bucket" } })).rejects.toThrow(/blobs\.store/);
  await expect(open({ blobs: { store: "dir:x", above: 0 } })).rejects.toThrow(/blobs\.above/);
});
