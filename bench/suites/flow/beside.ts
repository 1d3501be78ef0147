// What a type without limits pays for those of others: two workers in one process, in slices that alternate.
import { join } from "node:path";
import { type AnyJobType, type FlowOptions, defineJob, openMillrace } from "../../../src/index.ts";
import { type Figures, type Run, median } from "../../harness/index.ts";
import { BULK_SIZE, CONCURRENCY, PAYLOAD } from "../../harness/workload.ts";

/*
 * A difference of 3% is less than what the pace of a machine changes within a minute. Slices are short against that, each
 * of one side beside one of the other, and who is first takes turns; the processor's time beside the pace is what other
 * programs disturb least.
 */
const PAIRS = { quick: 2, long: 20 } as const;
const JOBS = { quick: 1_000, long: 5_000 } as const;

/** Bounds of another type, of which there are no jobs. */
const LIMITS: FlowOptions<unknown> = {
  limits: [
    { concurrency: 10 },
    { key: (input) => (input as { readonly n: number }).n, concurrency: 2 },
  ],
};

interface Slice {
  readonly jobsPerSecond: number;
  readonly cpuMicros: number;
}

interface Side extends AsyncDisposable {
  readonly slices: Slice[];
  slice(): Promise<void>;
}

/** Figures of a worker that serves a second type, without limits and with some. */
export async function beside(subject: string, run: Run): Promise<Figures> {
  await using plain = await openSide(subject, run, "plain");
  await using limited = await openSide(subject, run, "limited");
  const pairs = run.isQuick ? PAIRS.quick : PAIRS.long;
  for (let pair = 0; pair <= pairs; pair += 1) {
    const sides = pair % 2 === 0 ? [plain, limited] : [limited, plain];
    for (const side of sides) await side.slice();
  }
  // While code is cold.
  for (const { slices } of [plain, limited]) slices.shift();
  return {
    "beside-plain": medianOf(plain, "jobsPerSecond"),
    "beside-limited": medianOf(limited, "jobsPerSecond"),
    "beside-plain-cpu": medianOf(plain, "cpuMicros"),
    "beside-limited-cpu": medianOf(limited, "cpuMicros"),
  };
}

function medianOf({ slices }: Side, figure: keyof Slice): number {
  return median(slices.map((slice) => slice[figure]));
}

async function openSide(subject: string, run: Run, name: "plain" | "limited"): Promise<Side> {
  const count = run.isQuick ? JOBS.quick : JOBS.long;
  let left = 0;
  let ended = Promise.withResolvers<void>();
  const work = defineJob({
    name: "work",
    retention: { succeeded: "remove" },
    run: () => {
      left -= 1;
      if (left === 0) ended.resolve();
    },
  });
  const other: AnyJobType = defineJob({
    name: "other",
    ...(name === "limited" ? LIMITS : {}),
    run: () => {},
  });
  const mill = await openMillrace({
    store:
      subject === "sqlite"
        ? `sqlite:${join(run.directory, `${name}.db`)}`
        : `${run.settings["url"] ?? ""}/0`,
    namespace: `beside-${name}-${process.pid}`,
    jobs: [work, other],
    logger: false,
    worker: { concurrency: CONCURRENCY },
  });
  const slices: Slice[] = [];
  return {
    slices,
    slice: async () => {
      for (let kept = 0; kept < count; kept += BULK_SIZE) {
        const inputs = Array.from({ length: BULK_SIZE }, () => PAYLOAD);
        await mill.enqueueMany(work, inputs);
      }
      ended = Promise.withResolvers();
      left = count;
      const before = process.cpuUsage();
      const startedAt = performance.now();
      await mill.start();
      await ended.promise;
      const tookMs = performance.now() - startedAt;
      await mill.stop();
      const { user, system } = process.cpuUsage(before);
      slices.push({
        jobsPerSecond: (count / tookMs) * 1_000,
        cpuMicros: (user + system) / count,
      });
    },
    [Symbol.asyncDispose]: () => mill.close(),
  };
}
