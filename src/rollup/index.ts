// The door of roll-ups: windowed aggregation of live streams, and the WebSocket aggregator.
export {
  type AggregatorNotice,
  type AggregatorOptions,
  type AggregatorStats,
  type AggregatorWindow,
  DEFAULT_AGGREGATOR_URL,
  readAggregatorOptions,
  type ReportFate,
} from "./aggregator-options.ts";
export { Aggregator } from "./aggregator.ts";
export type { AssociationEffect } from "./association-table.ts";
export { type RollupClock, systemClock } from "./clock.ts";
export type { MalformedKind } from "./full-message.ts";
export type { UnattributedReason } from "./held-events.ts";
export type { KeyValue, RollupRow } from "./keyed-window.ts";
export { DEFAULT_MAX_ASSOCIATIONS, LookupTable } from "./lookup-table.ts";
export { ManualClock } from "./manual-clock.ts";
export { max, type Measure, type MeasureValue, min, quantiles, sum } from "./measures.ts";
export type { ConnectionLoss } from "./message-connection.ts";
export { aggregatorMetrics, METRICS_CONTENT_TYPE } from "./metrics.ts";
export { DEFAULT_MAX_KEPT } from "./outbox.ts";
export { QuantileSketch } from "./quantile-sketch.ts";
export {
  DEFAULT_MAX_HELD,
  DEFAULT_MAX_KEYS,
  DEFAULT_MAX_WAIT_MS,
  type RollupNotice,
  type RollupOptions,
  type RollupSink,
  type RollupWindow,
  type WindowOptions,
} from "./rollup-options.ts";
export type { ReportRow } from "./report.ts";
export { Rollup } from "./rollup.ts";
export type { WindowSpan } from "./window-timer.ts";
