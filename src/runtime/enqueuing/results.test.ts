// Waiting for results: what a waiter is told when a look at the store overtakes the word of how the job ended.
import { afterEach, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { Store, Subscribe } from "../../core/store.ts";
import { openMillrace } from "../../millrace/index.ts";
import type { Millrace } from "../millrace.ts";
import { openStore } from "../open-store.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function openOn(store: Store): Promise<Millrace> {
  const mill = await openMillrace({ store, logger: false, jobs: [brief] });
  closing.push(async () => {
    await mill.stop(undefined, { grace: 0 });
    await mill.close();
  });
  return mill;
}

const brief = defineJob({
  name: "brief",
  retention: { succeeded: "remove" },
  run: () => "done",
});

interface LateEvents {
  readonly late: Store;
  /** Looks that found no job. */
  readonly missed: () => number;
  readonly letThrough: () => void;
}

/** A store whose events stay on their way until they are let through. */
function withLateEvents(store: Store): LateEvents {
  const held: (() => void)[] = [];
  let missed = 0;
  const look: Store["get"] = async (request) => {
    const found = await store.get(request);
    if (found.includes(null)) setImmediate(() => (missed += 1));
    return found;
  };
  const subscribe: Store["subscribe"] = async (request: Subscribe) =>
    store.subscribe({
      ...request,
      listener: (event) => void held.push(() => request.listener(event)),
    });
  return {
    late: new Proxy(store, {
      get: (target, name) => {
        if (name === "subscribe") return subscribe;
        if (name === "get") return look;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    }),
    missed: () => missed,
    letThrough: () => {
      for (const tell of held.splice(0)) tell();
    },
  };
}

test("who waits for a job is told its result although a look finds the job gone first", async () => {
  const store = await openStore({ url: "memory:", namespace: "results" });
  closing.push(async () => store.close());
  const { late, missed, letThrough } = withLateEvents(store);
  const [waiting, working] = [await openOn(late), await openOn(store)];
  const first = await waiting.enqueue(brief, null);
  // Whoever waits follows from its first wait on.
  await expect(first.result({ timeout: "1ms" })).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
  const second = await waiting.enqueue(brief, null);
  await working.start();
  await expect.poll(async () => store.get({ ids: [first.id, second.id] })).toEqual([null, null]);
  const result = second.result();
  result.catch(() => {});
  await expect.poll(missed).toBeGreaterThan(0);
  letThrough();
  expect(await result).toBe("done");
});

test("who waits for a job that is gone without a word is told so", async () => {
  const store = await openStore({ url: "memory:", namespace: "results" });
  closing.push(async () => store.close());
  const { late } = withLateEvents(store);
  const [waiting, working] = [await openOn(late), await openOn(store)];
  const receipt = await waiting.enqueue(brief, null);
  await working.start();
  await expect.poll(async () => (await store.get({ ids: [receipt.id] }))[0]).toBeNull();
  await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_REMOVED" });
});
