// Large values in workflows: whole in the function, kept as long as the run has need of them.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  type BlobStore,
  type Millrace,
  createDirectoryBlobs,
  defineJob,
  defineWorkflow,
  openMillrace,
} from "millrace";
import { cleanPage } from "../../src/runtime/blobs/index.ts";
import { openStore } from "../../src/runtime/open-store.ts";

const PATIENCE = { timeout: "30s" } as const;
/** Over the bound of a job's own values, and over what is put away. */
const LARGE = "x".repeat(400_000);

const double = defineJob({
  name: "double",
  run: ({ input }) => ({ text: (input as string) + (input as string) }),
});
const length = defineWorkflow({
  name: "length",
  run: async ({ input, step }) => {
    const { text } = await step.job(double, input);
    await step.waitForSignal("go");
    const inner = await step.job(twice, text.slice(0, LARGE.length));
    return { text, input: (input as string).length, inner: inner.length };
  },
});
/** A child run whose own result is large. */
const twice = defineWorkflow({
  name: "twice",
  run: async ({ input, step }) => (await step.job(double, input as string)).text,
});

let directory: string;
let opened: Millrace[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-large-"));
  opened = [];
});
afterEach(async () => {
  for (const mill of opened) await mill.close();
  await rm(directory, { recursive: true, force: true });
});

const url = (): string => `sqlite:${join(directory, "jobs.db")}`;
const path = (): string => join(directory, "blobs");

async function working(): Promise<Millrace> {
  const mill = await openMillrace({
    store: url(),
    jobs: [double, length, twice],
    logger: false,
    blobs: { store: `dir:${path()}` },
  });
  opened.push(mill);
  await mill.start();
  return mill;
}

async function clean(): Promise<void> {
  const store = await openStore({ url: url(), namespace: "default" });
  const blobs = createDirectoryBlobs({ path: path(), namespace: "default" });
  await cleanPage({ blobs, store }, undefined, { nowMs: Date.now() + 1_000, youngMs: 0 });
  await store.close();
}

async function stepFiles(): Promise<readonly string[]> {
  return (await readdir(path(), { recursive: true })).filter((name) => name.includes("step-"));
}

async function untilWaiting(mill: Millrace, id: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const steps = (await mill.runs.get(id))?.steps ?? [];
      expect(steps.map(({ kind, state }) => [kind, state])).toEqual([
        ["job", "succeeded"],
        ["signal", "waiting"],
      ]);
    },
    { timeout: 30_000 },
  );
}

test("inputs, results and what steps come to reach the function whole, also in a replay", async () => {
  const first = await working();
  const receipt = await first.enqueue(length, LARGE);
  await untilWaiting(first, receipt.id);
  await first.close();
  await clean();
  const second = await working();
  await second.runs.signal(receipt.id, "go");
  await vi.waitFor(async () => expect((await second.job(receipt.id))?.state).toBe("succeeded"), {
    timeout: 30_000,
  });
  const again = await second.enqueue(length, LARGE);
  await untilWaiting(second, again.id);
  await second.runs.signal(again.id, "go");
  expect(await again.result(PATIENCE)).toEqual({
    text: LARGE + LARGE,
    input: LARGE.length,
    inner: 2 * LARGE.length,
  });
});

test("what steps came to is removed with their run, and not before", async () => {
  const mill = await working();
  const receipt = await mill.enqueue(length, LARGE);
  await untilWaiting(mill, receipt.id);
  await clean();
  expect(await stepFiles()).toHaveLength(1);
  await mill.cancel([receipt.id]);
  await vi.waitFor(async () => expect((await mill.job(receipt.id))?.state).toBe("cancelled"), {
    timeout: 30_000,
  });
  await mill.remove([receipt.id]);
  await clean();
  expect(await stepFiles()).toEqual([]);
});

test("a step whose result can't be read fails, and the function may catch it, in a replay too", async () => {
  const catching = defineWorkflow({
    name: "catching",
    run: async ({ step }) => {
      let caught = "";
      try {
        await step.job(double, LARGE);
      } catch (error) {
        caught = String(error);
      }
      await step.waitForSignal("go");
      return caught;
    },
  });
  const blobs = createDirectoryBlobs({ path: path(), namespace: "default" });
  const forgetful: BlobStore = {
    ...blobs,
    get: async (blob) => (blob.name.startsWith("step-") ? null : blobs.get(blob)),
  };
  const open = async (): Promise<Millrace> => {
    const jobs = [double, catching];
    const options = { store: url(), logger: false, jobs, blobs: { store: forgetful } } as const;
    const mill = await openMillrace(options);
    opened.push(mill);
    await mill.start();
    return mill;
  };
  const first = await open();
  const { id } = await first.enqueue(catching, null);
  await vi.waitFor(async () => expect((await first.runs.get(id))?.steps.at(-1)?.name).toBe("go"), {
    timeout: 30_000,
  });
  await first.close();
  const second = await open();
  await second.runs.signal(id, "go");
  await vi.waitFor(async () => expect((await second.job(id))?.result).toContain("can't be read"), {
    timeout: 30_000,
  });
});
