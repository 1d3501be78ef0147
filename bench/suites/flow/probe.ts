// Work beside an order: one job after the other is enqueued, claimed and settled. Says on request how long the longest took.
import { defineJob, openMillrace } from "../../../src/index.ts";
import type { Longest } from "./bulk-retry.ts";

const [store = "", namespace = ""] = process.argv.slice(2);
const stopping = new AbortController();
process.once("disconnect", () => stopping.abort());

const probe = defineJob({ name: "probe", retention: { succeeded: "remove" }, run: () => {} });
await using mill = await openMillrace({ store, namespace, jobs: [probe], logger: false });
await mill.start();

let longest: Longest = { longestMs: 0, rounds: 0 };
async function round(): Promise<void> {
  const startedAt = performance.now();
  const receipt = await mill.enqueue(probe, {});
  await receipt.result();
  const tookMs = performance.now() - startedAt;
  longest = { longestMs: Math.max(longest.longestMs, tookMs), rounds: longest.rounds + 1 };
}

// While code is cold.
for (let rounds = 0; rounds < 50; rounds += 1) await round();
process.on("message", () => {
  process.send?.(longest);
  longest = { longestMs: 0, rounds: 0 };
});
process.send?.("ready");
while (!stopping.signal.aborted) await round();
