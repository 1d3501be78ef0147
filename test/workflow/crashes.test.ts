// A run survives the death of its owner at every write to the store, and words that are delivered twice.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Millrace, type Store, defineJob, defineWorkflow, openMillrace } from "millrace";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";

/** Writes at which an owner dies, in turn before and after the write is kept: about as many as the runs below take. */
const MOST_WRITES = Number(process.env["MILLRACE_CRASH_PLACES"] ?? 8);
const PATIENCE_MS = 60_000;

let directory: string;
const closing: Promise<void>[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-runs-"));
});

afterAll(async () => {
  await Promise.all(closing);
  await rm(directory, { recursive: true, force: true });
}, PATIENCE_MS);

const undone: string[] = [];
const add = defineJob({ name: "add", run: ({ input }) => (input as number) + 1 });
const fail = defineJob({
  name: "fail",
  retry: { attempts: 1 },
  run: () => {
    throw new Error("no luck");
  },
});
const remove = defineJob({ name: "remove", run: ({ input }) => void undone.push(String(input)) });
const succeeding = defineWorkflow({
  name: "succeeding",
  run: async ({ step }) => {
    const one = await step.job(add, 0);
    const two = await step.run("two", () => one + 1);
    const many = await step.map(add, [1, 2, 3], { concurrency: 2 });
    return [one, two, many.length];
  },
});
const failing = defineWorkflow({
  name: "failing",
  run: async ({ step }) => {
    await step.job(add, 0, { undo: { job: remove, input: () => "first" } });
    await step.job(add, 1, { undo: { job: remove, input: () => "second" } });
    await step.job(fail, null);
  },
});
const jobs = [add, fail, remove, succeeding, failing];

/** A store that dies with its process: at its so-many-th exchange with something to say, before or after it is kept. */
function dyingStore(store: Store, dieAt: number, isKept: boolean): Store {
  let writes = 0;
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (name !== "exchange") return typeof member === "function" ? member.bind(target) : member;
      const exchange: Store["exchange"] = async (request) => {
        const says = request.settlements.length + (request.advances?.length ?? 0) > 0;
        if (says) writes += 1;
        if (!says || writes !== dieAt) return target.exchange(request);
        if (isKept) await target.exchange(request);
        closing.push(target.close());
        return target.exchange(request);
      };
      return exchange;
    },
  });
}

async function open(store: Store): Promise<Millrace> {
  return openMillrace({ store, jobs, logger: false, worker: { shutdownGrace: 0 } });
}

const places = Array.from({ length: MOST_WRITES }, (_, index) => ({
  dieAt: index + 1,
  isKept: index % 2 === 1,
}));

test(
  "a run whose owner dies at any write ends elsewhere, each step once, each undo done",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    await Promise.all(
      places.map(async ({ dieAt, isKept }) => {
        const path = join(directory, `${dieAt}-${isKept}.db`);
        const store = await openSqliteStore({ path, namespace: "default", durability: "os" });
        const first = await open(dyingStore(store, dieAt, isKept));
        const [good, bad] = [
          await first.enqueue(succeeding, null),
          await first.enqueue(failing, null),
        ];
        await first.start();
        const heir = await openSqliteStore({ path, namespace: "default", durability: "os" });
        const second = await open(heir);
        await second.start();
        await vi.waitFor(
          async () => {
            expect((await second.job(good.id))?.state).toBe("succeeded");
            expect((await second.job(bad.id))?.state).toBe("failed");
          },
          { timeout: PATIENCE_MS, interval: 50 },
        );
        expect((await second.job(good.id))?.result).toEqual([1, 2, 3]);
        const run = await second.runs.get(bad.id);
        expect(run?.undone).toEqual([2, 1]);
        expect(run?.notUndone).toEqual([]);
        for (const id of [good.id, bad.id]) {
          const steps = (await second.runs.get(id))?.steps ?? [];
          expect(
            steps
              .map(({ state }) => state)
              .filter((state) => state === "waiting" || state === "running"),
          ).toEqual([]);
        }
        const { jobs: left } = await second.jobs({
          states: ["ready", "scheduled", "running", "waiting"],
        });
        expect(left).toEqual([]);
        closing.push(
          first.close(),
          second.close().then(() => heir.close()),
          store.close(),
        );
      }),
    );
  },
);

test("words that are delivered twice change nothing", { timeout: PATIENCE_MS }, async () => {
  const path = join(directory, "twice.db");
  const store = await openSqliteStore({ path, namespace: "default", durability: "os" });
  const twice = new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (name !== "exchange") return typeof member === "function" ? member.bind(target) : member;
      const exchange: Store["exchange"] = async (request) => {
        const reply = await target.exchange(request);
        // A claim made twice would be two claims.
        const { claim: _, ...said } = request;
        await target.exchange(said);
        return reply;
      };
      return exchange;
    },
  });
  undone.length = 0;
  const mill = await open(twice);
  await mill.start();
  const good = await Promise.all(Array.from({ length: 10 }, () => mill.enqueue(succeeding, null)));
  const bad = await mill.enqueue(failing, null);
  for (const receipt of good) expect(await receipt.result({ timeout: "30s" })).toEqual([1, 2, 3]);
  await expect(bad.result({ timeout: "30s" })).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(undone).toEqual(["second", "first"]);
  const queues = await store.queues();
  const count = (state: "succeeded" | "failed"): number =>
    queues.reduce((sum, { counts }) => sum + counts[state], 0);
  expect(count("succeeded")).toBe(10);
  // The run, and its step.
  expect(count("failed")).toBe(2);
  await mill.close();
  await store.close();
});
