// The door of the runtime: open Millrace on a store, enqueue, process, follow.
export {
  type ContainerLauncherOptions,
  type ContainerLaunchOptions,
  createContainerLauncher,
  findContainerEngine,
} from "./launchers/container.ts";
export {
  createHttpLauncher,
  type HttpLaunchOptions,
  type HttpLauncherOptions,
} from "./launchers/http.ts";
export {
  type BlobEntry,
  type BlobName,
  type BlobOptions,
  type BlobStore,
  type DirectoryBlobOptions,
  checkBlobOptions,
  createDirectoryBlobs,
} from "./blobs/index.ts";
export type * from "./launchers/launcher.ts";
export { verifyWebhook } from "./launchers/webhook-signature.ts";
export * from "./launchers/process/index.ts";
export {
  createThreadLauncher,
  type ThreadLauncherOptions,
  type ThreadOptions,
} from "./launchers/thread.ts";
export {
  LOG_FORMATS,
  createLogger,
  silentLogger,
  type LogFormat,
  type Logger,
} from "./logging/logger.ts";
export { Repeats } from "./logging/repeats.ts";
export {
  LIMITS_NAMES,
  LIMIT_CHANGE_NAMES,
  LIMIT_RESET_NAMES,
  type LimitChangeOptions,
  type LimitOperations,
  type LimitResetOptions,
  type LimitsQuery,
  RELEASE_NAMES,
  type ReleaseLimitOptions,
} from "./operations/limit-operations.ts";
export type * from "./millrace.ts";
export {
  ENQUEUE_NAMES,
  EVENT_FILTER_NAMES,
  FIGURE_NAMES,
  LOG_NAMES,
  RESUME_NAMES,
  WAIT_NAMES,
} from "./millrace.ts";
export type { TypeDeclaration } from "./declared-types.ts";
export type * from "./remote/remote-operations.ts";
export { DEFAULT_STORE_URL, MEMORY_STORE_URL, isMissingFile, openStore } from "./open-store.ts";
export { openRuntime, type Runtime } from "./open.ts";
export { type MoveReport, moveBetween } from "./moving.ts";
export * from "./operations/order-operations.ts";
export type * from "./room.ts";
export type * from "./operations/run-operations.ts";
export type * from "./exchanges/runs.ts";
export * from "./operations/schedule-operations.ts";
export { startTimer } from "./timer.ts";
export { validate } from "./validation.ts";
export { maskError } from "./views.ts";
export { onSignals, stopOnSignals } from "./stop-on-signals.ts";
