import { expect, test } from "vitest";
import { toJsonLines, toRows, toTable } from "./report.ts";
import type { Suite } from "./suite.ts";

const suite: Suite = {
  name: "sample",
  about: "two subjects",
  reference: "bare",
  measurements: [
    {
      cases: {
        pace: { unit: "jobs/s", better: "higher" },
        wait: { unit: "ms", better: "lower" },
      },
      subjects: {},
    },
  ],
  goals: [
    { case: "pace", subject: "ours", against: { subject: "bare" }, atLeast: 0.4 },
    { case: "wait", subject: "ours", against: { subject: "bare" }, atMost: 0.9 },
    { case: "wait", subject: "ours", atMost: 2 },
    { case: "pace", subject: "absent", against: { subject: "bare" }, atLeast: 1 },
  ],
};

const rows = toRows(suite, [
  { case: "pace", subject: "bare", values: [100, 300, 200] },
  { case: "pace", subject: "ours", values: [98.76543, 101, 102] },
  { case: "wait", subject: "bare", values: [2] },
  { case: "wait", subject: "ours", values: [2] },
  { case: "wait", subject: "broken", values: [] },
]);

test("a JSON line holds the median and the spread of one case and subject", () => {
  const [first, second] = toJsonLines(rows)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  const common = { bench: "sample", case: "pace", unit: "jobs/s" };
  expect(first).toEqual({ ...common, subject: "bare", median: 200, min: 100, max: 300 });
  expect(second).toEqual({ ...common, subject: "ours", median: 101, min: 98.77, max: 102 });
});

test("a subject without a figure has no row", () => {
  expect(rows.map((row) => row.subject)).not.toContain("broken");
});

test("the table shows each subject beside the reference", () => {
  const table = toTable(suite, rows);
  expect(table).toMatch(/pace +bare +200 +100 +300 +jobs\/s +1\.00x/);
  expect(table).toMatch(/ours +101 +98\.77 +102 +jobs\/s +0\.51x/);
});

test("goals are judged where both figures are there", () => {
  const table = toTable(suite, rows);
  expect(table).toMatch(/ours pace \/ bare pace +0\.51x +at least 0\.4x +met/);
  expect(table).toMatch(/ours wait \/ bare wait +1\.00x +at most 0\.9x +MISSED/);
  expect(table).toMatch(/ours wait +2 ms +at most 2 ms +met/);
  expect(table).not.toContain("absent");
});
