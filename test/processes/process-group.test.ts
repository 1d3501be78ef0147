// What a program wrote before it ended is read to its end, however busy the process is that started it.
import { execFileSync } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { Guardian, startGroup } from "../../src/processes/index.ts";

const guardian = new Guardian(() => {});
afterAll(async () => guardian.stop());

/** Runs a program and gives its output when all of it was read. */
async function outputOf(argv: readonly string[]): Promise<string> {
  let output = "";
  const { gone, outputEnded } = startGroup({
    argv,
    env: { PATH: process.env["PATH"] ?? "", ...guardian.environment },
    guardian,
    onOutput: (_stream, chunk) => {
      output += chunk.toString();
    },
    onExit: () => {},
  });
  await Promise.all([gone, outputEnded]);
  return output;
}

test("the output of programs that end while the loop is blocked is not lost", async () => {
  let isOver = false;
  const programs = Array.from({ length: 30 }, (_, index) =>
    outputOf(["sh", "-c", `sleep 0.${String(index * 2).padStart(2, "0")}; echo said`]),
  );
  const all = Promise.all(programs).finally(() => (isOver = true));
  while (!isOver) {
    // Ends of several programs are noticed in one turn then, some of them before their output.
    execFileSync("sleep", ["0.15"]);
    await turn();
  }
  expect(new Set(await all)).toEqual(new Set(["said\n"]));
});

test("a child that left the group and keeps the output open does not hold up its end", async () => {
  const output = await outputOf(["python3", "-c", DESERTER]);
  expect(process.kill(Number(output), "SIGKILL")).toBe(true);
});

/** It has left the group when `Popen` comes back. */
const DESERTER = `
import subprocess
print(subprocess.Popen(["sleep", "60"], start_new_session=True).pid)
`;
