// The one table of error codes, and the error class that carries them.

/** Every code a Millrace error can have, with what it means. Codes are stable: programs may switch on them. */
export const ERROR_CODES = {
  INVALID_ARGUMENT: "An argument is outside what the call accepts.",
  INVALID_CONFIG: "A configuration field is wrong.",
  INVALID_DURATION: "A duration can't be read.",
  INVALID_INPUT: "The input does not fit the job type's schema.",
  INVALID_OUTPUT: "A handler's output does not fit the job type's schema or is not JSON.",
  INVALID_GRAPH: "The graph can't run as it is.",
  INVALID_SCHEDULE: "The schedule can't be read, or could never fire.",
  SCHEDULE_NOT_FOUND: "No schedule with this name is kept.",
  UNKNOWN_TYPE: "No such job type is registered here.",
  DUPLICATE_TYPE: "Two job types have one name.",
  JOB_NOT_FOUND: "No job with this id is kept.",
  JOB_REMOVED: "The job has ended and is no longer kept.",
  JOB_DROPPED: "The job was not kept: as many stand already as its limit lets run.",
  JOB_FAILED: "The job failed for good.",
  JOB_CANCELLED: "The job was cancelled.",
  JOB_EXPIRED: "The job was not started before it expired.",
  JOB_TIMEOUT: "An attempt took longer than the job type's timeout.",
  JOB_CRASHED: "The job's worker died, more often than the bound allows.",
  WAIT_TIMEOUT: "The job did not end within the time the caller waits.",
  WRONG_STATE: "The job's state does not allow this.",
  STALE_CLAIM:
    "The claim was superseded: another claim, a cancellation or a withdrawal came first.",
  LEASE_LOST: "The worker's lease ended, so its jobs belong to others.",
  TOO_LARGE: "A value is over its byte bound.",
  TOO_MANY: "A call or a buffer is over its bound.",
  STORE_BUSY: "The store did not answer within its deadline.",
  STORE_FULL: "The store has no room for more.",
  STORE_FAILED: "The store failed.",
  STORE_CLOSED: "The store is closed.",
  STORE_MISCONFIGURED: "The store's own settings would lose jobs.",
  STORE_VERSION: "The store's data was written by another version.",
  SERVICE_UNREACHABLE: "The service can't be reached, or did not answer in time.",
  QUEUE_DRAINING: "The queue takes nothing new in at present.",
  UNSUPPORTED: "This store can't do this.",
  DISCONNECTED: "The connection is down, so nothing was sent.",
  STOPPED: "This part has been stopped.",
  UNAUTHORIZED: "No valid token came with the request.",
  FORBIDDEN: "The token does not grant this.",
  STEP_FAILED: "A step of a workflow run failed for good.",
  WORKFLOW_CHANGED:
    "The workflow function does not do what the record of the run says that it did.",
  WORKFLOW_MISUSED: "The workflow function did what it must not do.",
  LAUNCH_FAILED: "The launcher could not run the handler.",
  BLOB_MISSING: "A large value of the job is not in the blob store of this process.",
  BLOB_FAILED: "The blob store failed.",
} as const;

/** One of the codes of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What a {@link MillraceError} is made of. */
export interface MillraceErrorOptions {
  /** What was expected and how to mend it; the code's own meaning when absent. */
  readonly message?: string;
  readonly cause?: unknown;
  /** Ids and figures that help to find the place: `{ jobId, type, ... }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Every error that Millrace throws on purpose. `code` says which one it is, `details` carries ids. */
export class MillraceError extends Error {
  override readonly name: string = "MillraceError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, options: MillraceErrorOptions = {}) {
    super(
      options.message ?? ERROR_CODES[code],
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Whether a thrown value is a {@link MillraceError}, and if a code is given, that one. */
export function isMillraceError(thrown: unknown, code?: ErrorCode): thrown is MillraceError {
  return thrown instanceof MillraceError && (code === undefined || thrown.code === code);
}

/** An error as it is kept with a job: plain data. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  /** A {@link ErrorCode}, or the `code` that the thrown error had. */
  readonly code?: string;
  readonly stack?: string;
  /** What led to it, where the error said so. */
  readonly cause?: ErrorRecord;
}

/** Longest message kept with a job, in UTF-16 units; a longer one is cut and says so. */
export const MAX_ERROR_MESSAGE_LENGTH = 4_096;
/** Longest stack kept with a job, in UTF-16 units. */
export const MAX_ERROR_STACK_LENGTH = 8_192;

/** How many causes of causes are kept: what is wrapped more often than that says the same again. A circle ends here, too. */
export const MAX_ERROR_CAUSES = 4;
/** Longest stack of a cause, in UTF-16 units: where it was thrown, not the way there, which the first stack has. */
export const MAX_CAUSE_STACK_LENGTH = 2_048;

/** Makes plain, bounded data of whatever was thrown, and of what it says caused it. Never throws, whatever getters the value has. */
export function toErrorRecord(thrown: unknown): ErrorRecord {
  return describeError(thrown, MAX_ERROR_CAUSES, MAX_ERROR_STACK_LENGTH);
}

function describeError(thrown: unknown, causesLeft: number, stackLength: number): ErrorRecord {
  try {
    if (!(thrown instanceof Error)) {
      return { name: "Error", message: cut(describe(thrown), MAX_ERROR_MESSAGE_LENGTH) };
    }
    const { code, cause } = thrown as { code?: unknown; cause?: unknown };
    return {
      name: cut(describe(thrown.name), 200),
      message: cut(describe(thrown.message), MAX_ERROR_MESSAGE_LENGTH),
      ...(typeof code === "string" ? { code: cut(code, 200) } : {}),
      ...(typeof thrown.stack === "string" ? { stack: cut(thrown.stack, stackLength) } : {}),
      ...(cause === undefined || cause === null || causesLeft === 0
        ? {}
        : { cause: describeError(cause, causesLeft - 1, MAX_CAUSE_STACK_LENGTH) }),
    };
  } catch {
    return { name: "Error", message: "a value was thrown that can't be read" };
  }
}

/**
 * An error's message and those of what led to it, in a line: `fetch failed: connect ECONNREFUSED 127.0.0.1:80`. The name
 * stands for a message that is empty.
 */
export function messageWithCauses(error: ErrorRecord): string {
  let told = messageOrName(error);
  for (let { cause } = error; cause !== undefined; { cause } = cause) {
    // Many errors tell their cause's message themselves.
    const led = messageOrName(cause);
    if (!told.includes(led)) told += `: ${led}`;
  }
  return told;
}

function messageOrName({ name, message }: ErrorRecord): string {
  return message.trim() === "" ? name : message;
}

function describe(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  return JSON.stringify(thrown) ?? Object.prototype.toString.call(thrown);
}

function cut(text: string, length: number): string {
  // Half of a surrogate pair, which a cut may leave too, would not come back from every store as it was.
  const kept = text.slice(0, length).toWellFormed();
  return text.length <= length ? kept : `${kept}… (cut, ${text.length} in all)`;
}
