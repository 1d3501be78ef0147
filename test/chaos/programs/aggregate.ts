// An aggregator as a program: counts so many messages, reports them in one window, and says what memory it took.
import { Aggregator } from "millrace/rollup";
import { until } from "../../rollup/aggregated.ts";

/** What the program is told, as its argument. */
interface AggregateOrder {
  readonly url: string;
  readonly maxPairs: number;
  readonly messages: number;
}

/** What it answers at its end. */
export interface AggregateAnswer {
  readonly overflow: number;
  /** Resident memory at its highest, less what the process had before it connected. */
  readonly peakBytes: number;
}

const LONGEST_MS = 900_000;

const { url, maxPairs, messages } = JSON.parse(process.argv[2] ?? "") as AggregateOrder;
const aggregator = new Aggregator({ url, maxPairs, every: "1h", drain: "60s" });
const before = process.memoryUsage.rss();
await aggregator.start();
await until("all is counted", () => aggregator.stats().counted === messages, LONGEST_MS);
await aggregator.stop();
const peakBytes = process.resourceUsage().maxRSS * 1_024 - before;
const answer: AggregateAnswer = { overflow: aggregator.stats().overflow, peakBytes };
process.send?.(answer, () => process.disconnect());
