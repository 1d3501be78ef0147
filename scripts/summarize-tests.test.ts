import { expect, test } from "vitest";
import { summarize } from "./summarize-tests.ts";

const passing = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ status: "passed", assertionResults: [{ status: "passed" }] }],
};

test("a green run says how many passed", () => {
  expect(summarize(passing, 0, 0)).toEqual({ line: "3 passed, 0 failed", isGreen: true });
});

test("skipped tests are named and do not fail the run", () => {
  const report = { ...passing, numPendingTests: 2, numTodoTests: 1 };
  expect(summarize(report, 0, 0)).toEqual({
    line: "3 passed, 0 failed, 3 skipped",
    isGreen: true,
  });
});

test("failed tests fail the run", () => {
  const report = { ...passing, numFailedTests: 2 };
  expect(summarize(report, 1, 0)).toEqual({ line: "3 passed, 2 failed", isGreen: false });
});

test("a file that could not be loaded counts as one failure", () => {
  const report = { ...passing, testResults: [{ status: "failed", assertionResults: [] }] };
  expect(summarize(report, 1, 0)).toEqual({ line: "3 passed, 1 failed", isGreen: false });
});

test("a failure outside any test, a run of nothing and a missing report are failures", () => {
  expect(summarize(passing, 1, 0).line).toBe("3 passed, 1 failed");
  expect(summarize({ ...passing, numPassedTests: 0 }, 0, 0).line).toBe("0 passed, 1 failed");
  expect(summarize(null, 1, 0).line).toBe("0 passed, 1 failed");
});

test("a check that failed beside green tests fails the run", () => {
  expect(summarize(passing, 0, 1)).toEqual({ line: "3 passed, 1 failed", isGreen: false });
});
