// What a job type may say of limits, uniqueness and batches, and what is refused.
import { describe, expect, test } from "vitest";
import { defineJob } from "./define-job.ts";
import { fieldAt, readBatch, readFlow, readRate } from "./flow-options.ts";

describe("a rate", () => {
  test.each([
    ["100/s", { limit: 100, perMs: 1_000 }],
    ["5 / m", { limit: 5, perMs: 60_000 }],
    ["10/2s", { limit: 10, perMs: 2_000 }],
    [
      { limit: 3, per: "1h" },
      { limit: 3, perMs: 3_600_000 },
    ],
    // A smaller burst is a shorter window.
    [
      { limit: 100, per: "1s", burst: 10 },
      { limit: 10, perMs: 100 },
    ],
  ])("%j is read", (options, rate) => {
    expect(readRate(options)).toEqual(rate);
  });

  test.each(["fast", "100", "/s", { limit: 10, per: "1s", burst: 11 }, { limit: 10, per: "soon" }])(
    "%j is refused",
    (options) => {
      expect(() => readRate(options)).toThrow(/expected/);
    },
  );
});

describe("limits", () => {
  test("are named by what they are of, unless said", () => {
    const { limits } = readFlow<{ customer: string }>("mail", {
      limits: [{ concurrency: 10 }, { key: "customer", concurrency: 2 }],
    });
    expect(limits.map(({ name, concurrency }) => [name, concurrency])).toEqual([
      ["key", 2],
      ["queue", 10],
    ]);
    expect(limits[0]?.key?.({ customer: "acme" })).toBe("acme");
  });

  test.each([
    [{ limits: [{}] }, "without a key, concurrency or rate"],
    [{ limits: [{ name: "x", concurrency: 1 }] }, "without a key"],
    [{ limits: [{ name: "queue", key: "a" }] }, "whole queue's"],
    [{ limits: [{ concurrency: 1 }, { concurrency: 2 }] }, "two limits of one name"],
    [{ limits: [{ concurrency: 1.5 }] }, "concurrency is 1.5"],
    [{ limits: [{ rate: "0/s" }] }, "rate.limit is 0"],
    [{ limits: [{ key: "a", onLimit: "drop-new" as const }] }, "without a concurrency"],
    [{ limits: Array.from({ length: 9 }, (_, n) => ({ name: `l${n}`, key: "a" })) }, "at most 8"],
    [{ unique: true as const, throttle: { per: "1m" } }, "more than one of"],
    [{ unique: { while: "running" as const, within: "1m" } }, "both while and within"],
  ])("%j is refused", (options, why) => {
    expect(() => readFlow("mail", options)).toThrow(why);
  });
});

test("a batch that may wait for all of its jobs' timeout is refused", () => {
  const batch = { size: 10, within: "1s", run: () => {} } as const;
  expect(() => defineJob({ name: "mail", timeout: "1s", batch })).toThrow(
    "has a timeout of 1s, and batch.within is 1s; expected a longer timeout",
  );
  expect(defineJob({ name: "mail", timeout: "2s", batch }).batch?.withinMs).toBe(1_000);
});

test("a job type with two handlers, or a batch of none, is refused", () => {
  const batch = { size: 10, run: () => {} };
  expect(() => defineJob({ name: "mail", run: () => 1, batch })).toThrow("both run and batch");
  expect(() => readBatch("mail", { size: 0 })).toThrow("has batch.size 0");
});

test("a path leads to a field of an input, and never to what it inherits", () => {
  expect(fieldAt({ order: { customer: "acme" } }, "order.customer")).toBe("acme");
  expect(fieldAt({ order: null }, "order.customer")).toBeUndefined();
  expect(fieldAt({}, "toString")).toBeUndefined();
});
