// L2: a wrapper script that forks is restarted again and again; its port is free each time.
import { findFreePort, isPortFree } from "../../../src/processes/index.ts";
import { WRAPPER, worker } from "../../fleet/programs.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";
import { count, fleetFor } from "./members.ts";

async function run(chaos: Chaos): Promise<void> {
  const starts = chaos.isShort ? 6 : 101;
  const port = await findFreePort(new Set());
  const { fleet, events } = fleetFor(chaos, {
    command: [WRAPPER, ...worker()],
    size: 1,
    ports: { from: port },
  });
  fleet.subscribe((event) => {
    if (event.type !== "ready" || event.start >= starts) return;
    fleet.reportProgress(event.member, event.start);
    // Only the wrapper: what it forked still holds the port then.
    process.kill(fleet.members()[0]?.pid ?? 0, "SIGKILL");
  });
  await until(chaos, "the last start", async () => {
    const [member] = fleet.members();
    return member?.start === starts && member.phase === "ready";
  });
  const refusals = fleet.output(1).stderr.split("EADDRINUSE").length - 1;
  chaos.must("restarts", starts - 1, { atLeast: chaos.isShort ? 1 : 100 });
  chaos.must("port found in use", refusals, { exactly: 0 });
  chaos.must("starts that failed", count(events, "failed"), { exactly: 0 });
  await fleet.stop();
  chaos.must("port free at the end", (await isPortFree(port)) ? 1 : 0, { exactly: 1 });
}

export const scenario: Scenario = {
  id: "L2",
  fault: "fleet: a wrapper script that forks, killed 100 times; the port is never left in use",
  run,
};
