// The door of roll-ups: windowed aggregation of live streams, and the WebSocket aggregator.
export { type RollupClock, systemClock } from "./clock.ts";
export type { UnattributedReason } from "./held-events.ts";
export type { KeyValue, RollupRow } from "./keyed-window.ts";
export { DEFAULT_MAX_ASSOCIATIONS, LookupTable } from "./lookup-table.ts";
export { ManualClock } from "./manual-clock.ts";
export { max, type Measure, type MeasureValue, min, quantiles, sum } from "./measures.ts";
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
export { Rollup } from "./rollup.ts";
export type { WindowSpan } from "./window-timer.ts";
