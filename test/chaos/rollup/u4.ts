// U4: the server is away for ten minutes while windows go on ending.
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../rollup/aggregated.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { aggregatorFor, serverFor } from "./opened.ts";

async function run(chaos: Chaos): Promise<void> {
  const awayMs = chaos.isShort ? 500 : 600_000;
  const every = chaos.isShort ? 50 : 10_000;
  const server = await serverFor(chaos, { late: 0.2 });
  const { aggregator, of } = await aggregatorFor(chaos, server, {
    every,
    // Late associations come when the server is back; what waits for them is counted then.
    hold: { maxWait: "1h" },
    reconnect: { min: 10, max: chaos.isShort ? 50 : 5_000 },
  });
  server.burst(20_000);
  await server.allRead();
  await until("a report is delivered", () => aggregator.stats().reports.delivered > 0, every * 3);
  server.burst(20_000);
  await server.allRead();
  // A report that is under way when the connection is cut may have a fate that nobody knows.
  await until("no report is under way", () => aggregator.stats().kept === 0);
  server.refuse(true);
  server.cut();
  await sleep(awayMs, undefined, { signal: chaos.signal });
  const { kept } = aggregator.stats();
  server.refuse(false);
  await until("nothing is kept", () => aggregator.stats().kept === 0, 60_000);
  server.quieten();
  server.burst(1_000);
  await server.allRead();
  await aggregator.stop();

  const sequences = of("report")
    .filter(({ fate }) => fate === "delivered")
    .map(({ sequence }) => sequence);
  const { exact, reports, reported, mistakes } = await server.stop();
  const { unconfirmed, dropped } = aggregator.stats().reports;
  chaos.must("reports of unknown fate", unconfirmed, { exactly: 0 });
  chaos.must("reports kept while the server was away", kept, { atLeast: awayMs / every - 2 });
  chaos.must("delivered twice", sequences.length - new Set(sequences).size, { exactly: 0 });
  chaos.must("dropped", dropped, { exactly: 0 });
  chaos.must("messages reported", reported, { exactly: server.messages });
  chaos.must("reports exactly as the server counts", exact, { exactly: reports });
  chaos.must("mistakes", mistakes.length, { exactly: 0 });
}

export const scenario: Scenario = {
  id: "U4",
  fault: "rollup: a report cannot be sent for 10 minutes; kept, sent later, nothing counted twice",
  run,
};
