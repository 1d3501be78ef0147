// The guardian process: what it ends, and that it is not easily ended itself.
import { execFileSync } from "node:child_process";
import { expect, onTestFinished, test, vi } from "vitest";
import { Guardian, measureGroups, startGroup } from "../../src/processes/index.ts";
import type { ProcessExit, ProcessGroup } from "../../src/processes/index.ts";

function openGuardian(): Guardian {
  const guardian = new Guardian(() => undefined);
  onTestFinished(() => guardian.stop());
  return guardian;
}

function start(
  guardian: Guardian,
  ...argv: string[]
): ProcessGroup & { exit: Promise<ProcessExit> } {
  const { promise: exit, resolve: onExit } = Promise.withResolvers<ProcessExit>();
  const env = { PATH: process.env["PATH"] ?? "", ...guardian.environment };
  return { ...startGroup({ argv, env, guardian, onOutput: () => undefined, onExit }), exit };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("ends what is under guard when it is stopped, and itself", async () => {
  const guardian = openGuardian();
  const pid = guardian.pid ?? 0;
  const group = start(guardian, "sleep", "1000");
  await guardian.stop();
  expect(await group.exit).toMatchObject({ signal: "SIGKILL" });
  await group.gone;
  expect(isAlive(pid)).toBe(false);
});

test("a guardian that is killed is replaced, and the new one knows the groups", async () => {
  const guardian = openGuardian();
  const first = guardian.pid ?? 0;
  const group = start(guardian, "sleep", "1000");
  process.kill(first, "SIGKILL");
  await vi.waitFor(() => expect([first, undefined]).not.toContain(guardian.pid), 30_000);
  expect(await measureGroups(new Set([group.pid ?? 0]))).toHaveProperty("size", 1);
  await guardian.stop();
  await group.gone;
});

test("a group ends with the process that was started, whatever it forked", async () => {
  const guardian = openGuardian();
  const group = start(guardian, "sh", "-c", "sleep 1000 & exit 3");
  expect(await group.exit).toEqual({ code: 3, signal: null });
  await group.gone;
  const pgid = group.pid ?? 0;
  expect(await measureGroups(new Set([pgid]))).toEqual(new Map());
});

test("a program that is not there is told, not thrown", async () => {
  const group = start(openGuardian(), "/no/such/program");
  expect(group.pid).toBeUndefined();
  expect((await group.exit).error?.message).toContain("ENOENT");
  await group.gone;
});

test("five hundred exits leave no zombie", async () => {
  const guardian = openGuardian();
  for (let round = 0; round < 25; round++) {
    const groups = Array.from({ length: 20 }, () => start(guardian, "true"));
    await Promise.all(groups.map((group) => group.gone));
  }
  const own = execFileSync("ps", ["-A", "-o", "ppid=,stat="]).toString();
  const zombies = own
    .split("\n")
    .filter((line) => new RegExp(`^\\s*${process.pid}\\s+Z`).test(line));
  expect(zombies).toEqual([]);
});
