// The door of the reference model: a store made only of the core's transitions, and the comparison with a real one.
export { applyClaim, type Asked } from "./claims.ts";
export { compare, compareFilter } from "./compare.ts";
export type { Difference, Differences } from "./differences.ts";
export { advanceModel, compareRuns, signalModel } from "./runs.ts";
export { type ModelJob, type ModelSweep, StoreModel, isClaimable } from "./model.ts";
export { changeModelSchedules, compareSchedules, tickModel } from "./schedules.ts";
