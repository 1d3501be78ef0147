// Cases with several worker processes: the pace of all of them together.
import type { ChildProcess } from "node:child_process";
import type { Run } from "../../harness/index.ts";
import { processCounts } from "../../harness/workload.ts";

/** Jobs between two reports: few enough to take a pace by, too many to weigh. */
const REPORT_EVERY = 250;

/** In a worker process: to be called as a job starts. The process ends with the one that started it. */
export function reportStarts(): () => void {
  process.once("disconnect", () => process.exit(0));
  let count = 0;
  return () => {
    count += 1;
    if (count % REPORT_EVERY === 0) process.send?.(count);
  };
}

/** Takes the pace between two counts of all processes, from when each has begun. */
export async function paceOfProcesses(
  run: Run,
  workers: { readonly start: (index: number) => ChildProcess; readonly processes: number },
): Promise<number> {
  const { warmUp, measured } = processCounts(run);
  const counts = Array.from({ length: workers.processes }, () => 0);
  const children = counts.map((_, index) => workers.start(index));
  const done = Promise.withResolvers<number>();
  let warm: { readonly count: number; readonly atMs: number } | null = null;
  for (const [index, child] of children.entries()) {
    child.once("exit", (code) => done.reject(new Error(`a worker ended with ${String(code)}`)));
    child.on("message", (count) => {
      counts[index] = count as number;
      const sum = counts.reduce((all, each) => all + each, 0);
      const nowMs = performance.now();
      if (warm === null) {
        if (sum >= warmUp && counts.every((each) => each > 0)) warm = { count: sum, atMs: nowMs };
      } else if (sum >= warm.count + measured) {
        done.resolve(((sum - warm.count) / (nowMs - warm.atMs)) * 1_000);
      }
    });
  }
  try {
    return await done.promise;
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}
