// L1: a supervisor that is killed at any moment leaves no orphan behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { SUPERVISOR, WRAPPER, processesWith, uniqueTag, worker } from "../../fleet/programs.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";

const SIZE = 8;
/** How long the world may see an orphan. */
const WITHIN_MS = 2_000;
/** From before the first member is started to after the last one is ready. */
const LATEST_KILL_MS = 2_500;

function startSupervisor(chaos: Chaos, tag: string): ChildProcess {
  const command = [...(chaos.random.next() < 0.5 ? [WRAPPER] : []), ...worker("-seed", tag)];
  const args = ["--conditions=millrace-source", SUPERVISOR, String(SIZE), ...command];
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  chaos.use({ [Symbol.dispose]: () => void child.kill("SIGKILL") });
  return child;
}

async function run(chaos: Chaos): Promise<void> {
  const kills = chaos.isShort ? 2 : 100;
  let started = 0;
  let orphans = 0;
  let longestMs = 0;
  for (let kill = 0; kill < kills && !chaos.signal.aborted; kill += 1) {
    const tag = uniqueTag();
    const supervisor = startSupervisor(chaos, tag);
    await until(chaos, "the first member", async () => processesWith(tag).length > 1);
    await pause(chaos.random.integer(0, LATEST_KILL_MS));
    started += processesWith(tag).length - 1;
    const exited = once(supervisor, "exit");
    supervisor.kill("SIGKILL");
    await exited;
    const killedAtMs = performance.now();
    let left = processesWith(tag).length;
    while (left > 0 && performance.now() - killedAtMs < WITHIN_MS) left = processesWith(tag).length;
    orphans += left;
    longestMs = Math.max(longestMs, performance.now() - killedAtMs);
  }
  chaos.figure("supervisors killed", kills);
  chaos.must("processes that they had", started, { atLeast: kills });
  chaos.figure("longest time until none was left, in ms", Math.round(longestMs));
  chaos.must("orphans after 2 s", orphans, { exactly: 0 });
}

export const scenario: Scenario = {
  id: "L1",
  fault: "fleet: the supervisor killed (SIGKILL) at any moment; no orphan after 2 s",
  run,
};
