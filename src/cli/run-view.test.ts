import { describe, expect, it } from "vitest";
import type { RunView, StepView } from "../runtime/index.ts";
import { drawRun } from "./run-view.ts";

const START = Date.parse("2026-03-01T12:00:00.000Z");
const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();

function step(number: number, given: Partial<StepView> = {}): StepView {
  return {
    step: number,
    name: `step-${number}`,
    kind: "job",
    state: "succeeded",
    parents: [],
    type: "t",
    jobId: `job-${number}`,
    worker: "w",
    attempts: 1,
    input: null,
    output: null,
    error: null,
    beganAt: at(0),
    startedAt: at(0),
    endedAt: at(1),
    until: null,
    undoes: null,
    ...given,
  };
}

function run(steps: readonly StepView[], given: Partial<RunView> = {}): RunView {
  return {
    id: "run-1",
    type: "provision",
    version: 1,
    state: "running",
    input: null,
    result: null,
    error: null,
    worker: "w",
    enqueuedAt: at(0),
    startedAt: at(0),
    endedAt: null,
    deadlineAt: null,
    cancelRequested: null,
    parent: null,
    steps,
    undone: [],
    notUndone: [],
    notUndoneCount: 0,
    ...given,
  };
}

const draw = (view: RunView, children: readonly RunView[] = []): readonly string[] =>
  drawRun(view, {
    width: 60,
    nowMs: START + 10_000,
    children: new Map(children.map((child) => [child.id, child])),
  });

describe("a run on a terminal", () => {
  it("is a head, and a line a step with what it waited and worked on one scale", () => {
    const view = run([
      step(1, { name: "network", endedAt: at(5) }),
      step(2, {
        name: "database",
        parents: [1],
        beganAt: at(5),
        startedAt: at(7.5),
        endedAt: at(10),
        attempts: 2,
      }),
      step(3, {
        name: "bucket",
        parents: [1],
        beganAt: at(5),
        startedAt: null,
        endedAt: null,
        state: "waiting",
      }),
    ]);
    expect(draw(view)).toMatchInlineSnapshot(`
      [
        "provision  run-1  running  10s  on w",
        "├─ ✓ 1 network  5s                   ━━━━━━━━━━━",
        "├─ ✓ 2 database ← 1  5s, 2 attempts             ······━━━━━",
        "└─ ◌ 3 bucket ← 1  5s                           ···········",
      ]
    `);
  });

  it("tells errors, undos and what could not be undone", () => {
    const view = run(
      [
        step(1, { name: "network" }),
        step(2, {
          name: "database",
          state: "failed",
          error: { name: "Error", message: "no\u001b[31m room" },
        }),
        step(3, { name: "remove-network", undoes: 1 }),
      ],
      {
        state: "failed",
        endedAt: at(10),
        error: { name: "MillraceError", code: "STEP_FAILED", message: "step 2 failed" },
        undone: [1],
        notUndone: [
          { step: 2, error: { name: "Error", message: "gone" } },
          { step: 4, error: { name: "RangeError", message: "" } },
        ],
        notUndoneCount: 4,
      },
    );
    const text = draw(view).join("\n");
    expect(text).toContain("MillraceError: step 2 failed");
    expect(text).toContain("remove-network ↩ undoes 1");
    expect(text).toContain("undone: 1");
    expect(text).toContain("not undone: 2, gone");
    expect(text).toContain("not undone: 4, RangeError");
    expect(text).toContain("not undone: 2 more");
    expect(text).not.toContain("\u001b[31m room");
  });

  it("counts steps that are many and alike, and shows some of those that failed", () => {
    const steps = Array.from({ length: 1_000 }, (_, index) =>
      step(index + 1, {
        name: "hash",
        ...(index >= 990
          ? { state: "failed" as const, error: { name: "Error", message: `bad ${index}` } }
          : {}),
      }),
    );
    const lines = draw(run(steps));
    expect(lines.length).toBeLessThan(10);
    expect(lines[1]).toContain("hash ×1000  990 succeeded, 10 failed");
    expect(lines.join("\n")).toContain("bad 992");
    expect(lines.join("\n")).not.toContain("bad 993");
  });

  it("nests the runs that are steps of it", () => {
    const view = run([step(1, { name: "onboard", jobId: "run-2" }), step(2, { name: "last" })]);
    const child = run([step(1, { name: "inner" })], { id: "run-2" });
    const [, onboard, inner, last] = draw(view, [child]);
    expect(onboard).toMatch(/^├─ ✓ 1 onboard/);
    expect(inner).toMatch(/^│ {2}└─ ✓ 1 inner/);
    expect(last).toMatch(/^└─ ✓ 2 last/);
  });

  it("keeps every bar on the line, whatever the times are", () => {
    const view = run([
      step(1, { beganAt: at(-100), startedAt: at(200), endedAt: at(-50) }),
      step(2, { beganAt: at(10), startedAt: null, endedAt: at(10) }),
    ]);
    for (const line of draw(view).slice(1)) expect(line.length).toBeLessThanOrEqual(60);
  });
});
