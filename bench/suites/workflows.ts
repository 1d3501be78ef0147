// The suite `workflows`: runs and their steps beside openworkflow on SQLite and BullMQ's flows on Redis.
import { startRedis } from "../../test/servers/redis-server.ts";
import type { Case, Goal, Measurement, Run, Suite } from "../harness/index.ts";
import { ServerMeter } from "./redis/server.ts";
import type { Keeper, WorkflowSubject } from "./workflows/subject.ts";

const RUNS: Case = { unit: "runs/s", better: "higher" };
const STEPS: Case = { unit: "steps/s", better: "higher" };
const JOBS: Case = { unit: "jobs/s", better: "higher" };

const PEERS: Readonly<Record<Keeper, string>> = { sqlite: "openworkflow", redis: "bullmq" };
/** Sizes of a fan-out: the cost of a step must be the same in each. */
const FAN_OUTS = [
  ["fan-out-100", 100],
  ["fan-out-1k", 1_000],
  ["fan-out-10k", 10_000],
] as const;

type Ask = (subject: WorkflowSubject, run: Run, keeper: Keeper) => Promise<number> | undefined;

/** A measurement on one store, by its subjects that can do it. */
function measurement(
  name: string,
  unit: Case,
  keeper: Keeper,
  withPeers: readonly Keeper[],
  ask: Ask,
): Measurement {
  const names = ["millrace", ...(withPeers.includes(keeper) ? [PEERS[keeper]] : [])];
  const subjects = names.map((subjectName) => [
    subjectName,
    async (run: Run) => {
      const module = new URL(`./workflows/${subjectName}.ts`, import.meta.url);
      const { subject } = (await import(module.href)) as { subject: WorkflowSubject };
      await using meter = keeper === "redis" ? new ServerMeter(run.settings["url"] ?? "") : null;
      await meter?.empty();
      const figure = await ask(subject, run, keeper);
      if (figure === undefined) throw new Error(`${subjectName} has no ${name}`);
      return { [`${name}-${keeper}`]: figure };
    },
  ]);
  return {
    cases: { [`${name}-${keeper}`]: unit },
    subjects: Object.fromEntries(subjects) as Measurement["subjects"],
  };
}

function measurementsOn(keeper: Keeper): readonly Measurement[] {
  const on = (name: string, unit: Case, peers: readonly Keeper[], ask: Ask): Measurement =>
    measurement(name, unit, keeper, peers, ask);
  return [
    on("process-c100", JOBS, [], (subject, run) => subject.plain?.(run, keeper)),
    on("two-step", RUNS, ["sqlite", "redis"], (subject, run) => subject.twoStep?.(run, keeper)),
    on("two-step-functions", RUNS, ["sqlite"], (subject, run) =>
      subject.twoStepFunctions?.(run, keeper),
    ),
    on("chain-100", STEPS, ["sqlite"], (subject, run) => subject.chain?.(run, keeper)),
    ...FAN_OUTS.map(([name, count]) =>
      on(name, STEPS, ["redis"], (subject, run) => subject.fanOut?.(run, keeper, count)),
    ),
    on("diamond", RUNS, ["sqlite"], (subject, run) => subject.diamond?.(run, keeper)),
    { ...on("wake-10k", RUNS, [], (subject, run) => subject.wake?.(run, keeper)), isLong: true },
    {
      ...on("recover-1k", { unit: "ms", better: "lower" }, [], (subject, run) =>
        subject.recover?.(run, keeper),
      ),
      isLong: true,
    },
    { ...on("ticks-10k", JOBS, [], (subject, run) => subject.ticks?.(run, keeper)), isLong: true },
  ];
}

function goalsOn(keeper: Keeper): readonly Goal[] {
  const millrace = "millrace";
  return [
    ...["two-step", "two-step-functions"].map((name) => ({
      case: `${name}-${keeper}`,
      subject: millrace,
      against: { case: `process-c100-${keeper}` },
      atLeast: 0.2,
    })),
    {
      case: `fan-out-10k-${keeper}`,
      subject: millrace,
      against: { case: `fan-out-100-${keeper}` },
      atLeast: 0.8,
    },
  ];
}

export const suite: Suite = {
  name: "workflows",
  about:
    "steps that do nothing, concurrency 100: jobs, or functions where it is said; openworkflow's are functions",
  reference: "millrace",
  goals: [
    ...goalsOn("sqlite"),
    ...goalsOn("redis"),
    ...["two-step-sqlite", "two-step-functions-sqlite"].map((name) => ({
      case: name,
      subject: "millrace",
      against: { subject: "openworkflow" },
      atLeast: 2,
    })),
    { case: "fan-out-10k-redis", subject: "millrace", against: { subject: "bullmq" }, atLeast: 5 },
  ],
  prepare: async () => {
    const server = await startRedis();
    return { settings: { url: server.url }, [Symbol.asyncDispose]: () => server.stop() };
  },
  measurements: [...measurementsOn("sqlite"), ...measurementsOn("redis")],
};
