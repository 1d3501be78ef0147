// Workflows as their user sees them: steps in sequence and in parallel, time, signals, failure.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defineJob } from "../core/define-job.ts";
import type { MillraceError } from "../core/errors.ts";
import { StepError, defineWorkflow } from "./index.ts";
import { PATIENCE, add, fail, hang, untilAborted, working } from "./workflows.fixture.ts";

const run = (): void => {};

describe("steps", () => {
  test("run in sequence and in parallel, as jobs and as functions, and hand their results on", async () => {
    const sum = defineWorkflow({
      name: "sum",
      run: async ({ input, step }) => {
        const first = await step.job(add, { a: input as number, b: 1 });
        const [left, right] = await Promise.all([
          step.job(add, { a: first, b: 10 }),
          step.run("double", () => first * 2),
        ]);
        return { first, left, right };
      },
    });
    const mill = await working([add, sum]);
    const receipt = await mill.enqueue(sum, 1);
    expect(await receipt.result(PATIENCE)).toEqual({ first: 2, left: 12, right: 4 });
  });

  test("are shown with what they came to, and what they followed", async () => {
    const diamond = defineWorkflow({
      name: "diamond",
      run: async ({ step }) => {
        const top = await step.job(add, { a: 1, b: 1 }, { name: "top" });
        const sides = await Promise.all([
          step.job(add, { a: top, b: 1 }, { name: "left" }),
          step.job(add, { a: top, b: 2 }, { name: "right" }),
        ]);
        return step.run("bottom", () => sides);
      },
    });
    const mill = await working([add, diamond]);
    const receipt = await mill.enqueue(diamond, null);
    await receipt.result(PATIENCE);
    const run = await mill.runs.get(receipt.id);
    expect(run).toMatchObject({ state: "succeeded", version: 1, result: [3, 4] });
    expect(run?.steps).toMatchObject([
      {
        step: 1,
        name: "top",
        kind: "job",
        type: "add",
        state: "succeeded",
        parents: [],
        output: 2,
      },
      { step: 2, name: "left", parents: [1], input: { a: 2, b: 1 }, output: 3, attempts: 1 },
      { step: 3, name: "right", parents: [1], output: 4 },
      { step: 4, name: "bottom", kind: "local", parents: expect.arrayContaining([2, 3]) },
    ]);
  });

  test("over many inputs run so many at once, and give results and failures in order", async () => {
    let running = 0;
    let most = 0;
    const odd = defineJob({
      name: "odd",
      retry: { attempts: 1 },
      run: async ({ input }) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise(setImmediate);
        running -= 1;
        if ((input as number) % 2 === 0) throw new Error(`${String(input)} is even`);
        return input;
      },
    });
    const fanOut = defineWorkflow({
      name: "fan-out",
      run: async ({ step }) => {
        const inputs = Array.from({ length: 40 }, (_, index) => index);
        const outcomes = await step.map(odd, inputs, { concurrency: 4 });
        return outcomes.map((outcome) => (outcome.ok ? outcome.output : outcome.error.message));
      },
    });
    const mill = await working([odd, fanOut]);
    const results = await (await mill.enqueue(fanOut, null)).result(PATIENCE);
    expect(results).toHaveLength(40);
    expect(results[3]).toBe(3);
    expect(results[4]).toContain("4 is even");
    expect(most).toBeLessThanOrEqual(4);
  });

  test("that fail for good can be caught, by their step's name and their job's error", async () => {
    const careful = defineWorkflow({
      name: "careful",
      run: async ({ step }) => {
        try {
          return await step.job(fail, null);
        } catch (error) {
          if (!(error instanceof StepError)) throw error;
          return `${error.code} ${error.stepName}: ${error.error.message}`;
        }
      },
    });
    const mill = await working([fail, careful]);
    expect(await (await mill.enqueue(careful, null)).result(PATIENCE)).toBe(
      "STEP_FAILED fail: no luck",
    );
  });

  test.each([false, true])(
    "may be tried otherwise than their type says (on one host: %s)",
    async (stayOnHost) => {
      const tries: string[] = [];
      const seen = (name: string) => (job: { attempt: number; attempts: number }) =>
        tries.push(`${name} ${job.attempt}/${job.attempts}`);
      const flaky = defineJob({
        name: "flaky",
        retry: { attempts: 1 },
        run: ({ job }) => {
          seen("flaky")(job);
          if (job.attempt < 3) throw new Error("not yet");
          return "at last";
        },
      });
      const slow = defineJob({ name: "slow", run: untilAborted });
      const stubborn = defineWorkflow({
        name: "stubborn",
        stayOnHost,
        run: async ({ step }) => {
          const retry = { attempts: 3, backoff: [1] };
          const flakily = await step.job(flaky, null, { retry });
          const slowly = await step
            .job(slow, null, { retry: { attempts: 1 }, timeout: "50ms" })
            .catch((error: StepError) => error.error.code);
          return [flakily, slowly];
        },
      });
      const mill = await working([flaky, slow, stubborn]);
      const receipt = await mill.enqueue(stubborn, null);
      expect(await receipt.result(PATIENCE)).toEqual(["at last", "JOB_TIMEOUT"]);
      expect(tries).toEqual(["flaky 1/3", "flaky 2/3", "flaky 3/3"]);
    },
  );

  test("that are workflows are not tried again: their own steps are", async () => {
    const child = defineWorkflow({ name: "child", run: () => 1 });
    const parent = defineWorkflow({
      name: "parent",
      run: async ({ step }) => step.job(child, null, { retry: { attempts: 2 } }),
    });
    const mill = await working([child, parent]);
    const refused = await (
      await mill.enqueue(parent, null)
    )
      .result(PATIENCE)
      .catch((error: MillraceError) => error.message);
    expect(refused).toContain("child, which is a workflow: say them of its steps");
  });

  test("may be other workflows", async () => {
    const inner = defineWorkflow({
      name: "inner",
      run: async ({ input, step }) => step.job(add, { a: input as number, b: 1 }),
    });
    const outer = defineWorkflow({
      name: "outer",
      run: async ({ step }) => Promise.all([step.job(inner, 1), step.job(inner, 2)]),
    });
    const mill = await working([add, inner, outer]);
    expect(await (await mill.enqueue(outer, null)).result(PATIENCE)).toEqual([2, 3]);
  });

  test("of a run that stays on its host are called as functions, with what they get in memory", async () => {
    const seen: unknown[] = [];
    const keep = defineJob({ name: "keep", run: ({ input }) => seen.push(input) });
    const shared = { at: new Date(0) };
    const local = defineWorkflow({
      name: "local",
      stayOnHost: true,
      run: async ({ step }) => {
        await step.job(keep, shared);
        return (await step.run("same", () => shared)) === shared;
      },
    });
    const mill = await working([keep, local]);
    expect(await (await mill.enqueue(local, null)).result(PATIENCE)).toBe(true);
    expect(seen[0]).toBe(shared);
  });
});

describe("steps that the function began and left", () => {
  test.each(["returns", "throws"])(
    "end with the run, and never the process, where it %s",
    async (how) => {
      const unseen: unknown[] = [];
      const keep = (error: unknown): void => void unseen.push(error);
      const standing = process.listeners("unhandledRejection");
      process.removeAllListeners("unhandledRejection").on("unhandledRejection", keep);
      onTestFinished(() => {
        process.removeAllListeners("unhandledRejection");
        for (const each of standing) process.on("unhandledRejection", each);
      });
      const careless = defineWorkflow({
        name: "careless",
        run: async ({ step }) => {
          void step.sleep("1h");
          void step.waitForSignal("never");
          void step.job(hang, null);
          void step.race([(inner) => inner.sleep("1h")]);
          void step.job(fail, null);
          const left = step.run("left", () => Promise.reject(new Error("left")));
          await step.run("awaited", () => 1);
          if (how === "throws") throw new Error("enough");
          return typeof left;
        },
      });
      const mill = await working([hang, fail, careless]);
      const receipt = await mill.enqueue(careless, null);
      const ended = await mill.wait(receipt.id, PATIENCE);
      expect(ended?.state).toBe(how === "throws" ? "failed" : "succeeded");
      await new Promise(setImmediate);
      expect(unseen).toEqual([]);
    },
  );
});

describe("time and signals", () => {
  test("a sleep, a signal that comes, and one that does not come in time", async () => {
    const patient = defineWorkflow({
      name: "patient",
      run: async ({ step }) => {
        await step.sleep(10);
        const first = await step.waitForSignal("go");
        const late = await step
          .waitForSignal("never", { timeout: 20 })
          .catch((error: MillraceError) => error.code);
        return [first, late];
      },
    });
    const mill = await working([patient]);
    const receipt = await mill.enqueue(patient, null);
    await mill.runs.signal(receipt.id, "go", { n: 1 });
    expect(await receipt.result(PATIENCE)).toEqual([{ n: 1 }, "WAIT_TIMEOUT"]);
    await expect(mill.runs.signal(receipt.id, "go")).rejects.toMatchObject({ code: "WRONG_STATE" });
    const plain = await mill.enqueue(add, { a: 1, b: 1 });
    await expect(mill.runs.get(plain.id)).rejects.toMatchObject({
      code: "WRONG_STATE",
      message: expect.stringContaining("no workflow run") as string,
    });
  });

  test("why a run waits is told by what it waits for", async () => {
    const unable = defineJob({ name: "unable", labels: ["gpu"], run });
    const patient = defineWorkflow({
      name: "patient",
      run: ({ step }) => Promise.all([step.job(unable, null), step.waitForSignal("approved")]),
    });
    const mill = await working([unable, patient]);
    const receipt = await mill.enqueue(patient, null);
    await vi.waitFor(async () => {
      const [reason] = (await mill.why(receipt.id))?.reasons ?? [];
      expect(reason).toMatchObject({
        kind: "waiting-for-steps",
        count: 2,
        steps: [
          { step: 1, name: "unable", kind: "job", jobId: expect.any(String) as string },
          { step: 2, name: "approved", kind: "signal" },
        ],
      });
    });
    expect((await mill.why(receipt.id))?.sentence).toContain("and for the signal approved");
  });

  test("a step of what is no job type is refused by name", async () => {
    const mistaken = defineWorkflow({
      name: "mistaken",
      run: ({ step }) => step.job("add" as never, null),
    });
    const mill = await working([add, mistaken]);
    const receipt = await mill.enqueue(mistaken, null);
    await expect(receipt.result(PATIENCE)).rejects.toThrow('a step got "add" for its job type');
  });

  test("the first branch of a race wins, and what the others had under way is cancelled", async () => {
    const racing = defineWorkflow({
      name: "racing",
      run: async ({ step }) => {
        const winner = await step.race<unknown>([
          async (branch) => branch.job(hang, null),
          async (branch) => branch.waitForSignal("now"),
        ]);
        return [winner, await step.run("after", () => "after")];
      },
    });
    const mill = await working([hang, racing]);
    const receipt = await mill.enqueue(racing, null);
    await vi.waitFor(async () => {
      expect((await mill.runs.get(receipt.id))?.steps[0]?.state).toBe("running");
    }, 20_000);
    await mill.runs.signal(receipt.id, "now", 7);
    expect(await receipt.result(PATIENCE)).toEqual([7, "after"]);
    await vi.waitFor(async () => {
      expect((await mill.runs.get(receipt.id))?.steps[0]?.state).toBe("cancelled");
    }, 20_000);
  });

  test("chance and time are the run's own", async () => {
    const drawn: unknown[] = [];
    const drawing = defineWorkflow({
      name: "drawing",
      run: async ({ step }) => {
        drawn.push([step.random(), step.uuid(), step.now()]);
        await step.waitForSignal("go");
      },
    });
    const mill = await working([drawing]);
    const receipt = await mill.enqueue(drawing, null);
    await vi.waitFor(() => expect(drawn).toHaveLength(1), 20_000);
    await mill.stop();
    await mill.start();
    await mill.runs.signal(receipt.id, "go");
    await receipt.result(PATIENCE);
    expect(drawn).toHaveLength(2);
    expect(drawn[1]).toEqual(drawn[0]);
  });
});

describe("what a workflow function must not do", () => {
  test(
    "await what is no step: the run ends with an error that says so",
    { timeout: 30_000 },
    async () => {
      const stalled = defineWorkflow({ name: "stalled", run: () => new Promise<never>(() => {}) });
      const mill = await working([stalled]);
      const receipt = await mill.enqueue(stalled, null);
      await expect(receipt.result(PATIENCE)).rejects.toThrow("no step");
    },
  );

  test("take a step once its run has ended: the step says so", async () => {
    const taken = Promise.withResolvers<Promise<unknown>>();
    const after = Promise.withResolvers<void>();
    const late = defineWorkflow({
      name: "late",
      run: ({ step }) => {
        taken.resolve(after.promise.then(() => step.job(add, { a: 1, b: 1 })));
      },
    });
    const mill = await working([add, late]);
    const receipt = await mill.enqueue(late, null);
    await receipt.result(PATIENCE);
    after.resolve();
    await expect(taken.promise.then((step) => step)).rejects.toMatchObject({
      code: "WORKFLOW_MISUSED",
      message: expect.stringContaining("has ended"),
    });
  });

  test("be without a function, or have a version that is no number", () => {
    expect(() => defineWorkflow({ name: "w", version: 0, run })).toThrow("version");
    expect(() => defineWorkflow({ name: "w", run: undefined as never })).toThrow("run function");
    expect(() => defineWorkflow({ name: "w", deadline: 0, run })).toThrow(
      "deadline is 0; expected at least 1 ms, or to be left out for no bound",
    );
    expect(defineWorkflow({ name: "w", version: 2, run })).toMatchObject({
      name: "w:2",
      queue: "w",
    });
  });
});

test("a run waits like any other after a local step that threw before its first await", async () => {
  const careless = defineWorkflow({
    name: "careless",
    run: async ({ step }) => {
      const refused = step.run("throws at once", () => {
        throw new Error("no");
      });
      await refused.catch(() => {});
      await step.waitForSignal("go");
    },
  });
  const mill = await working([careless]);
  const receipt = await mill.enqueue(careless, null);
  await vi.waitFor(async () => expect((await mill.job(receipt.id))?.state).toBe("waiting"));
  await mill.runs.signal(receipt.id, "go");
  await mill.wait(receipt.id, PATIENCE);
});
