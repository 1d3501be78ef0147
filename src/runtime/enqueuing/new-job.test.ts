// What an enqueue makes of its input and options, and what it refuses.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineJob } from "../../core/define-job.ts";
import { isMillraceError } from "../../core/errors.ts";
import { createNewJob } from "./new-job.ts";

const makeId = (queue: string): string => `id-of-${queue}`;
const plain = defineJob({ name: "plain" });
const typed = defineJob({
  name: "typed",
  queue: "shared",
  input: z.object({ count: z.number().int() }),
  labels: ["gpu"],
  priority: 2,
});

const codeOf = async (make: () => unknown): Promise<string> => {
  try {
    await make();
  } catch (error) {
    return isMillraceError(error) ? error.code : String(error);
  }
  return "none";
};

describe("a new job", () => {
  test("waits in its type's queue with its type's priority and labels", () => {
    expect(createNewJob(typed, { count: 1 }, undefined, makeId)).toEqual({
      id: "id-of-shared",
      type: "typed",
      queue: "shared",
      input: '{"count":1}',
      headStartMs: 120_000,
      labels: ["gpu"],
    });
  });

  test("takes what the enqueue says in place of what the type says", () => {
    const job = createNewJob(
      typed,
      { count: 1 },
      {
        queue: "other",
        priority: { headStart: "5m" },
        delay: "10s",
        expiresIn: "1h",
        tags: ["b", "a", "a"],
        labels: ["region=eu"],
        idempotencyKey: "k",
        retention: { succeeded: "remove" },
      },
      makeId,
    );
    expect(job).toMatchObject({
      queue: "other",
      headStartMs: 300_000,
      delayMs: 10_000,
      expireAfterMs: 3_600_000,
      tags: ["a", "b"],
      labels: ["gpu", "region=eu"],
      idempotency: { key: "k", rememberMs: 86_400_000 },
      retention: { succeeded: { ageMs: 0 }, failed: typed.retention.failed },
    });
  });

  test("is checked as its handler will see it: after JSON", async () => {
    const dated = defineJob({ name: "dated", input: z.object({ at: z.date() }) });
    expect(await codeOf(() => createNewJob(dated, { at: new Date() }, undefined, makeId))).toBe(
      "INVALID_INPUT",
    );
  });

  test("is refused with a clear code when something does not fit", async () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const cases: readonly (readonly [string, () => unknown])[] = [
      ["INVALID_INPUT", () => createNewJob(typed, { count: 1.5 }, undefined, makeId)],
      ["INVALID_INPUT", () => createNewJob(plain, circular, undefined, makeId)],
      ["INVALID_INPUT", () => createNewJob(plain, 1n, undefined, makeId)],
      ["TOO_LARGE", () => createNewJob(plain, "x".repeat(300_000), undefined, makeId)],
      ["INVALID_ARGUMENT", () => createNewJob(plain, 1, { priority: Number.NaN }, makeId)],
      ["INVALID_ARGUMENT", () => createNewJob(plain, 1, { delay: 1, runAt: 1 }, makeId)],
      ["INVALID_ARGUMENT", () => createNewJob(plain, 1, { runAt: "soon" }, makeId)],
      ["INVALID_ARGUMENT", () => createNewJob(plain, 1, { idempotencyKey: "" }, makeId)],
      ["INVALID_DURATION", () => createNewJob(plain, 1, { delay: "soon" }, makeId)],
      [
        "TOO_MANY",
        () => createNewJob(plain, 1, { tags: Array.from({ length: 50 }, String) }, makeId),
      ],
    ];
    for (const [code, make] of cases) expect(await codeOf(make)).toBe(code);
  });
});
