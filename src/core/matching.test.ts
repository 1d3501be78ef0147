// Filters: what fits, what is refused, and what is looked at one by one.
import { expect, test } from "vitest";
import { fingerprintOf } from "./fingerprint.ts";
import { checkFilter, examinedParts, matches } from "./matching.ts";
import type { JobFilter } from "./store.ts";
import { createJob } from "./transitions.ts";

const id = "0199d3c0-0000-7000-8000-000000000001";
const madeAtMs = 0x0199d3c00000;
const error = { name: "Error", message: "no order 1" };
const job = {
  ...createJob(
    {
      id,
      type: "mail",
      queue: "mail",
      input: '{"order":{"customer":"x","lines":[{"sku":"a"}]},"constructor":null}',
      tags: ["t"],
      idempotency: { key: "k", rememberMs: 1 },
    },
    1_000,
  ),
  state: "failed" as const,
  error,
  finishedAtMs: 2_000,
};

test.each<[JobFilter, boolean]>([
  [{}, true],
  [{ states: ["failed"], type: "mail", queue: "mail", tag: "t", key: "k" }, true],
  [{ states: [] }, false],
  [{ key: "other" }, false],
  [{ createdFromMs: madeAtMs, createdBeforeMs: madeAtMs + 1 }, true],
  [{ createdBeforeMs: madeAtMs }, false],
  [{ finishedFromMs: 2_000, finishedBeforeMs: 2_001 }, true],
  [{ finishedBeforeMs: 2_000 }, false],
  [{ fingerprint: fingerprintOf({ ...error, message: "no order 99" }) }, true],
  [{ fingerprint: "0000000000000000" }, false],
  [{ input: { "order.customer": "x", "order.lines.0.sku": "a" } }, true],
  [{ input: { "order.customer": "y" } }, false],
  [{ input: { constructor: null } }, true],
  [{ input: { toString: null } }, false],
  [{ input: { "order.customer.length": 1 } }, false],
])("%j fits: %s", (filter, isFit) => {
  expect(matches(job, filter)).toBe(isFit);
});

test("a job that has not ended fits no time of its end, and one without an error no fingerprint", () => {
  const waiting = { ...job, state: "ready" as const, error: null, finishedAtMs: null };
  expect(matches(waiting, { finishedBeforeMs: 1e15 })).toBe(false);
  expect(matches(waiting, { fingerprint: fingerprintOf(error) })).toBe(false);
});

test("what no index answers is told", () => {
  const filter: JobFilter = { type: "a", tag: "t", key: "k", input: { a: 1 }, createdFromMs: 1 };
  expect(examinedParts(filter)).toEqual(["key", "input"]);
  expect(examinedParts(filter, ["key"])).toEqual(["input"]);
});

test.each<JobFilter>([
  { fingerprint: "zz" },
  { finishedFromMs: Number.NaN },
  { input: { a: [] as never } },
])("%j is refused", (filter) => {
  expect(() => {
    checkFilter(filter);
  }).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error);
});

test("a filter of too many fields is refused", () => {
  const input = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`f${index}`, 1]));
  expect(() => {
    checkFilter({ input });
  }).toThrow(expect.objectContaining({ code: "TOO_MANY" }) as Error);
});
