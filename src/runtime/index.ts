// The door of the runtime: open Millrace on a store, enqueue, process, follow.
export type * from "./launchers/launcher.ts";
export {
  createThreadLauncher,
  type ThreadLauncherOptions,
  type ThreadOptions,
} from "./launchers/thread.ts";
export { createLogger, silentLogger, type Logger } from "./logger.ts";
export type * from "./millrace.ts";
export { openMillrace } from "./open.ts";
export { stopOnSignals } from "./stop-on-signals.ts";
