// U6: a hundred thousand malformed frames, made by hand and by mutilating good ones, and oversize ones.
import { until } from "../../rollup/aggregated.ts";
import type { Chaos, Scenario } from "../harness/index.ts";
import { aggregatorFor, serverFor } from "./opened.ts";

const MAX_FRAME_BYTES = 64 * 1024;

/** A good message made bad: the last brace, which every JSON object needs, is gone, and bytes are changed. */
function mutilated(chaos: Chaos, text: string): Buffer {
  const bytes = Buffer.from(text).subarray(0, -1);
  for (let changes = chaos.random.integer(0, 3); changes > 0; changes -= 1) {
    // Never a brace: it could mend what was broken.
    bytes[chaos.random.integer(1, bytes.length - 1)] = chaos.random.integer(0, 0x7a);
  }
  return bytes;
}

async function run(chaos: Chaos): Promise<void> {
  const frames = chaos.isShort ? 4_000 : 100_000;
  const oversize = chaos.isShort ? 3 : 200;
  const server = await serverFor(chaos, { malformed: 0.5 });
  const { aggregator } = await aggregatorFor(chaos, server, { maxFrameBytes: MAX_FRAME_BYTES });
  while (server.others < frames && !chaos.signal.aborted) {
    server.burst(250);
    for (let count = 0; count < 750; count += 1) {
      const next = server.traffic.next();
      if (next.kind === "malformed") continue;
      server.sendOther(mutilated(chaos, next.text));
    }
    await server.allRead();
  }
  const { malformed, counted } = aggregator.stats();
  const malformedFrames = server.others;
  chaos.must("good messages counted among them", counted, { exactly: server.messages });
  for (let sent = 1; sent <= oversize && !chaos.signal.aborted; sent += 1) {
    server.sendOther("x".repeat(MAX_FRAME_BYTES + 1));
    await until("it is noticed", () => aggregator.stats().malformed.oversize === sent);
    await until("it is back", () => aggregator.stats().connections === sent + 1);
    await until("the server knows", () => server.isConnected);
    server.burst(10);
    await server.allRead();
  }
  await aggregator.stop();
  for (const [kind, count] of Object.entries(malformed)) chaos.figure(`malformed: ${kind}`, count);
  const total = Object.values(malformed).reduce((sum, count) => sum + count, 0);
  chaos.must("malformed frames counted", total, { exactly: malformedFrames });
  chaos.must("oversize frames counted", aggregator.stats().malformed.oversize, {
    exactly: oversize,
  });
  const { mistakes, reported } = await server.stop();
  chaos.must("messages reported", reported, { exactly: server.messages });
  chaos.must("mistakes", mistakes.length, { exactly: 0 });
}

export const scenario: Scenario = {
  id: "U6",
  fault: "rollup: 100,000 malformed or oversize frames; no crash, counted",
  run,
};
