// S2: clocks are put forward and back, in 50 zones, and ticks are those of an oracle.
import { ZONES, compareZone } from "../../schedule/daylight-saving.ts";
import type { Chaos, Scenario } from "../harness/index.ts";

const HOUR_MS = 3_600_000;

async function run(chaos: Chaos): Promise<void> {
  const [first, last] = chaos.isShort ? [2025, 2025] : [2015, 2034];
  const span = {
    fromMs: Date.UTC(first, 0, 1),
    untilMs: Date.UTC(last, 11, 31),
    aroundMs: (chaos.isShort ? 4 : 9) * HOUR_MS,
  };
  let changes = 0;
  let ticks = 0;
  let differences = 0;
  for (const zone of ZONES) {
    chaos.signal.throwIfAborted();
    const compared = compareZone(zone, span);
    changes += compared.changes;
    ticks += compared.ticks;
    differences += compared.differences.length;
    const [difference] = compared.differences;
    if (difference !== undefined) chaos.figure(zone, JSON.stringify(difference));
  }
  chaos.must("zones", new Set(ZONES).size, { exactly: 50 });
  chaos.must("changes of a clock", changes, { atLeast: 60 * (last - first + 1) });
  chaos.figure("ticks compared", ticks);
  chaos.must("comparisons that differ from the oracle", differences, { exactly: 0 });
}

export const scenario: Scenario = {
  id: "S2",
  fault: "schedules: daylight-saving changes in 50 zones; ticks equal an independent oracle's",
  run,
};
