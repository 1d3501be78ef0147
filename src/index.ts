// The door of the library.
export * from "./core/index.ts";
export type * from "./runtime/launchers/launcher.ts";
export { createLogger, silentLogger, type Logger } from "./runtime/logger.ts";
export type * from "./runtime/millrace.ts";
export * from "./schedule/index.ts";
