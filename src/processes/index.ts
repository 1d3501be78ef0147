// The door of the processes room: child processes in groups of their own, under a guardian, without a shell.
export * from "./command-template.ts";
export * from "./free-port.ts";
export * from "./guardian.ts";
export * from "./lines.ts";
export * from "./output-tail.ts";
export * from "./process-group.ts";
export * from "./resource-use.ts";
