// The suite `flow`: what limits, keys, uniqueness and batches cost a job, beside the same jobs without.
import { startRedis } from "../../test/servers/redis-server.ts";
import type { Case, Goal, Measurement, Suite } from "../harness/index.ts";
import { MEASURES } from "./flow/measures.ts";

const PACE: Case = { unit: "jobs/s", better: "higher" };

/** Limits over all workers need a store that can hold them. */
const ON_REDIS: ReadonlySet<string> = new Set(["no-limit", "batch-50", "bulk-retry"]);

function measurementOf(name: string): Measurement {
  const subjects = ON_REDIS.has(name) ? ["sqlite", "redis"] : ["sqlite"];
  return {
    cases: { [name]: PACE },
    subjects: Object.fromEntries(
      subjects.map((subject) => [
        subject,
        async (run) => ({ [name]: (await MEASURES[name]?.({ subject, run })) ?? 0 }),
      ]),
    ),
  };
}

const GOALS: readonly Goal[] = [
  { case: "slack-limit", subject: "sqlite", against: { case: "no-limit" }, atLeast: 0.85 },
  { case: "keys-10k", subject: "sqlite", against: { case: "no-limit" }, atLeast: 0.6 },
  ...["sqlite", "redis"].map((subject) => ({ case: "bulk-retry", subject, atLeast: 10_000 })),
];

export const suite: Suite = {
  name: "flow",
  about:
    "one worker, 100 at a time, a handler that does nothing; SQLite with full fsync, Redis without persistence",
  reference: "sqlite",
  goals: GOALS,
  prepare: async () => {
    const server = await startRedis();
    return { settings: { url: server.url }, [Symbol.asyncDispose]: () => server.stop() };
  },
  measurements: Object.keys(MEASURES).map(measurementOf),
};
