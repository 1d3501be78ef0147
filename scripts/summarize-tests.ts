// Prints the gate's last line from the test runner's JSON report: `N passed, N failed[, N skipped]`.
// Usage: node scripts/summarize-tests.ts <report.json> <exit code of the test run> <number of other steps that failed>
import { readFileSync } from "node:fs";

/** What is read of the report (the shape is Jest's, which vitest keeps). */
interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

interface Summary {
  readonly line: string;
  readonly isGreen: boolean;
}

/** A report of `null` stands for one that was not written: the runner died. */
export function summarize(
  report: TestReport | null,
  exitCode: number,
  failedSteps: number,
): Summary {
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  let failed = (report?.numFailedTests ?? 0) + countBrokenFiles(report);
  // A failure outside any test (an unhandled error, a dead runner) or a run of nothing shows as one failure.
  if (failed === 0 && (exitCode !== 0 || passed === 0)) failed = 1;
  failed += failedSteps;
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return { line, isGreen: failed === 0 };
}

/** Files that failed before or around their tests: none of their tests is counted as failed. */
function countBrokenFiles(report: TestReport | null): number {
  const files = report?.testResults ?? [];
  return files.filter(
    (file) =>
      file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
}

function readReport(path: string): TestReport | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as TestReport;
  } catch {
    return null;
  }
}

if (import.meta.main) {
  const [path = "", exitCode = "1", failedSteps = "0"] = process.argv.slice(2);
  const summary = summarize(readReport(path), Number(exitCode), Number(failedSteps));
  console.log(summary.line);
  process.exitCode = summary.isGreen ? 0 : 1;
}
