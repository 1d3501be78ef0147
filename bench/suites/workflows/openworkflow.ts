// The subject `openworkflow`, on its SQLite backend as it comes. Its steps are local functions.
import { join } from "node:path";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import type { Run } from "../../harness/index.ts";
import { CONCURRENCY, StartCounter } from "../../harness/workload.ts";
import type { WorkflowSubject } from "./subject.ts";

interface Steps {
  run<Output>(options: { readonly name: string }, body: () => Output): Promise<Output>;
}

/** Runs a second of a workflow; a hundredth of what the others run takes it as long. */
async function paceOfRuns(
  run: Run,
  given: { readonly warmUp: number; readonly measured: number },
  body: (step: Steps) => Promise<unknown>,
): Promise<number> {
  const backend = BackendSqlite.connect(join(run.directory, "jobs.db"));
  const client = new OpenWorkflow({ backend });
  const counter = new StartCounter(given);
  client.implementWorkflow({ name: "measured" }, async ({ step }) => {
    const result = await body(step);
    counter.count();
    return (result ?? null) as null;
  });
  for (let kept = 0; kept < given.warmUp + given.measured; kept += 1) {
    await client.runWorkflow({ name: "measured" }, null);
  }
  const worker = client.newWorker({ concurrency: CONCURRENCY });
  await worker.start();
  const pace = await counter.pace;
  await worker.stop();
  await backend.stop();
  return pace;
}

const CHAIN_LENGTH = 100;

async function twoStep(run: Run): Promise<number> {
  return paceOfRuns(run, { warmUp: 20, measured: run.isQuick ? 100 : 500 }, async (step) => {
    const first = await step.run({ name: "first" }, () => 1);
    return step.run({ name: "second" }, () => first + 1);
  });
}

export const subject: WorkflowSubject = {
  twoStep,
  twoStepFunctions: twoStep,
  async chain(run) {
    const backend = BackendSqlite.connect(join(run.directory, "jobs.db"));
    const client = new OpenWorkflow({ backend });
    const count = run.isQuick ? 3 : 10;
    let ended = 0;
    const done = Promise.withResolvers<void>();
    client.implementWorkflow({ name: "chain" }, async ({ step }) => {
      let value = 0;
      for (let at = 0; at < CHAIN_LENGTH; at += 1) {
        const before = value;
        value = await step.run({ name: `step-${at}` }, () => before + 1);
      }
      ended += 1;
      if (ended === count) done.resolve();
      return value;
    });
    const worker = client.newWorker({ concurrency: CONCURRENCY });
    await worker.start();
    const startedAt = performance.now();
    for (let begun = 0; begun < count; begun += 1)
      await client.runWorkflow({ name: "chain" }, null);
    await done.promise;
    const pace = (count * CHAIN_LENGTH * 1_000) / (performance.now() - startedAt);
    await worker.stop();
    await backend.stop();
    return pace;
  },
  diamond: (run) =>
    paceOfRuns(run, { warmUp: 20, measured: run.isQuick ? 100 : 300 }, async (step) => {
      const top = await step.run({ name: "top" }, () => 1);
      const [left, right] = await Promise.all([
        step.run({ name: "left" }, () => top),
        step.run({ name: "right" }, () => top),
      ]);
      return step.run({ name: "bottom" }, () => left + right);
    }),
};
