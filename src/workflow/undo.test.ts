// What a run that fails, is cancelled or takes too long undoes.
import { describe, expect, test, vi } from "vitest";
import { defineJob } from "../core/define-job.ts";
import { defineWorkflow } from "./index.ts";
import { PATIENCE, add, fail, hang, working } from "./workflows.fixture.ts";

describe("undo", () => {
  const undone: unknown[] = [];
  const remove = defineJob({ name: "remove", run: ({ input }) => void undone.push(input) });
  const stuck = defineJob({ name: "stuck", retry: { attempts: 1 }, run: fail.run as never });

  test("runs in reverse for the steps that finished, and the run says what could not be undone", async () => {
    undone.length = 0;
    const saga = defineWorkflow({
      name: "saga",
      run: async ({ step }) => {
        await step.job(add, { a: 1, b: 1 }, { name: "one", undo: { job: remove } });
        await step.job(add, { a: 2, b: 2 }, { name: "two", undo: { job: stuck } });
        await step.run("three", () => 3, { undo: (made) => void undone.push(`three ${made}`) });
        await step.job(fail, null, { undo: { job: remove } });
      },
    });
    const mill = await working([add, fail, remove, stuck, saga]);
    const receipt = await mill.enqueue(saga, null);
    await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(undone).toEqual(["three 3", 2]);
    const run = await mill.runs.get(receipt.id);
    expect(run).toMatchObject({
      state: "failed",
      error: { code: "STEP_FAILED" },
      undone: [3, 1],
      notUndone: [{ step: 2, error: { message: "no luck" } }],
    });
    expect(run?.steps.filter(({ undoes }) => undoes !== null).map(({ undoes }) => undoes)).toEqual([
      3, 2, 1,
    ]);
  });

  test("by a job that fails once is tried again, and the step is undone", async () => {
    const tries: unknown[] = [];
    const flaky = defineJob({
      name: "flaky",
      retry: { attempts: 3, backoff: ["1ms"] },
      run: ({ input, job }) => {
        tries.push([input, job.attempt]);
        if (job.attempt === 1) throw new Error("not yet");
      },
    });
    const saga = defineWorkflow({
      name: "saga",
      run: async ({ step }) => {
        await step.job(add, { a: 1, b: 1 }, { undo: { job: flaky } });
        await step.job(fail, null);
      },
    });
    const mill = await working([add, fail, flaky, saga]);
    const receipt = await mill.enqueue(saga, null);
    await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(tries).toEqual([
      [2, 1],
      [2, 2],
    ]);
    const run = await mill.runs.get(receipt.id);
    expect(run).toMatchObject({ state: "failed", undone: [1], notUndone: [] });
    expect(run?.steps.at(-1)).toMatchObject({
      type: "flaky",
      undoes: 1,
      state: "succeeded",
      attempts: 2,
    });
  });

  test("goes on after one that can't be begun, and tells the first of very many that fail", async () => {
    undone.length = 0;
    const hopeless = defineWorkflow({
      name: "hopeless",
      run: async ({ step }) => {
        await step.job(add, { a: 1, b: 1 }, { undo: { job: remove } });
        await step.job(add, { a: 2, b: 2 }, { undo: { job: remove, input: loseTheWay } });
        const many = Array.from({ length: 101 }, () => ({ a: 1, b: 1 }));
        await step.map(add, many, { undo: { job: stuck } });
        await step.job(fail, null);
      },
    });
    const mill = await working([add, fail, remove, stuck, hopeless]);
    const receipt = await mill.enqueue(hopeless, null);
    await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(undone).toEqual([2]);
    const run = await mill.runs.get(receipt.id);
    expect(run).toMatchObject({ undone: [1], notUndoneCount: 102 });
    expect(run?.notUndone.length).toBe(100);
    expect(run?.notUndone[0]).toEqual({ step: 103, error: { name: "Error", message: "no luck" } });
  });

  test("follows a cancellation, which reaches the steps", async () => {
    undone.length = 0;
    const cancelled = defineWorkflow({
      name: "cancelled",
      run: async ({ step }) => {
        await step.run("made", () => 1, { undo: (made) => void undone.push(made) });
        await step.job(hang, null);
      },
    });
    const mill = await working([hang, cancelled]);
    const receipt = await mill.enqueue(cancelled, null);
    await vi.waitFor(async () => {
      expect((await mill.runs.get(receipt.id))?.steps[1]?.state).toBe("running");
    }, 20_000);
    await mill.cancel([receipt.id], { reason: "enough" });
    await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    const run = await mill.runs.get(receipt.id);
    expect(run).toMatchObject({ state: "cancelled", undone: [1] });
    expect(run?.steps[1]?.state).toBe("cancelled");
    expect(undone).toEqual([1]);
  });

  test("follows a deadline of the whole run", async () => {
    undone.length = 0;
    const late = defineWorkflow({
      name: "late",
      deadline: 50,
      run: async ({ step }) => {
        await step.run("made", () => 1, { undo: (made) => void undone.push(made) });
        await step.sleep("1h");
      },
    });
    const mill = await working([late]);
    const receipt = await mill.enqueue(late, null);
    await expect(receipt.result(PATIENCE)).rejects.toThrow("deadline");
    expect(await mill.runs.get(receipt.id)).toMatchObject({
      state: "failed",
      error: { code: "JOB_TIMEOUT" },
      undone: [1],
    });
  });
});

const loseTheWay = (): never => {
  throw new Error("lost the way");
};
