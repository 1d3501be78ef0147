// The door of the library.
export * from "./core/index.ts";
