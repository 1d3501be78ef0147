/* oxlint-disable no-control-regex -- control characters are what is tested for */
// What is printed: aligned tables, one-line values, nothing that could steer a terminal.
import { expect, test } from "vitest";
import { readProgress } from "./follow.ts";
import { brief, clean, cleanLines, relativeTime, table } from "./output.ts";
import { noteEvent, renderFrame } from "./top.ts";

test("a table aligns its columns, numbers to the right", () => {
  expect(
    table(
      ["NAME", "N"],
      [
        ["a", 5],
        ["long", 1_000],
      ],
    ).map((line) => line.replaceAll(/\u001B\[\d+m/g, "")),
  ).toEqual(["NAME     N", "a        5", "long  1000"]);
});

test("control characters of a job never reach the terminal", () => {
  expect(clean("a\u001B[2Jb\r\nc\u009B31m")).toBe("a [2Jb c 31m");
  expect(cleanLines("a\u001B[2J\r\nb")).toBe("a [2J \nb");
  expect(brief({ text: "\u001B]0;title\u0007" }, 100)).not.toMatch(/[\u0000-\u001F]/);
  expect(brief("x".repeat(100), 10)).toBe(`${"x".repeat(9)}…`);
});

test("times are told from now", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  expect(relativeTime("2025-12-31T23:58:00Z", nowMs)).toBe("2m ago");
  expect(relativeTime("2026-01-01T00:00:30Z", nowMs)).toBe("in 30s");
  expect(relativeTime(null, nowMs)).toBe("");
});

test.each([
  [0.5, 0.5, ""],
  [7, 1, ""],
  [{ done: 3, total: 4, file: "a.txt" }, 0.75, "3/4 a.txt"],
  [{ done: 3, total: 0 }, null, '{"done":3,"total":0}'],
  ["working", null, "working"],
])("progress %j is shown as %s", (progress, share, text) => {
  expect(readProgress(progress)).toEqual({ share, text });
});

test("a frame never has more lines than the screen, whatever there is to show", () => {
  const counts = {
    scheduled: 0,
    ready: 1,
    running: 1,
    waiting: 0,
    succeeded: 0,
    failed: 0,
    cancelled: 0,
  };
  const queues = Array.from({ length: 300 }, (_, index) => ({
    name: `queue-${index}`,
    paused: null,
    counts,
    perSecond: { succeeded: 0, failed: 0 },
  }));
  for (const rows of [5, 24, 80]) {
    const lines = renderFrame({ queues, workers: [], nowMs: 0 }, "sqlite:a.db", {
      columns: 80,
      rows,
    });
    expect(lines.length).toBeLessThanOrEqual(rows);
  }
});

test("rates count what ended, and only that", () => {
  const activity = new Map<string, { succeeded: number[]; failed: number[] }>();
  noteEvent(activity, { kind: "succeeded", queue: "a" }, 1);
  noteEvent(activity, { kind: "failed", queue: "a" }, 2);
  noteEvent(activity, { kind: "started", queue: "b" }, 3);
  expect([...activity]).toEqual([["a", { succeeded: [1], failed: [2] }]]);
});
