// Replay: a run goes on from its record in another process's memory, with the same answers in the same order.
import { afterEach, describe, expect, test, vi } from "vitest";
import { type AnyJobType, defineJob } from "../core/define-job.ts";
import type { Store } from "../core/store.ts";
import { openMillrace } from "../millrace/index.ts";
import type { Millrace } from "../runtime/index.ts";
import { openSqliteStore } from "../stores/sqlite/index.ts";
import { createTestClock } from "../testing/index.ts";
import { defineWorkflow } from "./index.ts";

const DAY_MS = 24 * 3_600_000;
const PATIENCE = { timeout: "30s" } as const;
const closing: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function memory(): Promise<Store> {
  const store = await openSqliteStore({ path: ":memory:", namespace: "default" });
  closing.push(store);
  return store;
}

async function working(store: Store, ...jobs: readonly AnyJobType[]): Promise<Millrace> {
  const mill = await openMillrace({ store, jobs, logger: false });
  closing.push(mill);
  await mill.start();
  return mill;
}

let calls = 0;
const count = defineJob({
  name: "count",
  run: () => {
    calls += 1;
    return calls;
  },
});

describe("a run that left the memory", () => {
  test("goes on where it was, and repeats no step", async () => {
    calls = 0;
    let began = 0;
    let local = 0;
    const long = defineWorkflow({
      name: "long",
      run: async ({ step }) => {
        began += 1;
        const first = await step.job(count, null);
        const second = await step.run("local", () => {
          local += 1;
          return local;
        });
        const third = await step.waitForSignal("go");
        return [first, second, third, await step.job(count, null)];
      },
    });
    const store = await memory();
    const one = await working(store, count, long);
    const receipt = await one.enqueue(long, null);
    await vi.waitFor(async () => {
      expect((await one.runs.get(receipt.id))?.steps[2]?.kind).toBe("signal");
    }, 20_000);
    await one.stop();
    expect((await one.job(receipt.id))?.state).toBe("waiting");
    const two = await working(store, count, long);
    await two.runs.signal(receipt.id, "go", "now");
    expect(await receipt.result(PATIENCE)).toEqual([1, 1, "now", 2]);
    expect({ began, calls, local }).toEqual({ began: 2, calls: 2, local: 1 });
  });

  test("waits for no step that it had dropped and that never was a job", async () => {
    const next = defineJob({ name: "next", run: ({ input }) => (input as number) + 1 });
    const slow = defineJob({
      name: "slow",
      run: async ({ input, signal }) => {
        if (input === 0) return;
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      },
    });
    const racing = defineWorkflow({
      name: "racing",
      run: async ({ step }) => {
        await Promise.all([step.job(next, 0), step.job(slow, 0)]);
        await step.race<unknown>([
          (branch) => branch.job(slow, 1),
          (branch) => branch.job(next, 1),
        ]);
        await step.waitForSignal("go");
        await new Promise(setImmediate);
        throw new Error("no luck");
      },
    });
    const store = await memory();
    const one = await working(store, next, slow, racing);
    const receipt = await one.enqueue(racing, null);
    await vi.waitFor(async () => {
      expect((await one.runs.get(receipt.id))?.steps.at(-1)?.kind).toBe("signal");
    }, 20_000);
    await one.stop();
    const two = await working(store, next, slow, racing);
    await two.runs.signal(receipt.id, "go", "now");
    await expect(receipt.result(PATIENCE)).rejects.toThrow("no luck");
    expect((await two.runs.get(receipt.id))?.steps[2]?.state).toBe("cancelled");
  });

  test("reads the same times, where fan-outs ended one after the other", async () => {
    const wait = defineJob({
      name: "wait",
      run: async ({ input }) => {
        await new Promise((resolve) => setTimeout(resolve, input as number));
      },
    });
    const lives: number[][] = [];
    const fans = defineWorkflow({
      name: "fans",
      run: async ({ step }) => {
        await step.job(wait, 0);
        const times: number[] = [];
        const fan = async (inputs: readonly number[]): Promise<void> => {
          await step.map(wait, inputs);
          times.push(step.now());
        };
        await Promise.all([fan([1]), fan([9])]);
        lives.push(times);
        await step.waitForSignal("go");
      },
    });
    const store = await memory();
    const one = await working(store, wait, fans);
    const receipt = await one.enqueue(fans, null);
    await vi.waitFor(async () => {
      expect((await one.runs.get(receipt.id))?.steps.at(-1)?.kind).toBe("signal");
    }, 20_000);
    await one.stop();
    const two = await working(store, wait, fans);
    await two.runs.signal(receipt.id, "go", "now");
    await receipt.result(PATIENCE);
    expect(lives[1]).toEqual(lives[0]);
  });

  test("reads the same times of steps that became jobs of its own worker, and of waits that nobody answered", async () => {
    const lasting = defineJob({
      name: "lasting",
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 25));
      },
    });
    const lives: number[][] = [];
    const timed = defineWorkflow({
      name: "timed",
      run: async ({ step }) => {
        const times: number[] = [];
        for (let steps = 0; steps < 12; steps += 1) {
          await step.job(lasting, null);
          times.push(step.now());
        }
        await expect(step.waitForSignal("never", { timeout: 20 })).rejects.toThrow("in time");
        times.push(step.now());
        lives.push(times);
        await step.waitForSignal("go");
      },
    });
    const store = await memory();
    const one = await working(store, lasting, timed);
    const receipt = await one.enqueue(timed, null);
    await vi.waitFor(() => expect(lives).toHaveLength(1), 20_000);
    await one.stop();
    const two = await working(store, lasting, timed);
    await two.runs.signal(receipt.id, "go", "now");
    await receipt.result(PATIENCE);
    expect(lives[1]).toEqual(lives[0]);
  });

  test("sleeps until a time that is months away, whoever works meanwhile", async () => {
    const clock = createTestClock();
    const store = await openSqliteStore({ path: ":memory:", namespace: "default", clock });
    closing.push(store);
    const untilMs = (await store.describe()).nowMs + 200 * DAY_MS;
    const patient = defineWorkflow({
      name: "patient",
      run: async ({ step }) => {
        await step.sleepUntil(new Date(untilMs));
        return "awake";
      },
    });
    const one = await working(store, patient);
    const receipt = await one.enqueue(patient, null);
    await expect
      .poll(async () => (await one.runs.get(receipt.id))?.steps[0]?.until, { timeout: 20_000 })
      .toBe(new Date(untilMs).toISOString());
    // Put out of memory.
    await expect.poll(async () => (await one.job(receipt.id))?.state).toBe("scheduled");
    await one.stop();
    clock.advance(199 * DAY_MS);
    const two = await working(store, count, patient);
    const other = await two.enqueue(count, null);
    await other.result(PATIENCE);
    expect((await two.runs.get(receipt.id))?.steps[0]?.state).toBe("waiting");
    await two.stop();
    clock.advance(2 * DAY_MS);
    const three = await working(store, patient);
    expect(await (await three.enqueue(patient, null)).result(PATIENCE)).toBe("awake");
    await expect.poll(async () => (await three.job(receipt.id))?.state).toBe("succeeded");
  });

  test("takes the same branches of a race, by the order that was recorded", async () => {
    calls = 0;
    const racing = defineWorkflow({
      name: "racing",
      run: async ({ step }) => {
        const winners: unknown[] = [];
        for (let round = 0; round < 5; round += 1) {
          winners.push(
            await Promise.race([
              step.job(count, null).then((n) => `left ${n}`),
              step.job(count, null).then((n) => `right ${n}`),
            ]),
          );
        }
        await step.waitForSignal("go");
        return winners;
      },
    });
    const store = await memory();
    const one = await working(store, count, racing);
    const receipt = await one.enqueue(racing, null);
    await vi.waitFor(async () => {
      expect((await one.runs.get(receipt.id))?.steps.at(-1)?.kind).toBe("signal");
    }, 20_000);
    await one.stop();
    await one.runs.signal(receipt.id, "go");
    await one.start();
    const winners = (await receipt.result(PATIENCE)) as string[];
    expect(winners).toHaveLength(5);
    expect(calls).toBe(10);
  });

  test("stops with an error that names the step where record and code part", async () => {
    const before = defineWorkflow({
      name: "changing",
      run: async ({ step }) => {
        await step.run("reserve", () => 1);
        await step.waitForSignal("go");
      },
    });
    const after = defineWorkflow({
      name: "changing",
      run: async ({ step }) => {
        await step.run("charge", () => 1);
        await step.waitForSignal("go");
      },
    });
    const store = await memory();
    const one = await working(store, before);
    const receipt = await one.enqueue(before, null);
    await vi.waitFor(async () => {
      expect((await one.runs.get(receipt.id))?.steps).toHaveLength(2);
    }, 20_000);
    await one.stop();
    const two = await working(store, after);
    await two.runs.signal(receipt.id, "go");
    await expect(receipt.result(PATIENCE)).rejects.toThrow(
      /step 1 is the local step "reserve" in the record, and the function takes the local step "charge"/,
    );
    expect((await two.runs.get(receipt.id))?.error?.code).toBe("WORKFLOW_CHANGED");
  });

  test("goes on under the version that it began with, beside runs of another", async () => {
    const first = defineWorkflow({
      name: "order",
      run: async ({ step }) => {
        await step.waitForSignal("go");
        return "first";
      },
    });
    const second = defineWorkflow({ name: "order", version: 2, run: () => "second" });
    const mill = await working(await memory(), first, second);
    const old = await mill.enqueue(first, null);
    const young = await mill.enqueue(second, null);
    expect(await young.result(PATIENCE)).toBe("second");
    await mill.runs.signal(old.id, "go");
    expect(await old.result(PATIENCE)).toBe("first");
  });
});

describe("a failed run that is retried by hand", () => {
  test("goes on from the step that failed, and repeats none that succeeded", async () => {
    calls = 0;
    let isBroken = true;
    const seen = Promise.withResolvers<void>();
    const flaky = defineJob({
      name: "flaky",
      retry: { attempts: 1 },
      run: async () => {
        if (isBroken) throw new Error("broken");
        await seen.promise;
        return "mended";
      },
    });
    const deploy = defineWorkflow({
      name: "deploy",
      run: async ({ step }) => {
        const built = await step.job(count, null);
        const [sent, other] = await Promise.all([step.job(flaky, null), step.job(count, null)]);
        return [built, sent, other];
      },
    });
    const mill = await working(await memory(), count, flaky, deploy);
    const receipt = await mill.enqueue(deploy, null);
    await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect((await mill.runs.get(receipt.id))?.error?.message).toContain("broken");
    isBroken = false;
    await mill.retry([receipt.id]);
    await vi.waitFor(async () => {
      const view = await mill.runs.get(receipt.id);
      expect(view?.steps.map(({ state }) => state)).toContain("running");
      expect(view?.error).toBeNull();
    }, 20_000);
    seen.resolve();
    await vi.waitFor(async () => {
      expect((await mill.job(receipt.id))?.state).toBe("succeeded");
    }, 20_000);
    expect((await mill.job(receipt.id))?.result).toEqual([1, "mended", 2]);
    expect(calls).toBe(2);
  });
});

test("a record has a bound, which is told before a step is taken, and what was done is undone", async () => {
  let undone = 0;
  let taken = 0;
  const greedy = defineWorkflow({
    name: "greedy",
    run: async ({ step }) => {
      await step.run("first", () => 1, { undo: () => void (undone += 1) });
      for (;;) {
        await step.run("much", () => "x".repeat(250_000));
        taken += 1;
      }
    },
  });
  const mill = await working(await memory(), greedy);
  const receipt = await mill.enqueue(greedy, null);
  await expect(receipt.result({ timeout: "60s" })).rejects.toMatchObject({
    code: "JOB_FAILED",
    message: expect.stringContaining("expected at most 67108864") as string,
  });
  expect(taken).toBeGreaterThan(250);
  expect(undone).toBe(1);
}, 120_000);
