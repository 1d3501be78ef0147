// U1: the connection is cut a thousand times while a million messages are sent.
import { differences, totalsOf, until } from "../../rollup/aggregated.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { aggregatorFor, serverFor } from "./opened.ts";

async function run(chaos: Chaos): Promise<void> {
  const cuts = chaos.isShort ? 40 : 1_000;
  const server = await serverFor(chaos, {
    late: 0.1,
    latePerUpdate: 1,
    movesPerUpdate: 3,
    malformed: 0.01,
    unusual: 0.05,
  });
  const { aggregator, of } = await aggregatorFor(chaos, server);
  for (let cut = 0; cut < cuts && !chaos.signal.aborted; cut += 1) {
    await until("the client is back", () => server.isConnected);
    const first = chaos.random.integer(0, 1_000);
    server.burst(first);
    server.update();
    server.burst(1_000 - first);
    // Now and then the client has read everything when the cut comes; else it loses what was under way.
    if (chaos.random.next() < 0.3) await server.allRead();
    server.cut();
  }
  await until("the client is back", () => server.isConnected);
  server.quieten();
  await server.allRead();
  await aggregator.stop();

  const { totals, sent, waiting, gap, mistakes } = await server.stop();
  const windows = totalsOf(of("window"));
  const { unconfirmed, dropped } = aggregator.stats().reports;
  chaos.figure("messages sent", server.messages);
  chaos.figure("frames lost in cuts, as declared", gap);
  chaos.figure("reports of unknown fate", unconfirmed);
  chaos.must("cuts", aggregator.stats().gaps, { atLeast: cuts });
  chaos.must("messages counted", windows.messages, { exactly: sent });
  chaos.must("messages that wait in vain", waiting, { exactly: 0 });
  chaos.must("pairs that differ from the server's count", differences(windows.byPair, totals), {
    exactly: 0,
  });
  chaos.must("reports dropped", dropped, { exactly: 0 });
  chaos.must(
    "declarations that cannot be",
    mistakes.filter((each) => each.includes("declares")).length,
    {
      exactly: 0,
    },
  );
}

export const scenario: Scenario = {
  id: "U1",
  fault:
    "rollup: 1,000 connection cuts over 1,000,000 messages; counted and declared gap make what was sent",
  run,
};
