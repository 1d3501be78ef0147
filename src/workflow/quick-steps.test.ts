// Steps that their run's worker begins at once: which never become jobs, and which do.
import { expect, onTestFinished, test, vi } from "vitest";
import { type AnyJobType, defineJob } from "../core/define-job.ts";
import type { ChildJob } from "../core/run.ts";
import type { Store } from "../core/store.ts";
import { openMillrace } from "../millrace/index.ts";
import type { Millrace } from "../runtime/index.ts";
import { openSqliteStore } from "../stores/sqlite/index.ts";
import { defineWorkflow } from "./index.ts";
import { PATIENCE, untilAborted } from "./workflows.fixture.ts";

const SLOTS = 4;

interface Watched {
  readonly mill: Millrace;
  /** Jobs that runs made, in their order. */
  readonly made: readonly ChildJob[];
}

type Exchange = Store["exchange"];

/** A worker on a store of which the test sees what its runs say. `between`: what is between the two. */
async function watched(
  jobs: readonly AnyJobType[],
  between: (exchange: Exchange) => Exchange = (exchange) => exchange,
): Promise<Watched> {
  const real = await openSqliteStore({ path: ":memory:", namespace: "default" });
  const made: ChildJob[] = [];
  const exchange = between(async (request) => real.exchange(request));
  const store: Store = {
    ...real,
    exchange: async (request) => {
      for (const { children = [] } of request.advances ?? []) made.push(...children);
      return exchange(request);
    },
  };
  const mill = await openMillrace({
    store,
    jobs,
    logger: false,
    worker: { concurrency: SLOTS, shutdownGrace: 0 },
  });
  onTestFinished(async () => {
    await mill.close();
    await real.close();
  });
  await mill.start();
  return { mill, made };
}

const next = defineJob({ name: "next", run: ({ input }) => (input as number) + 1 });

/** A gate that handlers wait at. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

test("steps that end soon are no jobs: the first alone asks the store", async () => {
  const chain = defineWorkflow({
    name: "chain",
    run: async ({ step }) => {
      let sum = 0;
      for (let count = 0; count < 10; count += 1) sum = await step.job(next, sum);
      return sum;
    },
  });
  const { mill, made } = await watched([next, chain]);
  const receipt = await mill.enqueue(chain, null);
  expect(await receipt.result(PATIENCE)).toBe(10);
  expect(made).toHaveLength(1);
  const run = await mill.runs.get(receipt.id);
  expect(run?.steps).toHaveLength(10);
  for (const [index, step] of (run?.steps ?? []).entries()) {
    expect(step).toMatchObject({
      type: "next",
      state: "succeeded",
      input: index,
      output: index + 1,
      attempts: 1,
      worker: run?.worker,
      error: null,
    });
  }
});

test("a workflow that says so has jobs alone for its steps", async () => {
  const chain = defineWorkflow({
    name: "chain",
    quickSteps: false,
    run: async ({ step }) => step.job(next, await step.job(next, await step.job(next, 0))),
  });
  const { mill, made } = await watched([next, chain]);
  const receipt = await mill.enqueue(chain, null);
  expect(await receipt.result(PATIENCE)).toBe(3);
  expect(made).toHaveLength(3);
});

test("a fan-out runs as many at once as there are slots, and each step once", async () => {
  let running = 0;
  let most = 0;
  const seen: number[] = [];
  const square = defineJob({
    name: "square",
    run: async ({ input }) => {
      running += 1;
      most = Math.max(most, running);
      seen.push(input as number);
      await new Promise(setImmediate);
      running -= 1;
      return (input as number) ** 2;
    },
  });
  const fan = defineWorkflow({
    name: "fan",
    run: async ({ step }) => {
      const outcomes = await step.map(
        square,
        Array.from({ length: 300 }, (_, n) => n),
      );
      return outcomes.reduce((sum, each) => sum + (each.ok ? each.output : NaN), 0);
    },
  });
  const { mill, made } = await watched([square, fan]);
  const receipt = await mill.enqueue(fan, null);
  const squares = Array.from({ length: 300 }, (_, n) => n ** 2);
  expect(await receipt.result(PATIENCE)).toBe(squares.reduce((a, b) => a + b));
  expect(most).toBeLessThanOrEqual(SLOTS);
  expect(seen.toSorted((a, b) => a - b)).toEqual(squares.map((_, n) => n));
  expect(made.length).toBeLessThan(300);
});

test("a step that takes longer becomes a job while it runs, and is not begun again", async () => {
  const held = gate();
  let begun = 0;
  const slow = defineJob({
    name: "slow",
    run: async () => {
      begun += 1;
      if (begun > 1) await held.passed;
      return begun;
    },
  });
  const twice = defineWorkflow({
    name: "twice",
    run: async ({ step }) => [await step.job(slow, null), await step.job(slow, null)],
  });
  const { mill, made } = await watched([slow, twice]);
  const receipt = await mill.enqueue(twice, null);
  await vi.waitFor(async () => {
    const { jobs } = await mill.jobs({ type: "slow", states: ["running"] });
    expect(jobs).toHaveLength(1);
    expect(made.at(-1)?.isBegun).toBe(true);
  }, 10_000);
  held.open();
  expect(await receipt.result(PATIENCE)).toEqual([1, 2]);
});

test("one that fails is a job with its tries, and its error reaches the function", async () => {
  let tries = 0;
  const flaky = defineJob({
    name: "flaky",
    retry: { attempts: 3, backoff: () => 0 },
    run: ({ input }) => {
      if (input === null) return 0;
      tries += 1;
      throw new Error(`try ${tries}`);
    },
  });
  const run = defineWorkflow({
    name: "run",
    run: async ({ step }) => {
      await step.job(flaky, null);
      return step.job(flaky, 1).catch((error: Error) => (error.cause as Error).message);
    },
  });
  const { mill } = await watched([flaky, run]);
  const receipt = await mill.enqueue(run, null);
  expect(await receipt.result(PATIENCE)).toBe("try 3");
  expect((await mill.runs.get(receipt.id))?.steps[1]).toMatchObject({
    state: "failed",
    attempts: 3,
  });
});

test("what it tells on its way is kept with its job", async () => {
  const held = gate();
  const talking = defineJob({
    name: "talking",
    run: async ({ input, log, progress }) => {
      if (input === null) return;
      log.info("half way");
      progress(50);
      await held.passed;
    },
  });
  const run = defineWorkflow({
    name: "run",
    run: async ({ step }) => {
      await step.job(talking, null);
      await step.job(talking, 1);
    },
  });
  const { mill } = await watched([talking, run]);
  const receipt = await mill.enqueue(run, null);
  await vi.waitFor(async () => {
    const [job] = (await mill.jobs({ type: "talking", states: ["running"] })).jobs;
    expect(job?.progress).toBe(50);
    const lines = await mill.logs(job?.id ?? "");
    expect(lines.map(({ message }) => message)).toEqual(["half way"]);
  }, 10_000);
  held.open();
  await receipt.result(PATIENCE);
});

test("the losers of a race are told to end, and their slots are free again", async () => {
  const aborted: number[] = [];
  const wait = defineJob({
    name: "wait",
    run: async ({ input, signal }) => {
      if (input === 0) return 0;
      await untilAborted({ signal }).catch(() => aborted.push(input as number));
      throw signal.reason;
    },
  });
  const race = defineWorkflow({
    name: "race",
    run: async ({ step }) => {
      await step.job(wait, 0);
      const branches = Array.from(
        { length: SLOTS - 1 },
        (_, n) => (branch: typeof step) => branch.job(wait, n + 1),
      );
      return step.race([...branches, (branch) => branch.job(next, 6)]);
    },
  });
  const { mill } = await watched([wait, next, race]);
  for (let round = 1; round <= 5; round += 1) {
    const receipt = await mill.enqueue(race, null);
    expect(await receipt.result(PATIENCE)).toBe(7);
    await vi.waitFor(() => expect(aborted).toHaveLength(round * (SLOTS - 1)), 10_000);
  }
});

test("a run that is cancelled tells its quick steps, and waits for their end", async () => {
  const begun = gate();
  const ends: string[] = [];
  const job = defineJob({
    name: "job",
    run: async ({ input, signal }) => {
      if (input === null) return;
      begun.open();
      await untilAborted({ signal }).catch(() => ends.push("step"));
      throw signal.reason;
    },
  });
  const run = defineWorkflow({
    name: "run",
    run: async ({ step }) => {
      await step.run("first", () => 1, { undo: () => void ends.push("undo") });
      await step.job(job, null);
      await step.job(job, 1);
    },
  });
  const { mill } = await watched([job, run]);
  const receipt = await mill.enqueue(run, null);
  await begun.passed;
  await mill.cancel([receipt.id]);
  await vi.waitFor(
    async () => expect((await mill.job(receipt.id))?.state).toBe("cancelled"),
    10_000,
  );
  expect(ends).toEqual(["step", "undo"]);
  expect((await mill.runs.get(receipt.id))?.steps[2]?.state).toBe("cancelled");
});

test("a run that fails in the turn in which it takes a step waits for nothing", async () => {
  const run = defineWorkflow({
    name: "run",
    run: async ({ step }) => {
      void step.job(next, 0);
      await Promise.reject(new Error("no luck"));
    },
  });
  const { mill, made } = await watched([next, run]);
  const receipt = await mill.enqueue(run, null);
  await expect(receipt.result(PATIENCE)).rejects.toThrow("no luck");
  expect(made).toEqual([]);
});

test("a queue that is paused holds steps within a second", async () => {
  let ended = 0;
  const tick = defineJob({ name: "tick", run: () => void (ended += 1) });
  const loop = defineWorkflow({
    name: "loop",
    run: async ({ step }) => {
      for (let count = 0; count < 1_000_000; count += 1) await step.job(tick, null);
    },
  });
  const { mill } = await watched([tick, loop]);
  await mill.enqueue(loop, null);
  await vi.waitFor(() => expect(ended).toBeGreaterThan(10), 10_000);
  await mill.pause(tick.queue, { by: "test", reason: "to see" });
  await vi.waitFor(async () => {
    const { jobs } = await mill.jobs({ type: "tick", states: ["ready"] });
    expect(jobs).toHaveLength(1);
  }, 10_000);
  const held = ended;
  await new Promise(setImmediate);
  expect(ended).toBe(held);
});

test("one that became a job by a word whose answer was lost is given back where its run is gone", async () => {
  let lost = 0;
  const losing =
    (exchange: Exchange): Exchange =>
    async (request) => {
      const isSaid = request.advances?.some(({ children }) => children?.some((c) => c.isBegun));
      if (isSaid !== true || lost > 1) return exchange(request);
      lost += 1;
      if (lost === 1) {
        await exchange(request);
        throw new Error("the answer was lost");
      }
      // The run has another owner meanwhile.
      const reply = await exchange({ ...request, advances: [] });
      return { ...reply, advanced: [{ accepted: false, why: "stale" }] };
    };
  let begun = 0;
  const slow = defineJob({
    name: "slow",
    run: async ({ signal }) => {
      begun += 1;
      if (begun === 2) await untilAborted({ signal });
      return begun;
    },
  });
  const twice = defineWorkflow({
    name: "twice",
    run: async ({ step }) => [await step.job(slow, null), await step.job(slow, null)],
  });
  const { mill } = await watched([slow, twice], losing);
  const receipt = await mill.enqueue(twice, null);
  expect(await receipt.result(PATIENCE)).toEqual([1, 3]);
});

test("a step that is being recorded counts when its type is served no longer, and then again", async () => {
  const [ended, kept] = [gate(), gate()];
  const now = { running: 0, most: 0 };
  const lone = defineJob({
    name: "lone",
    concurrency: 1,
    run: async ({ input }) => {
      now.running += 1;
      now.most = Math.max(now.most, now.running);
      await new Promise(setImmediate);
      now.running -= 1;
      if (input === "quick") ended.open();
    },
  });
  const two = defineWorkflow({
    name: "two",
    run: async ({ step }) => {
      await step.job(lone, "first");
      await step.job(lone, "quick");
    },
  });
  let isQuickDone = false;
  void ended.passed.then(() => (isQuickDone = true));
  const recording = gate();
  const { mill } = await watched([lone, two], (exchange) => async (request) => {
    if (isQuickDone && request.advances !== undefined) {
      recording.open();
      await kept.passed;
    }
    return exchange(request);
  });
  const receipt = await mill.enqueue(two, null);
  await recording.passed;
  await mill.stop(lone);
  await mill.start(lone);
  kept.open();
  await receipt.result(PATIENCE);
  const inputs = Array.from({ length: 10 }, (_, index) => index);
  const jobs = await mill.enqueueMany(lone, inputs);
  await Promise.all(jobs.map((job) => job.result(PATIENCE)));
  expect(now.most).toBe(1);
});
