// The command line answers for itself: help, version, mistyped commands, and errors as exit codes.
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MillraceError } from "../core/index.ts";
import { EXIT_CODES, exitCodeOf } from "./exit-codes.ts";
import { createProgram, runCommandLine } from "./program.ts";

let printed = "";

beforeEach(() => {
  printed = "";
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      printed += String(chunk);
      return true;
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

test("--version prints the package's version and ends well", async () => {
  expect(await runCommandLine(["--version"])).toBe(EXIT_CODES.ok);
  expect(printed).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("a mistyped command is told of the right one, with the exit code of wrong usage", async () => {
  const program = createProgram([(to) => void to.command("enqueue").action(() => {})]);
  await expect(program.parseAsync(["enqeue"], { from: "user" })).rejects.toThrow("unknown command");
  expect(printed).toContain("Did you mean enqueue?");
  expect(await runCommandLine(["no-such-command-at-all"])).toBe(EXIT_CODES.usage);
});

test("each error has the exit code of its kind", () => {
  expect(exitCodeOf(new MillraceError("JOB_NOT_FOUND"))).toBe(EXIT_CODES.notFound);
  expect(exitCodeOf(new MillraceError("UNAUTHORIZED"))).toBe(EXIT_CODES.denied);
  expect(exitCodeOf(new Error("anything"))).toBe(EXIT_CODES.failure);
});

test("every command and every exit code is documented", () => {
  const document = readFileSync("docs/cli.md", "utf8");
  for (const command of createProgram().commands) expect(document).toContain(`\`${command.name()}`);
  for (const code of Object.values(EXIT_CODES)) {
    expect(document).toMatch(new RegExp(`^\\| ${code} +\\|`, "m"));
  }
});
