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

/** Waits for their ends: each as it should be, no step open, the undos done, and nothing left to do. */
export async function endWell(mill: Millrace, { good, bad }: Runs): Promise<void> {
  const patience = { timeout: PATIENCE_MS, interval: 50 };
  await vi.waitFor(async () => {
    expect((await mill.job(good))?.state).toBe("succeeded");
    expect((await mill.job(bad))?.state).toBe("failed");
  }, patience);
  expect((await mill.job(good))?.result).toEqual(GOOD_RESULT);
  const [succeeded, failed] = [await mill.runs.get(good), await mill.runs.get(bad)];
  expect(failed?.undone).toEqual([2, 1]);
  expect(failed?.notUndone).toEqual([]);
  const steps = [...(succeeded?.steps ?? []), ...(failed?.steps ?? [])];
  expect(steps.filter(({ state }) => state === "waiting" || state === "running")).toEqual([]);
  await vi.waitFor(async () => {
    const left = await mill.jobs({ states: ["ready", "scheduled", "running", "waiting"] });
    expect(left.jobs).toEqual([]);
  }, patience);
}
