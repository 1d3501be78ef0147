// Many runs of random shapes on a worker of few slots: each ends as its function says, and every slot comes back.
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineJob } from "../core/define-job.ts";
import { openMillrace } from "../millrace/index.ts";
import { NARROW, type Plan, Planner, Watch, expected, treesOf } from "./random-runs.fixture.ts";
import { PATIENCE } from "./workflows.fixture.ts";

const SLOTS = 3;
const RUNS = 60;
const OPEN = ["scheduled", "ready", "running", "waiting"] as const;
/** Seeds of earlier runs, to be tried again: `MILLRACE_RUN_SEEDS=1,2,3`. */
const seeds = process.env["MILLRACE_RUN_SEEDS"]?.split(",") ?? [`${Date.now()}`];

test.for(seeds)("runs of random shapes end as they should, seed %s", async (seed) => {
  const watch = new Watch();
  const trees = treesOf(watch);
  const full = Promise.withResolvers<void>();
  let begun = 0;
  const plain = defineJob({
    name: "plain",
    run: async () => {
      begun += 1;
      if (begun === SLOTS) full.resolve();
      await full.promise;
    },
  });
  const mill = await openMillrace({
    store: "memory:",
    jobs: [...Object.values(trees), plain],
    logger: false,
    worker: { concurrency: SLOTS },
  });
  onTestFinished(() => mill.close());
  await mill.start();
  const planner = new Planner(seed);
  const enqueue = async (
    plan: Plan,
    cancelAfterMs: number | null,
  ): Promise<{ readonly id: string; readonly plan: Plan; readonly isCancelled: boolean }> => {
    const { id } = await mill.enqueue(trees.tree, plan);
    if (cancelAfterMs === null) return { id, plan, isCancelled: false };
    await pause(cancelAfterMs);
    await mill.cancel([id]);
    return { id, plan, isCancelled: true };
  };
  const runs = await Promise.all(
    Array.from({ length: RUNS }, async () =>
      enqueue(planner.plan(), planner.below(6) === 0 ? planner.below(600) : null),
    ),
  );
  await vi.waitFor(
    async () => {
      const { jobs } = await mill.jobs({ states: [...OPEN] });
      expect(jobs.map(({ id, type, state }) => `${type} ${id} ${state}`)).toEqual([]);
    },
    { timeout: 25_000, interval: 20 },
  );
  for (const { id, plan, isCancelled } of runs) {
    const job = await mill.job(id);
    if (isCancelled && job?.state === "cancelled") continue;
    const result = expected(plan);
    const end = result === null ? { state: "failed" } : { state: "succeeded", result };
    expect(job, JSON.stringify(plan)).toMatchObject(end);
  }
  expect(watch.most).toBeLessThanOrEqual(SLOTS);
  expect(watch.mostNarrow).toBeLessThanOrEqual(NARROW);
  expect({ running: watch.running, twice: watch.twice }).toEqual({ running: 0, twice: 0 });
  const inputs = Array.from({ length: SLOTS }, () => ({ input: null }));
  const receipts = await mill.enqueueMany(plain, inputs);
  await Promise.all(receipts.map(async (receipt) => receipt.result(PATIENCE)));
});
