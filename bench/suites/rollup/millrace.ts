// The aggregator as its users run it.
import { Aggregator } from "../../../src/rollup/index.ts";
import { type Client, ownCpuMicros, ownMemoryBytes } from "./client.ts";

let aggregator: Aggregator;

export const client: Client = {
  async connect(url) {
    aggregator = new Aggregator({ url, every: "60s", maxPairs: 2_000_000 });
    await aggregator.start();
  },
  sample: async () => ({
    messages: aggregator.stats().messages,
    cpuMicros: ownCpuMicros(),
  }),
  memoryBytes: ownMemoryBytes,
  // Measurements end with their process; the server reads no reports.
  stop: async () => {},
};
