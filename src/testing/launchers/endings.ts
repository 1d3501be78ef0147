// Statements about ends that come from outside: cancellation, timeout, a lost lease, a worker that stops.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import { LONG_GRACE_MS, type LauncherBench, type LauncherCase, SHORT_GRACE_MS } from "./bench.ts";

/** A timeout that a job is given to outlive. */
const TIMEOUT_MS = 300;

/** A launcher that ended a job must run the next one. */
async function goesOn({ run, untilNoneRuns }: LauncherBench): Promise<void> {
  await untilNoneRuns();
  assert.equal((await run("echo", "next")).result, "next");
}

async function cancelled({ mill, until }: LauncherBench, id: JobId): Promise<void> {
  await mill.cancel([id], { reason: "enough" });
  const { error } = await until(id, "is cancelled", ({ state }) => state === "cancelled");
  assert.match(error?.message ?? "", /enough/);
}

export const endingCases: readonly LauncherCase[] = [
  {
    name: "asks a cancelled job to end",
    // Should it not be asked, the grace is longer than the suite waits.
    type: { grace: LONG_GRACE_MS },
    run: async (bench) => {
      const id = await bench.begin("wait");
      await cancelled(bench, id);
      if (bench.isTelling) {
        const lines = (await bench.mill.logs(id)).map(({ message }) => message);
        assert.ok(lines.includes("asked"), `the lines are ${JSON.stringify(lines)}`);
      }
      await goesOn(bench);
    },
  },
  {
    name: "ends a cancelled job that does not listen when its grace is over",
    type: { grace: SHORT_GRACE_MS },
    run: async (bench) => {
      await cancelled(bench, await bench.begin("hang"));
      await goesOn(bench);
    },
  },
  {
    name: "asks a job to end that takes longer than its timeout",
    type: { timeout: TIMEOUT_MS, grace: LONG_GRACE_MS },
    run: async ({ run }) => {
      const { state, error } = await run("wait");
      assert.deepEqual([state, error?.code], ["failed", "JOB_TIMEOUT"]);
    },
  },
  {
    name: "ends a job that does not listen when its timeout and its grace are over",
    type: { timeout: TIMEOUT_MS, grace: SHORT_GRACE_MS },
    run: async ({ run, untilNoneRuns }) => {
      const { state, error } = await run("hang");
      assert.deepEqual([state, error?.code], ["failed", "JOB_TIMEOUT"]);
      await untilNoneRuns();
    },
  },
  {
    name: "ends a job whose lease was withdrawn, which then runs again under another claim",
    type: { grace: SHORT_GRACE_MS },
    run: async (bench) => {
      const id = await bench.begin("wait");
      const before = await bench.mill.job(id);
      await bench.withdrawLeases();
      await bench.until(id, "runs under another claim", ({ state, progress, worker }) =>
        bench.isTelling
          ? JSON.stringify(progress) !== JSON.stringify(before?.progress)
          : state === "running" && worker !== before?.worker,
      );
      await cancelled(bench, id);
      await goesOn(bench);
    },
  },
  {
    name: "lets a job finish when its worker stops",
    run: async ({ mill, begin }) => {
      const id = await begin("slow", "done");
      await mill.stop(undefined, { grace: LONG_GRACE_MS });
      const job = await mill.job(id);
      assert.deepEqual([job?.state, job?.result], ["succeeded", "done"]);
    },
  },
  {
    name: "gives back a job that does not finish when its worker stops",
    type: { grace: SHORT_GRACE_MS },
    run: async (bench) => {
      const { mill, begin } = bench;
      const id = await begin("hang");
      await mill.stop(undefined, { grace: 0 });
      const job = await mill.job(id);
      const outcomes = job?.attempts.map(({ outcome }) => outcome);
      assert.deepEqual([job?.state, job?.attempt, outcomes], ["ready", 1, ["released"]]);
      await bench.untilNoneRuns();
      await mill.cancel([id]);
      await mill.start();
      await goesOn(bench);
    },
  },
];
