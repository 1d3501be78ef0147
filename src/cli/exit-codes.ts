// The exit codes of the command line, in one table: scripts rely on them.
import { type ErrorCode, isMillraceError } from "../core/index.ts";

/** What the command line's process ends with. Documented in docs/cli.md. */
export const EXIT_CODES = {
  ok: 0,
  /** Anything that has no code of its own. */
  failure: 1,
  /** A wrong command, option, argument or configuration. */
  usage: 2,
  notFound: 3,
  /** The command did its part, but the job it waited for failed or was cancelled, or its state forbids the change. */
  jobFailed: 4,
  /** The store or the service can't be reached or does not answer in time. */
  unavailable: 5,
  /** No valid token, or one that does not grant this. */
  denied: 6,
  /** What was asked for is complete, but not within the time it was asked for. */
  late: 7,
  /** What was asked for did not come together. */
  incomplete: 8,
  /** Ctrl-C or SIGTERM while waiting: 128 + 2, as shells have it. */
  interrupted: 130,
  /** Whoever read the output went away, as `head` does: 128 + 13. */
  brokenPipe: 141,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: EXIT_CODES.usage,
  INVALID_CONFIG: EXIT_CODES.usage,
  INVALID_DURATION: EXIT_CODES.usage,
  INVALID_INPUT: EXIT_CODES.usage,
  INVALID_GRAPH: EXIT_CODES.usage,
  INVALID_SCHEDULE: EXIT_CODES.usage,
  UNKNOWN_TYPE: EXIT_CODES.usage,
  DUPLICATE_TYPE: EXIT_CODES.usage,
  TOO_LARGE: EXIT_CODES.usage,
  TOO_MANY: EXIT_CODES.usage,
  JOB_NOT_FOUND: EXIT_CODES.notFound,
  SCHEDULE_NOT_FOUND: EXIT_CODES.notFound,
  JOB_REMOVED: EXIT_CODES.notFound,
  JOB_FAILED: EXIT_CODES.jobFailed,
  JOB_CANCELLED: EXIT_CODES.jobFailed,
  JOB_EXPIRED: EXIT_CODES.jobFailed,
  JOB_TIMEOUT: EXIT_CODES.jobFailed,
  JOB_CRASHED: EXIT_CODES.jobFailed,
  JOB_DROPPED: EXIT_CODES.jobFailed,
  WRONG_STATE: EXIT_CODES.jobFailed,
  WAIT_TIMEOUT: EXIT_CODES.unavailable,
  QUEUE_DRAINING: EXIT_CODES.jobFailed,
  STORE_BUSY: EXIT_CODES.unavailable,
  STORE_FULL: EXIT_CODES.unavailable,
  STORE_FAILED: EXIT_CODES.unavailable,
  STORE_CLOSED: EXIT_CODES.unavailable,
  SERVICE_UNREACHABLE: EXIT_CODES.unavailable,
  DISCONNECTED: EXIT_CODES.unavailable,
  UNAUTHORIZED: EXIT_CODES.denied,
  FORBIDDEN: EXIT_CODES.denied,
};

/** The exit code that stands for what was thrown. */
export function exitCodeOf(thrown: unknown): number {
  return (isMillraceError(thrown) ? BY_CODE[thrown.code] : undefined) ?? EXIT_CODES.failure;
}
