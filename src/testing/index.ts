// The door of the testing room: what a store, and an application, is tested with.
export * from "./conformance/index.ts";
export * from "./clock.ts";
export * from "./millrace/index.ts";
export * from "./model/index.ts";
export * from "./launchers/index.ts";
export * from "./blobs.ts";
