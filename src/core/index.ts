// The door of the core: the domain, pure.
export * from "./define-job.ts";
export * from "./duration.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./ids.ts";
export * from "./job.ts";
export * from "./limits.ts";
export * from "./outcomes.ts";
export * from "./redaction.ts";
export * from "./retry.ts";
export type * from "./schedule.ts";
export * from "./schedule-checks.ts";
export type * from "./schedule-record.ts";
export * from "./schedule-transitions.ts";
export * from "./store-description.ts";
export type * from "./store.ts";
export * from "./transitions.ts";
export * from "./without-schedules.ts";
