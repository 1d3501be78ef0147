// L6: thousands of members that end leave no zombie.
import { execFileSync } from "node:child_process";
import type { Chaos, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";
import { count, fleetFor } from "./members.ts";

const SIZE = 8;
/** A hundred exits took 5 s on a busy machine of two cores. */
const WITHIN_MS = 1_800_000;

/** Children of this process that are dead and were not reaped. */
function zombies(): number {
  const lines = execFileSync("ps", ["-axo", "ppid=,stat="]).toString().split("\n");
  return lines.filter((line) => new RegExp(`^\\s*${process.pid}\\s+Z`).test(line)).length;
}

async function run(chaos: Chaos): Promise<void> {
  const exits = chaos.isShort ? 100 : 10_000;
  const { fleet, events } = fleetFor(chaos, {
    command: ["true"],
    size: SIZE,
    ready: "started",
    restartLimit: 1_000_000,
    backoff: { initial: 1, max: 1 },
    startingAtOnce: SIZE,
  });
  let most = 0;
  const hasExited = async (): Promise<boolean> => {
    // One that has just died and is about to be reaped is none yet: as many as members may be.
    most = Math.max(most, zombies());
    return count(events, "crashed") + count(events, "failed") >= exits;
  };
  await until(chaos, "the last exit", hasExited, WITHIN_MS);
  await fleet.stop();
  chaos.must("exits", count(events, "crashed") + count(events, "failed"), { atLeast: exits });
  chaos.must("most zombies at one moment", most, { atMost: SIZE });
  await until(chaos, "no zombie left", async () => zombies() === 0);
  chaos.must("zombies at the end", zombies(), { exactly: 0 });
}

export const scenario: Scenario = {
  id: "L6",
  fault: "fleet: 10,000 exits; no zombie",
  missing: () => (process.platform === "win32" ? "needs ps" : null),
  run,
};
