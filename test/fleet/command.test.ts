// `millrace collect` as it is typed: its exit codes and what it prints.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import type { CollectResult } from "millrace/fleet";
import { processesWith, uniqueTag, worker } from "./programs.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const URL_TEMPLATE = "http://localhost:{port}/rnd?n={n}";

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(command: readonly string[], ...options: string[]) {
  const fixed = ["--command", command.join(" "), "--url", URL_TEMPLATE, "--workers", "3"];
  const args = ["--conditions=millrace-source", MAIN, "collect", ...fixed, ...options];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
}

async function finish(child: ReturnType<typeof start>): Promise<Run> {
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (part: Buffer) => (stdout += part.toString()));
  child.stderr.on("data", (part: Buffer) => (stderr += part.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

test("complete in time: exit code 0 and a summary", async () => {
  const run = await finish(start(worker("-pace", "10"), "--samples", "30", "--within", "30s"));
  expect(run).toMatchObject({ code: 0, stderr: "" });
  expect(run.stdout).toMatch(/^complete: 30 of 30 samples in \d+\.\d\d s \(wanted within 30s\)$/m);
});

test("complete but late: exit code 7", async () => {
  const run = await finish(start(worker("-pace", "10"), "--samples", "9", "--within", "1ms"));
  expect(run.code).toBe(7);
  expect(run.stdout).toMatch(/^late: 9 of 9 samples/m);
});

test("incomplete: exit code 8 and the reason", async () => {
  const run = await finish(start(["/no/such/worker"], "--samples", "9", "--restart-limit", "0"));
  expect(run.code).toBe(8);
  expect(run.stdout).toMatch(/^incomplete: 0 of 9 samples/m);
  expect(run.stdout).toContain("ENOENT");
});

test("as JSON: the result with its samples, and nothing else", async () => {
  const run = await finish(
    start(
      worker("-pace", "10", "-seed", "1"),
      "--samples",
      "12",
      "--pattern",
      "^rnd=(.+)",
      "--json",
    ),
  );
  const result = JSON.parse(run.stdout) as CollectResult<number>;
  expect(result).toMatchObject({ outcome: "complete", count: 12, wanted: 12 });
  expect(result.values).toHaveLength(12);
});

test("a wrong option is refused with exit code 2, before anything is started", async () => {
  for (const wrong of [
    ["--samples", "no"],
    ["--samples", "5", "--ready", "soon"],
    ["--samples", "5", "--pattern", "("],
  ]) {
    expect((await finish(start(worker(), ...wrong))).code).toBe(2);
  }
});

test("interrupted: what came is told, exit code 130, no process left", async () => {
  const tag = uniqueTag();
  const child = start(worker("-pace", "50", "-seed", tag), "--samples", "10000");
  const ended = finish(child);
  await vi.waitFor(() => expect(processesWith(tag).length).toBeGreaterThan(3), 30_000);
  child.kill("SIGINT");
  const run = await ended;
  expect(run.code).toBe(130);
  expect(run.stdout).toMatch(/^incomplete: \d+ of 10000 samples .*: it was cancelled$/m);
  expect(processesWith(tag)).toEqual([]);
});
