// A run survives the death of its owner at every write to the store, and words that are delivered twice. A step that
// ran in its owner alone is tried again under its id.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Millrace, type Store, defineJob, defineWorkflow, openMillrace } from "millrace";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";
import { GOOD_RESULT } from "../chaos/programs/run-jobs.ts";
import { GOOD_ENDS, PATIENCE_MS, endsOf, enqueueRuns, types, undone } from "./dying-runs.ts";

/** Writes at which an owner dies, in turn before and after the write is kept: about as many as the runs below take. */
const MOST_WRITES = Number(process.env["MILLRACE_CRASH_PLACES"] ?? 8);

let directory: string;
const closing: Promise<void>[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-runs-"));
});

afterAll(async () => {
  await Promise.all(closing);
  await rm(directory, { recursive: true, force: true });
}, PATIENCE_MS);

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
  return openMillrace({ store, jobs: types.all, logger: false, worker: { shutdownGrace: 0 } });
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
        const runs = await enqueueRuns(first);
        await first.start();
        const heir = await openSqliteStore({ path, namespace: "default", durability: "os" });
        const second = await open(heir);
        await second.start();
        expect(await endsOf(second, runs)).toEqual(GOOD_ENDS);
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
  const good = await Promise.all(Array.from({ length: 10 }, () => mill.enqueue(types.good, null)));
  const bad = await mill.enqueue(types.bad, null);
  for (const receipt of good) expect(await receipt.result({ timeout: "30s" })).toEqual(GOOD_RESULT);
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

test(
  "a quick step that is tried again elsewhere has the same id",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const path = join(directory, "quick.db");
    const place = { path, namespace: "default", durability: "os" } as const;
    const ids: string[] = [];
    let left = "";
    const note = defineJob({
      name: "note",
      run: ({ input, job }) => {
        if (input !== null) ids.push(job.id);
      },
    });
    const run = defineWorkflow({
      name: "run",
      run: async ({ step }) => {
        await step.job(note, null);
        await step.job(note, 1);
      },
    });
    const doomed = await openSqliteStore(place);
    // Its process is gone before it can tell that the second step ended, which the store never heard of.
    const dying: Store = {
      ...doomed,
      exchange: async (request) => {
        if (ids.length > 0) {
          left ||= JSON.stringify(await doomed.list({ filter: { type: "note" }, limit: 10 }));
          await doomed.close();
        }
        return doomed.exchange(request);
      },
    };
    const options = { jobs: [note, run], logger: false, worker: { shutdownGrace: 0 } } as const;
    const first = await openMillrace({ store: dying, ...options });
    await first.start();
    const { id } = await first.enqueue(run, null);
    await expect.poll(() => left, { timeout: PATIENCE_MS }).toBe('{"jobs":[]}');
    const heir = await openSqliteStore(place);
    const second = await openMillrace({ store: heir, ...options });
    await second.start();
    await second.wait(id, { timeout: PATIENCE_MS });
    const [before, last] = (await second.runs.get(id))?.steps ?? [];
    closing.push(
      first.close(),
      second.close().then(() => heir.close()),
    );
    expect(ids).toEqual([last?.jobId, last?.jobId]);
    expect(before?.jobId).not.toBe(last?.jobId);
  },
);
