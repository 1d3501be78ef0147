// A worker on a store in memory, and the job types that tests of workflows take as steps.
import { onTestFinished } from "vitest";
import { type AnyJobType, type JobType, defineJob } from "../core/define-job.ts";
import { openMillrace } from "../millrace/index.ts";
import type { Logger, Millrace } from "../runtime/index.ts";

/** A worker that has started, until the test is over. */
export async function working(
  jobs: readonly AnyJobType[],
  logger: Logger | false = false,
): Promise<Millrace> {
  const mill = await openMillrace({ store: "memory:", jobs, logger });
  onTestFinished(() => mill.close());
  await mill.start();
  return mill;
}

/** Long enough for a busy machine. */
export const PATIENCE = { timeout: "30s" } as const;

export const add: JobType<unknown, unknown, number> = defineJob({
  name: "add",
  run: ({ input }) => {
    const { a, b } = input as { a: number; b: number };
    return a + b;
  },
});

export const fail: JobType<unknown, unknown, number> = defineJob({
  name: "fail",
  retry: { attempts: 1 },
  run: (): number => {
    throw new Error("no luck");
  },
});

/** A handler that runs until it is told to end. */
export function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<never> {
  return new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

export const hang: JobType<unknown, unknown, never> = defineJob({
  name: "hang",
  run: untilAborted,
});
