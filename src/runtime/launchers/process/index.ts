// The door of the process launcher.
export { createProcessLauncher, type ProcessLauncherOptions } from "./launcher.ts";
export type { ProcessLaunchOptions } from "./options.ts";
export { type Verdict, type VerifyOptions, verifyProgram } from "./verify.ts";
