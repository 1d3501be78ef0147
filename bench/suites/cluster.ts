// The suite `cluster`: how processing grows over the primaries of a Redis Cluster.
import { fork } from "node:child_process";
import { startRedisCluster } from "../../test/servers/redis-cluster.ts";
import type { Case, Goal, Measurement, Run, Suite } from "../harness/index.ts";
import { processCounts } from "../harness/workload.ts";
import { openPrimaries } from "./cluster/primaries.ts";
import { countWaiting, fillCluster } from "./cluster/queues.ts";
import { paceOfProcesses } from "./redis/processes.ts";

/** A cluster needs no third primary to be whole: each of these is one of its own. */
const PRIMARIES = [1, 2, 3] as const;
/** Worker processes: one alone would be the bound, not the servers. */
const WORKERS = 2;

const PACE: Case = { unit: "jobs/s", better: "higher" };
/** Processor time of servers: what a job costs all of them, and the one that has most to do. */
const SERVER_TIME: Case = { unit: "us", better: "lower" };

const CASES = { "32-queues": "queues", "1-queue-in-12-partitions": "partitions" } as const;
type Shape = (typeof CASES)[keyof typeof CASES];

interface Paced {
  readonly pace: number;
  readonly serversUs: number;
  readonly busiestUs: number;
}

async function pace(run: Run, shape: Shape, primaries: number): Promise<Paced> {
  const url = run.settings[`url${primaries}`] ?? "";
  const namespace = `bench-${process.pid}`;
  const { warmUp, measured } = processCounts(run);
  const setup = { url, namespace, shape };
  const before = await fillCluster(setup, (warmUp + measured) * 2);
  await using servers = await openPrimaries(url);
  const beganUs = await servers.processorUs();
  const paced = await paceOfProcesses(run, {
    processes: WORKERS,
    start: () =>
      fork(new URL("./cluster/work-process.ts", import.meta.url), [JSON.stringify(setup)], {
        execArgv: ["--conditions=millrace-source"],
      }),
  });
  const endedUs = await servers.processorUs();
  const jobs = before - (await countWaiting(setup));
  const usEach = endedUs.map((us, index) => (us - (beganUs[index] ?? 0)) / jobs);
  return {
    pace: paced,
    serversUs: usEach.reduce((sum, us) => sum + us, 0),
    busiestUs: Math.max(...usEach),
  };
}

function measurement(name: string, shape: Shape): Measurement {
  const subjects = PRIMARIES.map((primaries) => [
    `${primaries}-primaries`,
    async (run: Run) => {
      const { pace: jobs, serversUs, busiestUs } = await pace(run, shape, primaries);
      return { [name]: jobs, [`${name}-servers`]: serversUs, [`${name}-busiest`]: busiestUs };
    },
  ]);
  return {
    cases: { [name]: PACE, [`${name}-servers`]: SERVER_TIME, [`${name}-busiest`]: SERVER_TIME },
    subjects: Object.fromEntries(subjects) as Measurement["subjects"],
  };
}

/** Of the work's spread, not of the pace: that is the machine's, which may have fewer cores than there are processes. */
const GOALS: readonly Goal[] = Object.keys(CASES).map((name) => ({
  case: `${name}-busiest`,
  subject: "3-primaries",
  against: { subject: "1-primaries" },
  atMost: 0.7,
}));

export const suite: Suite = {
  name: "cluster",
  about: `clusters of 1, 2 and 3 primaries on this machine, ${WORKERS} worker processes at concurrency 100, finished jobs removed`,
  reference: "1-primaries",
  goals: GOALS,
  prepare: async () => {
    const clusters = await Promise.all(
      PRIMARIES.map((primaries) => startRedisCluster({ primaries, replicasEach: 0 })),
    );
    const urls = clusters.map(({ url }, index) => [`url${PRIMARIES[index]}`, url]);
    return {
      settings: Object.fromEntries(urls) as Record<string, string>,
      [Symbol.asyncDispose]: async () => {
        await Promise.all(clusters.map((cluster) => cluster.stop()));
      },
    };
  },
  measurements: Object.entries(CASES).map(([name, shape]) => measurement(name, shape)),
};
