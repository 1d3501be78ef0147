// The suite `redis`: the store on Redis beside its peers, on one server in one run.
import { startRedis } from "../../test/servers/redis-server.ts";
import type { Case, Figures, Goal, Measurement, Suite } from "../harness/index.ts";
import { CONCURRENCY } from "../harness/workload.ts";
import {
  type Asked,
  bulkEnqueue,
  enqueueCallers,
  latency,
  memoryKept,
  memoryWaiting,
  processInProcesses,
  processJobs,
} from "./redis/measures.ts";
import type { RedisSubject } from "./redis/subject.ts";

const ALL = ["millrace", "bullmq", "bee-queue"] as const;
type Name = (typeof ALL)[number];
/** bee-queue has no priorities. */
const RANKING: readonly Name[] = ["millrace", "bullmq"];

const PACE: Case = { unit: "jobs/s", better: "higher" };
const LATENCY: Case = { unit: "ms", better: "lower" };
const MEMORY: Case = { unit: "bytes/job", better: "lower" };

/** Jobs that wait before the case over a million, and before the one that it is compared with. */
const WAITING = 10_000;
const WAITING_MILLION = 1_000_000;

/** Each subject is loaded in the measuring process only, so that a peer's modules weigh on nobody else. */
function measurement(
  cases: Measurement["cases"],
  names: readonly Name[],
  ask: (asked: Asked) => Promise<Figures>,
): Measurement {
  const subjects = names.map((name) => [
    name,
    async (run: Asked["run"]) => {
      const module = new URL(`./redis/${name}.ts`, import.meta.url);
      const { subject } = (await import(module.href)) as { subject: RedisSubject };
      return ask({ subject, module, run });
    },
  ]);
  return { cases, subjects: Object.fromEntries(subjects) as Measurement["subjects"] };
}

function single(
  name: string,
  unit: Case,
  ask: (asked: Asked) => Promise<number>,
  names: readonly Name[] = ALL,
): Measurement {
  return measurement({ [name]: unit }, names, async (asked) => ({ [name]: await ask(asked) }));
}

const pace = (
  name: string,
  concurrency: number,
  options: { readonly isLogged?: boolean; readonly waiting?: number } = {},
  names: readonly Name[] = ALL,
): Measurement =>
  single(name, PACE, async (asked) => (await processJobs(asked, concurrency, options)).pace, names);

function atLeast(name: string, against: Name, ratio: number): Goal {
  return { case: name, subject: "millrace", against: { subject: against }, atLeast: ratio };
}

const GOALS: readonly Goal[] = [
  atLeast("bulk-enqueue", "bullmq", 7),
  atLeast("bulk-enqueue", "bee-queue", 2),
  atLeast("enqueue-100-callers", "bullmq", 2),
  atLeast("process-c100", "bullmq", 6),
  atLeast("process-c100", "bee-queue", 3),
  atLeast("process-c100-logged", "bullmq", 3),
  { case: "latency-p50", subject: "millrace", against: { subject: "bullmq" }, atMost: 0.7 },
  { case: "latency-p99", subject: "millrace", against: { subject: "bullmq" }, atMost: 1 },
  { case: "memory-waiting", subject: "millrace", atMost: 248 },
  { case: "memory-waiting-ranked", subject: "millrace", atMost: 300 },
  {
    case: "process-c100-1m",
    subject: "millrace",
    against: { case: "process-c100-10k" },
    atLeast: 0.8,
  },
];

export const suite: Suite = {
  name: "redis",
  about: "one Redis server without persistence, a small JSON payload, a handler that does nothing",
  reference: "bullmq",
  goals: GOALS,
  prepare: async () => {
    const server = await startRedis();
    return { settings: { url: server.url }, [Symbol.asyncDispose]: () => server.stop() };
  },
  measurements: [
    single("bulk-enqueue", PACE, bulkEnqueue),
    single("enqueue-100-callers", PACE, enqueueCallers),
    pace("process-c1", 1),
    pace("process-c10", 10),
    measurement(
      {
        "process-c100": PACE,
        "server-us-per-job": { unit: "us/job", better: "lower" },
        "commands-per-job": { unit: "commands/job", better: "lower" },
      },
      ALL,
      async (asked) => {
        const { pace: jobs, cpuUs, commands } = await processJobs(asked, CONCURRENCY);
        return { "process-c100": jobs, "server-us-per-job": cpuUs, "commands-per-job": commands };
      },
    ),
    pace("process-c100-logged", CONCURRENCY, { isLogged: true }),
    single("process-c100-2workers", PACE, (asked) => processInProcesses(asked, 2, CONCURRENCY)),
    measurement({ "latency-p50": LATENCY, "latency-p99": LATENCY }, ALL, latency),
    single("memory-waiting", MEMORY, (asked) => memoryWaiting(asked, { isRanked: false })),
    single(
      "memory-waiting-ranked",
      MEMORY,
      (asked) => memoryWaiting(asked, { isRanked: true }),
      RANKING,
    ),
    single("memory-kept", MEMORY, memoryKept),
    ...[
      pace("process-c100-10k", CONCURRENCY, { waiting: WAITING }, ["millrace"]),
      pace("process-c100-1m", CONCURRENCY, { waiting: WAITING_MILLION }, ["millrace"]),
    ].map((long) => ({ ...long, isLong: true })),
  ],
};
