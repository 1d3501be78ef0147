// The door of the fleet room: supervised external processes, and the collection of what they stream.
export { Fleet, openFleet } from "./fleet.ts";
export type { FleetEvent, MemberStatus, OutputText } from "./fleet.ts";
export { DEFAULT_INHERITED_ENV } from "./options.ts";
export type { FleetOptions } from "./options.ts";
export type { HealthCheck, Readiness } from "./readiness.ts";
export type { PolicyOptions } from "./supervisor/policy.ts";
export type { FleetChange, MemberPhase } from "./supervisor/state.ts";
export type { Command, ResourceUse } from "../processes/index.ts";
