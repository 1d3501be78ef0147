// L3: members in a crash loop are restarted so often and no more; the others are unaffected.
import { worker } from "../../fleet/programs.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";
import { count, fleetFor } from "./members.ts";

async function run(chaos: Chaos): Promise<void> {
  const size = chaos.isShort ? 3 : 16;
  const failing = chaos.isShort ? 1 : 8;
  const restartLimit = chaos.isShort ? 2 : 5;
  const ids = Array.from({ length: failing }, (_, index) => index + 1).join(",");
  const { fleet, events } = fleetFor(chaos, {
    command: worker("-only", ids, "-crashMean", "1"),
    size,
    restartLimit,
    backoff: chaos.isShort ? { initial: 1, max: 5 } : {},
  });
  await until(
    chaos,
    "all members ready or degraded",
    async () =>
      count(events, "degraded") === failing &&
      fleet.members().filter(({ phase }) => phase === "ready").length === size - failing,
  );
  const members = fleet.members();
  chaos.must("members degraded, and told", count(events, "degraded"), { exactly: failing });
  chaos.must("most restarts of one", Math.max(...members.map(({ restarts }) => restarts)), {
    exactly: restartLimit,
  });
  const siblings = members.slice(failing);
  chaos.must(
    "restarts of siblings",
    siblings.reduce((sum, { restarts }) => sum + restarts, 0),
    {
      exactly: 0,
    },
  );
}

export const scenario: Scenario = {
  id: "L3",
  fault: "fleet: half of the members crash again and again; bounded, told, siblings unaffected",
  run,
};
