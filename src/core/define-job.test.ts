// defineJob: what a declaration holds, what it refuses, and the types that it carries to every call.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type AnyJobType,
  type JobContext,
  type JobType,
  defineJob,
  readRetention,
} from "./define-job.ts";
import { DEFAULT_MAX_CRASHES, DEFAULT_RETENTION } from "./limits.ts";

const run = (): string => "done";

describe("a job type", () => {
  test("has a queue of its own name and safe defaults", () => {
    expect(defineJob({ name: "plain" })).toMatchObject({
      name: "plain",
      queue: "plain",
      concurrency: Number.POSITIVE_INFINITY,
      timeoutMs: undefined,
      graceMs: 5_000,
      maxCrashes: DEFAULT_MAX_CRASHES,
      labels: [],
      priority: 0,
      redactedPaths: [],
      retention: DEFAULT_RETENTION,
      run: undefined,
      launch: undefined,
    });
  });

  test("keeps what is said, read and checked", () => {
    const type = defineJob({
      name: "full",
      queue: "shared",
      concurrency: 3,
      retry: { attempts: 2, backoff: "fixed" },
      timeout: "30s",
      grace: "1s",
      redact: ["card"],
      retention: { succeeded: "remove", failed: "1h", cancelled: { count: 5 } },
      maxCrashes: 1,
      labels: ["gpu", "eu", "gpu"],
      priority: -2,
      run,
    });
    expect(type).toMatchObject({
      queue: "shared",
      concurrency: 3,
      timeoutMs: 30_000,
      graceMs: 1_000,
      redactedPaths: ["card"],
      retention: {
        succeeded: { ageMs: 0, count: DEFAULT_RETENTION.succeeded.count },
        failed: { ageMs: 3_600_000, count: DEFAULT_RETENTION.failed.count },
        cancelled: { ageMs: DEFAULT_RETENTION.cancelled.ageMs, count: 5 },
      },
      maxCrashes: 1,
      labels: ["eu", "gpu"],
      priority: -2,
      run,
    });
    expect(type.retry.attempts).toBe(2);
  });

  test("counts as masked by a function, however few parameters it names", () => {
    expect(defineJob({ name: "a", redact: () => "hidden" }).redactedPaths).toBe("function");
  });

  test.each<[string, object]>([
    ["name", { name: "no spaces" }],
    ["name", { name: undefined }],
    ["queue", { queue: "" }],
    ["both run and launch", { run: () => 1, launch: { launcher: "thread", options: {} } }],
    ["concurrency", { concurrency: 0 }],
    ["concurrency", { concurrency: Number.NaN }],
    ["maxCrashes", { maxCrashes: 0.5 }],
    ["priority", { priority: Number.NaN }],
    ["priority", { priority: 525_601 }],
    ["priority", { priority: Number.NEGATIVE_INFINITY }],
    ["retry.attempts", { retry: { attempts: 0 } }],
    ["labels", { labels: "gpu" }],
    ["redact", { redact: ["a..b"] }],
    ["retention count", { retention: { failed: { count: -1 } } }],
    ["input", { input: { type: "object" } }],
    ["input", { input: null }],
    ["output", { output: { "~standard": {} } }],
  ])("refuses a wrong %s", (field, wrong) => {
    expect(() => defineJob({ name: "wrong", ...wrong })).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(field),
      }),
    );
  });

  test.each([0, "0s", "0.4ms"])("refuses a timeout of %j, and says how to have none", (timeout) => {
    expect(() => defineJob({ name: "a", timeout })).toThrow(
      expect.objectContaining({
        code: "INVALID_DURATION",
        message: `timeout is ${JSON.stringify(timeout)}; expected at least 1 ms, or to be left out for no bound`,
      }),
    );
  });

  test.each(["timeout", "grace"])("refuses a %s that can't be read, by its name", (field) => {
    expect(() => defineJob({ name: "wrong", [field]: "soon" })).toThrow(
      expect.objectContaining({
        code: "INVALID_DURATION",
        message: expect.stringContaining(`${field} is "soon"`),
      }),
    );
  });
});

describe("retention", () => {
  test("is as by default where nothing is said", () => {
    expect(readRetention(undefined)).toEqual(DEFAULT_RETENTION);
    expect(readRetention({ failed: {} })).toEqual(DEFAULT_RETENTION);
  });

  test("removes at once when asked, in words or by age", () => {
    expect(readRetention({ succeeded: "remove" }).succeeded.ageMs).toBe(0);
    expect(readRetention({ succeeded: 0 }).succeeded.ageMs).toBe(0);
  });
});

describe("the types of a job", () => {
  test("follow its schemas: a caller's input, the handler's parsed input, the output", () => {
    const type = defineJob({
      name: "typed",
      input: z.object({ id: z.string(), count: z.coerce.number().default(1) }),
      output: z.object({ sum: z.number() }),
      run: ({ input, signal }) => {
        expectTypeOf(input).toEqualTypeOf<{ id: string; count: number }>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        return { sum: input.count };
      },
    });
    expectTypeOf(type).toEqualTypeOf<
      JobType<{ id: string; count?: unknown }, { id: string; count: number }, { sum: number }>
    >();
  });

  test("take the output from the handler where no schema says it", () => {
    const sync = defineJob({ name: "sync", input: z.string(), run: ({ input }) => input.length });
    expectTypeOf(sync).toEqualTypeOf<JobType<string, string, number>>();
    const later = defineJob({ name: "later", input: z.string(), run: async () => "x" as const });
    expectTypeOf(later).toEqualTypeOf<JobType<string, string, "x">>();
    const nothing = defineJob({ name: "nothing", run: () => undefined });
    expectTypeOf(nothing).toExtend<JobType<unknown, unknown, undefined>>();
  });

  test("are unknown where nothing is said", () => {
    expectTypeOf(defineJob({ name: "bare" })).toEqualTypeOf<JobType>();
    defineJob({
      name: "raw",
      run: (context) => {
        expectTypeOf(context).toEqualTypeOf<JobContext<unknown>>();
      },
    });
  });

  test("take any Standard Schema", () => {
    const schema: StandardSchemaV1<string, number> = {
      "~standard": { version: 1, vendor: "own", validate: (value) => ({ value: Number(value) }) },
    };
    const type = defineJob({ name: "own", input: schema, run: ({ input }) => input + 1 });
    expectTypeOf(type).toEqualTypeOf<JobType<string, number, number>>();
  });

  test("fit a list of any job types", () => {
    const list: AnyJobType[] = [
      defineJob({ name: "a", input: z.string(), run: () => 1 }),
      defineJob({ name: "b", input: z.object({ n: z.number() }) }),
    ];
    expect(list.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("refuse a handler that does not give its declared output", () => {
    defineJob({
      name: "mismatch",
      output: z.number(),
      // @ts-expect-error -- a text is no number
      run: () => "text",
    });
    expect.assertions(0);
  });
});

describe("a declared schedule is refused where it stands, by the field", () => {
  test.each<[schedule: unknown, code: string, message: string]>([
    [{ cron: "* * *" }, "INVALID_SCHEDULE", "it has 3"],
    [{ cron: 5 }, "INVALID_SCHEDULE", "cron is number"],
    [{ every: "90" }, "INVALID_DURATION", 'every is "90"'],
    [{ every: "1500ms" }, "INVALID_SCHEDULE", "expected whole seconds"],
    [{}, "INVALID_SCHEDULE", "expected exactly one of cron, every and dates"],
    [{ every: "1m", cron: "* * * * *" }, "INVALID_SCHEDULE", "has cron and every"],
    [[{ every: "1m" }, { every: "1m", start: "soon" }], "INVALID_SCHEDULE", 'start is "soon"'],
    [{ every: "1m", name: "a b" }, "INVALID_ARGUMENT", "schedule name"],
    [[null], "INVALID_ARGUMENT", "null"],
  ])("%j", (schedule, code, message) => {
    let thrown: unknown;
    try {
      defineJob({ name: "report", schedule: schedule as never });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("what can be read is taken as it is said", () => {
    const schedule = [{ cron: "0 9 * * MON-FRI" }, { name: "b", cron: " @daily" }];
    expect(defineJob({ name: "report", schedule }).schedules).toEqual(schedule);
  });
});
