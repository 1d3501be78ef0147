// The benchmark command from outside: what it prints, and how it ends.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

function bench(...args: readonly string[]): Promise<Ended> {
  const command = ["--conditions=millrace-source", "bench/main.ts", ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd: root }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, exitCode: error === null ? 0 : Number(error.code ?? -1) });
    });
  });
}

test("--json prints one object a line and nothing else", async () => {
  const only = ["--case", "enqueue-1-caller", "--subject", "bare", "--rounds", "2"];
  const { stdout, exitCode } = await bench("embedded", "--quick", "--json", ...only);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    bench: "embedded",
    case: "enqueue-1-caller",
    subject: "bare",
    unit: "jobs/s",
    median: expect.any(Number),
    min: expect.any(Number),
    max: expect.any(Number),
  });
});

test("a suite or a case that is not there is told, and is not a success", async () => {
  const noSuite = await bench("nothing-of-the-kind");
  expect(noSuite.stderr).toContain('there is no suite "nothing-of-the-kind"; expected one of');
  expect(noSuite.exitCode).not.toBe(0);
  const noCase = await bench("embedded", "--quick", "--case", "nothing-of-the-kind");
  expect(noCase.stderr).toContain("has no such case or subject");
  expect(noCase.exitCode).not.toBe(0);
});

test("without a suite it says what there is", async () => {
  const { stdout, exitCode } = await bench();
  expect(stdout).toContain("embedded");
  expect(exitCode).toBe(2);
});
