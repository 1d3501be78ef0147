import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { createRandom } from "./random.ts";
import { runScenario, toText } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";

const signal = new AbortController().signal;

function scenarioOf(run: Scenario["run"]): Scenario {
  return { id: "T1", fault: "nothing at all", run };
}

function draw(seed: number): readonly number[] {
  const random = createRandom(seed);
  return Array.from({ length: 20 }, () => random.integer(1, 1_000));
}

test("a seed repeats every choice, and another seed chooses otherwise", () => {
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7).every((number) => number >= 1 && number <= 1_000)).toBe(true);
});

test("a report names the seed, the figures and those that were broken", async () => {
  const scenario = scenarioOf(async (chaos) => {
    chaos.figure("duplicates", 3);
    chaos.must("lost", 1, { exactly: 0 });
    chaos.must("kept", 5, { atLeast: 5, atMost: 5 });
    chaos.must("no number", Number.NaN, { atMost: 1 });
  });
  const report = await runScenario(scenario, { isShort: true, seed: 42, signal });
  expect(report.figures.map(({ name, holds }) => [name, holds])).toEqual([
    ["duplicates", true],
    ["lost", false],
    ["kept", true],
    ["no number", false],
  ]);
  expect(toText(report)).toContain("seed 42");
  expect(toText(report)).toMatch(/lost +1 {2}must be 0 {2}BROKEN/);
});

test("what a scenario used is ended and removed, also when it breaks off", async () => {
  let directory = "";
  let isEnded = false;
  const scenario = scenarioOf(async (chaos) => {
    directory = chaos.directory;
    chaos.use({ [Symbol.dispose]: () => void (isEnded = true) });
    throw new Error("no luck");
  });
  const running = runScenario(scenario, { isShort: true, seed: 1, signal });
  await expect(running).rejects.toThrow("T1 broke off (seed 1): Error: no luck");
  expect(isEnded).toBe(true);
  expect(existsSync(directory)).toBe(false);
});

test("a scenario whose means are missing says so in place of running", async () => {
  const scenario = { ...scenarioOf(async () => {}), missing: () => "needs a moon" };
  const report = await runScenario(scenario, { isShort: true, seed: 1, signal });
  expect(toText(report)).toBe("T1 (short), seed 1: skipped: needs a moon");
});
