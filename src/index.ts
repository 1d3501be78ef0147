// The door of the library.
export * from "./core/index.ts";
export * from "./millrace/index.ts";
export * from "./runtime/index.ts";
export * from "./schedule/index.ts";
export * from "./workflow/index.ts";
export { type HttpConfig, type MillraceConfig, defineConfig } from "./config/define.ts";
