// The door of the benchmark harness: what a suite and its subjects import.
export { median, quantile } from "./statistics.ts";
export type {
  Case,
  Figures,
  Goal,
  Measure,
  Measurement,
  Prepared,
  Run,
  Settings,
  Suite,
} from "./suite.ts";
