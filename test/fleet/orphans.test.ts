// A supervisor that is killed leaves nothing behind, whatever it was doing and whatever its members forked.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { SUPERVISOR, WRAPPER, processesWith, uniqueTag, worker } from "./programs.ts";

/** L1: how long the world may see an orphan. */
const WITHIN_MS = 2_000;

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function startSupervisor(size: number, command: readonly string[]): ChildProcess {
  const args = ["--conditions=millrace-source", SUPERVISOR, String(size), ...command];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  return child;
}

const workerWith = (tag: string): string[] => worker("-seed", tag);

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

test("killed with its members at work, forks of wrappers among them", async () => {
  const tag = uniqueTag();
  const supervisor = startSupervisor(3, [WRAPPER, ...workerWith(tag)]);
  await once(supervisor.stdout!, "data");
  // The supervisor, three wrappers, three workers.
  expect(processesWith(tag)).toHaveLength(7);
  await kill(supervisor);
  await vi.waitFor(() => expect(processesWith(tag)).toEqual([]), WITHIN_MS);
});

test("killed with a member whose child left its process group", async () => {
  const tag = uniqueTag();
  // Not the worker's own interpreter: any program may do this.
  const deserter = ["python3", "-c", DESERTER, ...workerWith(tag)];
  const supervisor = startSupervisor(1, deserter);
  await once(supervisor.stdout!, "data");
  expect(processesWith(tag).length).toBeGreaterThanOrEqual(3);
  await kill(supervisor);
  await vi.waitFor(() => expect(processesWith(tag)).toEqual([]), WITHIN_MS);
});

/** Starts its arguments in a session of its own, where no signal to the group reaches it. */
const DESERTER = `
import subprocess, sys
subprocess.Popen(sys.argv[1:], start_new_session=True).wait()
`;

test("killed at any moment of its start", async () => {
  for (let trial = 0; trial < 12; trial++) {
    const tag = uniqueTag();
    const supervisor = startSupervisor(8, workerWith(tag));
    // From the first process on, at moments that the machine itself varies.
    await vi.waitFor(() => expect(processesWith(tag).length).toBeGreaterThan(1), 30_000);
    for (let look = 0; look < trial % 4; look++) processesWith(tag);
    await kill(supervisor);
    await vi.waitFor(() => expect(processesWith(tag)).toEqual([]), WITHIN_MS);
  }
});
