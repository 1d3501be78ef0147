// The subject `millrace`: steps are jobs of a type of their own, as its user has them.
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import {
  type AnyJobType,
  type Millrace,
  defineJob,
  defineWorkflow,
  openMillrace,
} from "../../../src/index.ts";
import type { Run } from "../../harness/index.ts";
import { CONCURRENCY, StartCounter, paceOfFanOuts, processCounts } from "../../harness/workload.ts";
import type { Keeper, WorkflowSubject } from "./subject.ts";

const retention = { succeeded: "remove" } as const;

let onJob = (): void => {};
let onRun = (): void => {};

const work = defineJob({ name: "work", retention, run: () => onJob() });
const step = defineJob({ name: "step", retention, run: ({ input }) => input as number });

const twoStep = defineWorkflow({
  name: "two-step",
  retention,
  async run({ step: steps }) {
    const first = await steps.job(step, 1);
    const second = await steps.job(step, first + 1);
    onRun();
    return second;
  },
});
const twoStepFunctions = defineWorkflow({
  name: "two-step-functions",
  retention,
  async run({ step: steps }) {
    const first = await steps.run("first", () => 1);
    const second = await steps.run("second", () => first + 1);
    onRun();
    return second;
  },
});
const chain = defineWorkflow({
  name: "chain",
  retention,
  async run({ step: steps }) {
    let value = 0;
    for (let count = 0; count < CHAIN_LENGTH; count += 1) value = await steps.job(step, value + 1);
    onRun();
    return value;
  },
});
const fanOut = defineWorkflow({
  name: "fan-out",
  retention,
  async run({ input, step: steps }) {
    const inputs = Array.from({ length: input as number }, (_, index) => index);
    const outcomes = await steps.map(step, inputs);
    onRun();
    return outcomes.filter(({ ok }) => ok).length;
  },
});
const diamond = defineWorkflow({
  name: "diamond",
  retention,
  async run({ step: steps }) {
    const top = await steps.job(step, 1);
    const [left, right] = await Promise.all([steps.job(step, top), steps.job(step, top)]);
    const bottom = await steps.job(step, left + right);
    onRun();
    return bottom;
  },
});
const sleeper = defineWorkflow({
  name: "sleeper",
  retention,
  async run({ input, step: steps }) {
    await steps.sleepUntil(input as number);
    onRun();
  },
});

const CHAIN_LENGTH = 100;
const TICKS = 10_000;
/** Until sleeping runs are due: all of them are asleep by then. */
const ASLEEP_MS = 20_000;
const LEASE = "2s";

function urlOf(run: Run, keeper: Keeper): string {
  return keeper === "redis"
    ? (run.settings["url"] ?? "")
    : `sqlite:${join(run.directory, "jobs.db")}`;
}

/** With the types that a measurement is about: on Redis each is a queue to look at. */
async function open(url: string, jobs: readonly AnyJobType[]): Promise<Millrace> {
  return openMillrace({
    store: url,
    jobs,
    logger: false,
    worker: { concurrency: CONCURRENCY, leaseDuration: LEASE },
  });
}

/** Runs a second of a workflow, all enqueued before the clock starts. */
async function paceOfRuns(
  run: Run,
  keeper: Keeper,
  type: typeof twoStep,
  counts: { readonly warmUp: number; readonly measured: number },
): Promise<number> {
  await using mill = await open(urlOf(run, keeper), [type, step]);
  const inputs = Array.from({ length: counts.warmUp + counts.measured }, () => null);
  await mill.enqueueMany(type, inputs);
  const counter = new StartCounter(counts);
  onRun = counter.count;
  await mill.start();
  const pace = await counter.pace;
  await mill.stop();
  return pace;
}

function counts(
  run: Run,
  measured: number,
): { readonly warmUp: number; readonly measured: number } {
  const scaled = Math.max(10, Math.round(run.isQuick ? measured / 10 : measured));
  return { warmUp: Math.ceil(scaled / 10), measured: scaled };
}

export const subject: WorkflowSubject = {
  async plain(run, keeper) {
    await using mill = await open(urlOf(run, keeper), [work]);
    const given = processCounts(run);
    const counter = new StartCounter(given);
    onJob = counter.count;
    await mill.enqueueMany(
      work,
      Array.from({ length: given.warmUp + given.measured }, () => null),
    );
    await mill.start(work);
    const pace = await counter.pace;
    await mill.stop();
    return pace;
  },
  // As many as plain jobs, beside which they are judged: the code of both is hot by then.
  twoStep: (run, keeper) => paceOfRuns(run, keeper, twoStep, processCounts(run)),
  twoStepFunctions: (run, keeper) => paceOfRuns(run, keeper, twoStepFunctions, processCounts(run)),
  async chain(run, keeper) {
    await using mill = await open(urlOf(run, keeper), [chain, step]);
    await mill.start();
    // All begin together and end together, so the clock stands for the whole.
    const together = Array.from({ length: run.isQuick ? 10 : CONCURRENCY }, () => null);
    await (await mill.enqueue(chain, null)).result();
    const startedAt = performance.now();
    const receipts = await mill.enqueueMany(chain, together);
    await Promise.all(receipts.map((receipt) => receipt.result()));
    return (together.length * CHAIN_LENGTH * 1_000) / (performance.now() - startedAt);
  },
  diamond: (run, keeper) => paceOfRuns(run, keeper, diamond, counts(run, 5_000)),
  async fanOut(run, keeper, count) {
    await using mill = await open(urlOf(run, keeper), [fanOut, step]);
    await mill.start();
    // Until the function has all of them, as BullMQ's until its root runs.
    const once = async (): Promise<void> => {
      const done = Promise.withResolvers<void>();
      onRun = done.resolve;
      await mill.enqueue(fanOut, count);
      await done.promise;
    };
    return await paceOfFanOuts(run, count, once);
  },
  async wake(run, keeper) {
    await using mill = await open(urlOf(run, keeper), [sleeper]);
    const given = counts(run, 10_000);
    const count = given.warmUp + given.measured;
    await mill.start();
    const wakeAt = Date.now() + (run.isQuick ? ASLEEP_MS / 10 : ASLEEP_MS);
    let ended = 0;
    const done = Promise.withResolvers<void>();
    onRun = () => {
      ended += 1;
      if (ended === count) done.resolve();
    };
    await mill.enqueueMany(
      sleeper,
      Array.from({ length: count }, () => wakeAt),
    );
    await done.promise;
    return (count * 1_000) / (Date.now() - wakeAt);
  },
  recover,
  async ticks(run, keeper) {
    await using mill = await open(urlOf(run, keeper), [work]);
    const count = run.isQuick ? TICKS / 10 : TICKS;
    const due = new Date(Date.now() + (run.isQuick ? 3_000 : ASLEEP_MS)).toISOString();
    for (let put = 0; put < count; put += CONCURRENCY) {
      await Promise.all(
        Array.from({ length: Math.min(CONCURRENCY, count - put) }, (_, index) =>
          mill.schedules.put({ type: work, name: `tick-${put + index}`, dates: [due] }),
        ),
      );
    }
    let ran = 0;
    const done = Promise.withResolvers<void>();
    onJob = () => {
      ran += 1;
      if (ran === count) done.resolve();
    };
    await mill.start();
    await done.promise;
    return (count * 1_000) / (Date.now() - Date.parse(due));
  },
};

/** Runs are begun by a process that is killed when each has taken its first step; another one ends them. */
async function recover(run: Run, keeper: Keeper): Promise<number> {
  const url = urlOf(run, keeper);
  const count = run.isQuick ? 100 : 1_000;
  const child = fork(new URL("recover-process.ts", import.meta.url), [url, String(count)], {
    execArgv: process.execArgv,
  });
  await reported(child);
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  await using mill = await open(url, [step]);
  let ended = 0;
  const done = Promise.withResolvers<void>();
  onRun = () => {
    ended += 1;
    if (ended === count) done.resolve();
  };
  const startedAt = performance.now();
  await mill.register(halfway);
  await mill.start();
  const receipts = await mill.jobs({ type: "halfway", states: ["waiting"], limit: 1_000 });
  await Promise.all(receipts.jobs.map(({ id }) => mill.runs.signal(id, "go")));
  await done.promise;
  return performance.now() - startedAt;
}

/** Takes a step, waits to be told, takes another. */
const halfway = defineWorkflow({
  name: "halfway",
  retention,
  async run({ step: steps }) {
    await steps.job(step, 1);
    await steps.waitForSignal("go");
    await steps.job(step, 2);
    onRun();
  },
});

async function reported(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`the process to kill ended with ${code}`)));
  });
}

/** What the process that is to be killed does: begins so many runs, and tells when all wait. */
export async function beginRuns(url: string, count: number): Promise<void> {
  const mill = await open(url, [step]);
  await mill.register(halfway);
  await mill.start();
  await mill.enqueueMany(
    halfway,
    Array.from({ length: count }, () => null),
  );
  for (;;) {
    const { jobs } = await mill.jobs({ type: "halfway", states: ["waiting"], limit: 1_000 });
    // A step under way is no waiting for the signal: none of them may be left.
    const { jobs: steps } = await mill.jobs({ type: "step", limit: 1 });
    if (jobs.length === count && steps.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.send?.("begun");
}
