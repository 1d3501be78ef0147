// The workflows that faults happen to.
import { type AnyJobType, type WorkflowType, defineJob, defineWorkflow } from "millrace";

/** What was undone: which step of which run. */
export interface Undone {
  readonly run: string;
  readonly what: string;
}

export interface RunTypes {
  /** Comes to {@link GOOD_RESULT}: steps in sequence and in parallel, as jobs and as functions. */
  readonly good: WorkflowType;
  /** Fails in its third step, and undoes the two before it, the second first. */
  readonly bad: WorkflowType;
  readonly all: readonly AnyJobType[];
}

export const GOOD_RESULT = [1, 2, 3] as const;

/** Short runs end by the ten thousand before a worker has died at its write, and each is judged by its record. */
const ALL = { count: 1_000_000 } as const;
const retention = { succeeded: ALL, failed: ALL } as const;

/** @param onUndo is told what is undone */
export function runTypes(onUndo: (undone: Undone) => void): RunTypes {
  const add = defineJob({ name: "add", run: ({ input }) => (input as number) + 1 });
  const refuse = defineJob({
    name: "refuse",
    retry: { attempts: 1 },
    run: () => {
      throw new Error("as it was told");
    },
  });
  const undo = defineJob({ name: "undo", run: ({ input }) => onUndo(input as Undone) });
  const good = defineWorkflow({
    name: "good",
    retention,
    run: async ({ step }) => {
      const one = await step.job(add, 0);
      const two = await step.run("two", () => one + 1);
      const many = await step.map(add, [1, 2, 3], { concurrency: 2 });
      return [one, two, many.length];
    },
  });
  const bad = defineWorkflow({
    name: "bad",
    retention,
    run: async ({ step, run }) => {
      const undone = (what: string) => ({ job: undo, input: () => ({ run: run.id, what }) });
      await step.job(add, 0, { undo: undone("first") });
      await step.job(add, 1, { undo: undone("second") });
      await step.job(refuse, null);
    },
  });
  return { good, bad, all: [add, refuse, undo, good, bad] };
}
