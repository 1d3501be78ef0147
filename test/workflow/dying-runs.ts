// What the tests of owners that die share: two runs, one that fails and undoes, and how both must have ended.
import { expect, vi } from "vitest";
import type { Millrace } from "millrace";
import { GOOD_RESULT, type RunTypes, runTypes } from "../chaos/programs/run-jobs.ts";

/** How long a busy machine may take. */
export const PATIENCE_MS = 60_000;

/** What was undone since it was last emptied. */
export const undone: string[] = [];

/** The workflows and the jobs of their steps. */
export const types: RunTypes = runTypes(({ what }) => void undone.push(what));

/** One run of each workflow. */
export interface Runs {
  readonly good: string;
  readonly bad: string;
}

/** Enqueues them. */
export async function enqueueRuns(mill: Millrace): Promise<Runs> {
  const [good, bad] = [await mill.enqueue(types.good, null), await mill.enqueue(types.bad, null)];
  return { good: good.id, bad: bad.id };
}

/** How both ended. */
export interface Ends {
  readonly result: unknown;
  readonly undone: readonly number[] | undefined;
  readonly notUndone: number | undefined;
  /** Steps without an end. */
  readonly open: number;
}

/** How they should: the undos in reverse. */
export const GOOD_ENDS: Ends = {
  result: [...GOOD_RESULT],
  undone: [2, 1],
  notUndone: 0,
  open: 0,
};

/** Waits for their ends, and until nothing is left to do. */
export async function endsOf(mill: Millrace, { good, bad }: Runs): Promise<Ends> {
  const patience = { timeout: PATIENCE_MS, interval: 50 };
  await vi.waitFor(async () => {
    expect((await mill.job(good))?.state).toBe("succeeded");
    expect((await mill.job(bad))?.state).toBe("failed");
  }, patience);
  const [succeeded, failed] = [await mill.runs.get(good), await mill.runs.get(bad)];
  const steps = [...(succeeded?.steps ?? []), ...(failed?.steps ?? [])];
  await vi.waitFor(async () => {
    const left = await mill.jobs({ states: ["ready", "scheduled", "running", "waiting"] });
    expect(left.jobs).toEqual([]);
  }, patience);
  return {
    result: succeeded?.result,
    undone: failed?.undone,
    notUndone: failed?.notUndoneCount,
    open: steps.filter(({ state }) => state === "waiting" || state === "running").length,
  };
}
