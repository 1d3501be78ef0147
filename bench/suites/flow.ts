// The suite `flow`: what limits, keys, uniqueness and batches cost a job, beside the same jobs without.
import { startRedis } from "../../test/servers/redis-server.ts";
import type { Case, Goal, Measurement, Suite } from "../harness/index.ts";
import { beside } from "./flow/beside.ts";
import { bulkRetry } from "./flow/bulk-retry.ts";
import { MEASURES, storeOf } from "./flow/measures.ts";

const PACE: Case = { unit: "jobs/s", better: "higher" };

const SUBJECTS = ["sqlite", "redis"] as const;

function measurementOf(name: string): Measurement {
  return {
    cases: { [name]: PACE },
    subjects: Object.fromEntries(
      SUBJECTS.map((subject) => [
        subject,
        async (run) => ({ [name]: (await MEASURES[name]?.({ subject, run })) ?? 0 }),
      ]),
    ),
  };
}

const CPU: Case = { unit: "us/job", better: "lower" };

/** A type without limits, in a store and a worker that have another type, with limits or without. */
const BESIDE: Measurement = {
  cases: {
    "beside-plain": PACE,
    "beside-limited": PACE,
    "beside-plain-cpu": CPU,
    "beside-limited-cpu": CPU,
  },
  subjects: Object.fromEntries(
    SUBJECTS.map((subject) => [subject, async (run) => beside(subject, run)]),
  ),
};

const HELD_UP: Case = { unit: "ms", better: "lower" };

/** One order on 100,000 failed jobs, and work of another process beside it. */
const BULK_RETRY: Measurement = {
  cases: {
    "bulk-retry": PACE,
    "bulk-retry-hold-up": HELD_UP,
    "bulk-retry-hold-up-idle": HELD_UP,
  },
  subjects: Object.fromEntries(
    SUBJECTS.map((subject) => [subject, async (run) => bulkRetry(storeOf(subject, run), run)]),
  ),
};

const GOALS: readonly Goal[] = SUBJECTS.flatMap((subject) => [
  { case: "slack-limit", subject, against: { case: "no-limit" }, atLeast: 0.85 },
  { case: "keys-10k", subject, against: { case: "no-limit" }, atLeast: 0.6 },
  { case: "beside-limited", subject, against: { case: "beside-plain" }, atLeast: 0.97 },
  { case: "beside-limited-cpu", subject, against: { case: "beside-plain-cpu" }, atMost: 1.03 },
  { case: "bulk-retry", subject, atLeast: 10_000 },
  { case: "bulk-retry-hold-up", subject, atMost: 50 },
]);

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
  measurements: [...Object.keys(MEASURES).map(measurementOf), BESIDE, BULK_RETRY],
};
