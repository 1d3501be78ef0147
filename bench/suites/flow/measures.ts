// What each case of the suite `flow` runs: the same jobs and the same handler, with one thing more to hold.
import { join } from "node:path";
import { type AnyJobType, type FlowOptions, defineJob, openMillrace } from "../../../src/index.ts";
import type { Run } from "../../harness/index.ts";
import {
  BULK_SIZE,
  CONCURRENCY,
  PAYLOAD,
  StartCounter,
  processCounts,
} from "../../harness/workload.ts";

/** Keys of the case with many: each has a few jobs, and its own bound. */
const KEYS = 10_000;
const BATCH = 50;

/** What a job is given: the payload, and a number of its own. */
interface Numbered {
  readonly n: number;
}
type Options = FlowOptions<unknown>;

/** Where a subject keeps its jobs. */
export function storeOf(subject: string, run: Run): string {
  if (subject === "sqlite") return `sqlite:${join(run.directory, "flow.db")}`;
  return `${run.settings["url"] ?? ""}/0`;
}

interface Asked {
  readonly subject: string;
  readonly run: Run;
}

/** Jobs a second of a type, all enqueued before. */
async function pace(
  { subject, run }: Asked,
  type: AnyJobType,
  counter: StartCounter,
): Promise<number> {
  const { warmUp, measured } = processCounts(run);
  await using mill = await openMillrace({
    store: storeOf(subject, run),
    namespace: `flow-${process.pid}`,
    jobs: [type],
    logger: false,
    worker: { concurrency: CONCURRENCY },
  });
  for (let kept = 0; kept < warmUp + measured; kept += BULK_SIZE) {
    await mill.enqueueMany(
      type,
      Array.from({ length: BULK_SIZE }, (_, at) => ({ ...PAYLOAD, n: kept + at })),
    );
  }
  await mill.start();
  const found = await counter.pace;
  await mill.stop();
  return found;
}

function typeOf(run: Run, options: Options): { type: AnyJobType; counter: StartCounter } {
  const counter = new StartCounter(processCounts(run));
  const type = defineJob({
    name: "work",
    retention: { succeeded: "remove" },
    ...options,
    run: () => counter.count(),
  });
  return { type, counter };
}

/** So many keys that nearly every job is of another, each with its own bound. */
function manyKeys(concurrency: number): Options {
  return { limits: [{ key: (input) => (input as Numbered).n % KEYS, concurrency }] };
}

function paceWith(options: Options): (asked: Asked) => Promise<number> {
  return async (asked) => {
    const { type, counter } = typeOf(asked.run, options);
    return pace(asked, type, counter);
  };
}

async function batches(asked: Asked): Promise<number> {
  const counter = new StartCounter(processCounts(asked.run));
  const type = defineJob({
    name: "work",
    retention: { succeeded: "remove" },
    batch: {
      size: BATCH,
      run: ({ jobs }) => {
        for (let at = 0; at < jobs.length; at += 1) counter.count();
      },
    },
  });
  return pace(asked, type, counter);
}

/** The cases, by name. */
export const MEASURES: Readonly<Record<string, (asked: Asked) => Promise<number>>> = {
  "no-limit": paceWith({}),
  // Bounds of both kinds that never bind.
  "slack-limit": paceWith({
    limits: [{ concurrency: 1_000, rate: { limit: 1_000_000, per: "1s" } }],
  }),
  "keys-10k": paceWith(manyKeys(10)),
  // One job of each at a time, in order: what a key is used for most.
  "keys-10k-serial": paceWith(manyKeys(1)),
  unique: paceWith({ unique: true }),
  "batch-50": batches,
};
