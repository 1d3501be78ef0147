// What a store answers that keeps no workflow runs.
import { MillraceError } from "./errors.ts";
import type { Store } from "./store.ts";

/**
 * The methods of workflow runs for a store without the capability `workflows`: each refuses with `UNSUPPORTED`. Such a
 * store refuses an exchange with advances, and jobs with a parent, in the same way.
 */
export function withoutWorkflows(kind: string): Pick<Store, "signal" | "readRun"> {
  const refuse = async (): Promise<never> => {
    await Promise.resolve();
    throw new MillraceError("UNSUPPORTED", {
      message: `the ${kind} store can't keep workflow runs; use the SQLite or the Redis store for workflows`,
      details: { kind, capability: "workflows" },
    });
  };
  return { signal: refuse, readRun: refuse };
}
