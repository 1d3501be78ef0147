// The door of the fleet room: supervised external processes, and the collection of what they stream.
export { Fleet, openFleet } from "./fleet.ts";
export type { FleetEvent, MemberStatus, OutputText } from "./fleet.ts";
export { DEFAULT_INHERITED_ENV, checkFleetOptions } from "./options.ts";
export type { FleetOptions } from "./options.ts";
export type { HealthCheck, Readiness } from "./readiness.ts";
export type { PolicyOptions } from "./supervisor/policy.ts";
export type { FleetChange, MemberPhase } from "./supervisor/state.ts";
export type { Command, ResourceUse } from "../processes/index.ts";
export { Collection, collect, startCollection } from "./collect/collection.ts";
export { parseRandomNumber } from "./collect/options.ts";
export type { CollectOptions } from "./collect/options.ts";
export type {
  CollectOutcome,
  CollectReport,
  CollectResult,
  MemberReport,
} from "./collect/report.ts";
export type { ParseSample } from "./collect/stream.ts";
export { defineCollectJob } from "./collect/collect-job.ts";
export type { CollectInput, CollectJobOptions, CollectProgress } from "./collect/collect-job.ts";
