// U5: the wall clock is stepped back and forth, by up to a day, between windows and inside them.
import { ManualClock } from "millrace/rollup";
import { until } from "../../rollup/aggregated.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { aggregatorFor, serverFor } from "./opened.ts";

const DAY_MS = 86_400_000;

async function stepped(chaos: Chaos, aligned: boolean): Promise<void> {
  const steps = chaos.isShort ? 20 : 1_000;
  const clock = new ManualClock({ wallMs: Date.UTC(2026, 0, 1) });
  const server = await serverFor(chaos);
  const { aggregator, of } = await aggregatorFor(chaos, server, {
    clock,
    aligned,
    every: "1m",
    pingEvery: "1d",
  });
  let elapsedMs = 0;
  for (let step = 0; step < steps && !chaos.signal.aborted; step += 1) {
    clock.stepWall(chaos.random.integer(-DAY_MS, DAY_MS));
    server.burst(20);
    await server.allRead();
    const forMs = chaos.random.integer(1, 90_000);
    elapsedMs += forMs;
    await clock.advance(forMs);
    await until("the reports are in", () => server.ledger.reports === aggregator.stats().windows);
  }
  await aggregator.stop();
  const windows = of("window").map(({ window }) => window);
  const sequences = windows.map(({ sequence }) => sequence);
  const lengths = windows.slice(1, -1).map(({ durationMs }) => durationMs);
  const { exact, reports, reported } = await server.stop();
  const form = aligned ? "aligned" : "not aligned";
  chaos.figure(`${form}: minutes by the monotonic clock`, Math.round(elapsedMs / 60_000));
  chaos.must(`${form}: windows closed twice`, sequences.length - new Set(sequences).size, {
    exactly: 0,
  });
  chaos.must(`${form}: shortest window, ms`, Math.min(...lengths), { atLeast: 30_000 });
  chaos.must(`${form}: longest window, ms`, Math.max(...lengths), { atMost: 90_000 });
  chaos.must(`${form}: messages reported`, reported, { exactly: server.messages });
  chaos.must(`${form}: reports exactly as the server counts`, exact, { exactly: reports });
}

async function run(chaos: Chaos): Promise<void> {
  await stepped(chaos, false);
  await stepped(chaos, true);
}

export const scenario: Scenario = {
  id: "U5",
  fault: "rollup: the wall clock stepped back and forth; no window closed twice",
  run,
};
