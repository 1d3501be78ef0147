// What a person sees of a collection.
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import type { CollectReport, MemberReport } from "../fleet/index.ts";
import { collectLines, eventLine, summaryLines } from "./collect-view.ts";
import { LiveBlock } from "./live-block.ts";

const member = (id: number): MemberReport => ({
  id,
  phase: "ready",
  samples: 5,
  crashes: 1,
  restarts: 1,
  stalls: 0,
});

const report: CollectReport = {
  outcome: "complete",
  problem: undefined,
  count: 20,
  wanted: 40,
  elapsedMs: 4_000,
  withinMs: 10_000,
  timeToFirstSampleMs: 120,
  idealMs: 3_900,
  overIdeal: 0.0256,
  paceMs: 1_000,
  crashes: 4,
  restarts: 4,
  stalls: 0,
  garbageLines: 2,
  tooLongLines: 1,
  members: [1, 2, 3, 4].map(member),
};

describe("the block of a collection", () => {
  it("has a line for each member and one for all with the time left", () => {
    const lines = collectLines(report, 50);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toBe("   1  ready     ███░░░░░░░░░     5 samples    1 restarts");
    expect(lines[4]).toMatch(/^█{15}░{15} 20\/40 {2}4\.00 s {2}6\.00 s left {2}4 crashes$/);
    expect(collectLines({ ...report, elapsedMs: 10_500 }, 50)[4]).toContain("0.50 s late");
  });

  it("fits the terminal: members without a line of their own are summed up", () => {
    const lines = collectLines(report, 5);
    expect(lines).toHaveLength(4);
    expect(lines[2]).toBe("      and 2 more: 2 ready, 10 samples");
  });
});

describe("the summary of a collection", () => {
  it("says how it ended, how near the ideal, and what went wrong on the way", () => {
    expect(summaryLines(report)).toEqual([
      "complete: 20 of 40 samples in 4.00 s (wanted within 10s)",
      "ideal 3.90 s, 2.6% over it; first sample after 0.12 s",
      "4 crashes, 4 restarts, 0 stalls, 3 lines that were no samples",
      "samples by member: 1:5 2:5 3:5 4:5",
    ]);
  });

  it("says why it is incomplete", () => {
    const lines = summaryLines({ ...report, outcome: "incomplete", problem: "it was cancelled" });
    expect(lines[0]).toContain("incomplete: 20 of 40 samples");
    expect(lines[0]).toContain("it was cancelled");
  });
});

it("tells changes that matter and no others", () => {
  const at = { member: 3, start: 1, atMs: 0 };
  expect(eventLine({ ...at, type: "crashed", reason: "exit code 1" })).toBe(
    "member 3 crashed: exit code 1",
  );
  expect(eventLine({ ...at, type: "ready" })).toBeUndefined();
});

/** A stream that says it is a terminal of this size. */
const terminal = (columns: number): PassThrough =>
  Object.assign(new PassThrough(), { isTTY: true, columns, rows: 10 });

describe("a live block", () => {
  it("draws itself anew below the lines that stay, cut to the terminal's width", () => {
    const out = terminal(6);
    const block = new LiveBlock(out);
    block.draw(["one", "two and more"]);
    block.tell("stays");
    block.draw(["last"]);
    block.end(true);
    block.tell("after");
    expect(String(out.read())).toBe(
      "one\ntwo an\n\u001b[2A\r\u001b[Jstays\none\ntwo an\n\u001b[2A\r\u001b[Jlast\nafter\n",
    );
  });

  it("cuts what is seen of a line, and no colour in two", () => {
    const out = terminal(4);
    const block = new LiveBlock(out);
    block.draw(["\u001b[32mgreen\u001b[39m and \u001b[2mfaint\u001b[22m"]);
    expect(String(out.read())).toBe("\u001b[32mgree\u001b[39m\u001b[2m\u001b[22m\n");
  });

  it("prints only the lines that stay where there is no terminal", () => {
    const out = new PassThrough();
    const block = new LiveBlock(out);
    block.draw(["one"]);
    block.tell("stays");
    expect(String(out.read())).toBe("stays\n");
  });
});
