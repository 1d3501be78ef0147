// U2: messages come before their associations, some of which never come.
import type { Chaos, Scenario } from "../harness/index.ts";
import { aggregatorFor, serverFor } from "./opened.ts";

async function run(chaos: Chaos): Promise<void> {
  const rounds = chaos.isShort ? 20 : 400;
  const server = await serverFor(chaos, { children: 2_000, late: 0.5, latePerUpdate: 3 });
  const hold = { maxMessages: 3_000, maxWait: 200 };
  const { aggregator } = await aggregatorFor(chaos, server, { hold });
  let mostHeld = 0;
  for (let round = 0; round < rounds && !chaos.signal.aborted; round += 1) {
    server.burst(500);
    await server.allRead();
    mostHeld = Math.max(mostHeld, aggregator.stats().held);
    server.update();
  }
  await server.allRead();
  await aggregator.stop();
  const { counted, unattributed, messages } = aggregator.stats();
  const { expired, refused, stopped } = unattributed;
  chaos.figure("attributed", counted);
  chaos.figure("waited too long", expired);
  chaos.figure("refused, the waiting room being full", refused);
  chaos.figure("waiting at the end", stopped);
  chaos.must("received", messages, { exactly: server.messages });
  chaos.must("attributed and unattributed", counted + expired + refused + stopped, {
    exactly: server.messages,
  });
  chaos.must("held at the most", mostHeld, { atMost: hold.maxMessages });
  const verdict = await server.stop();
  chaos.must("reported", verdict.reported, { exactly: counted });
}

export const scenario: Scenario = {
  id: "U2",
  fault:
    "rollup: messages before their associations; attributed and unattributed make what was received",
  run,
};
