// Problem documents (RFC 9457): the one table from error codes to statuses, and how an error becomes a reply.
import { ERROR_CODES, type ErrorCode, MillraceError } from "../core/index.ts";

/** What only HTTP can get wrong, beside the codes of the error table: status and meaning. */
const HTTP_PROBLEMS: Readonly<
  Record<HttpProblemCode, { readonly status: number; readonly title: string }>
> = {
  NO_ROUTE: { status: 404, title: "Nothing is served at this path." },
  METHOD_NOT_ALLOWED: { status: 405, title: "The path does not serve this method." },
  MALFORMED_REQUEST: { status: 400, title: "The request can't be read." },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: "The body is not application/json, or it is compressed.",
  },
  FOREIGN_ORIGIN: { status: 403, title: "The request comes from a web page of another origin." },
  FOREIGN_HOST: {
    status: 421,
    title: "The request names a host that this service does not answer to.",
  },
  TOO_MANY_STREAMS: {
    status: 503,
    title: "More event streams are open than the service serves at once.",
  },
  INTERNAL: { status: 500, title: "The service failed. Its log says why." },
};

type HttpProblemCode =
  | "NO_ROUTE"
  | "METHOD_NOT_ALLOWED"
  | "MALFORMED_REQUEST"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "FOREIGN_ORIGIN"
  | "FOREIGN_HOST"
  | "TOO_MANY_STREAMS"
  | "INTERNAL";

/** A code that a problem document can carry. */
export type ProblemCode = ErrorCode | HttpProblemCode;

/** The status that stands for each error code. */
export const STATUS_OF_CODE: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_CONFIG: 500,
  INVALID_DURATION: 400,
  INVALID_INPUT: 422,
  INVALID_GRAPH: 422,
  INVALID_SCHEDULE: 422,
  INVALID_OUTPUT: 422,
  UNKNOWN_TYPE: 422,
  DUPLICATE_TYPE: 409,
  JOB_NOT_FOUND: 404,
  SCHEDULE_NOT_FOUND: 404,
  JOB_REMOVED: 410,
  JOB_DROPPED: 409,
  JOB_FAILED: 409,
  JOB_CANCELLED: 409,
  JOB_EXPIRED: 409,
  JOB_TIMEOUT: 409,
  JOB_CRASHED: 409,
  WAIT_TIMEOUT: 504,
  WRONG_STATE: 409,
  STALE_CLAIM: 409,
  LEASE_LOST: 409,
  TOO_LARGE: 413,
  TOO_MANY: 400,
  STORE_BUSY: 503,
  STORE_FULL: 507,
  STORE_FAILED: 500,
  STORE_CLOSED: 503,
  STORE_MISCONFIGURED: 500,
  STORE_VERSION: 500,
  SERVICE_UNREACHABLE: 503,
  QUEUE_DRAINING: 409,
  UNSUPPORTED: 501,
  STOPPED: 503,
  DISCONNECTED: 503,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  STEP_FAILED: 409,
  WORKFLOW_CHANGED: 409,
  WORKFLOW_MISUSED: 409,
  LAUNCH_FAILED: 500,
  BLOB_MISSING: 500,
  BLOB_FAILED: 503,
};

/** A problem document, as it goes over the wire. */
export interface ProblemDocument {
  /** `urn:millrace:problem:` and the code in lower case. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What was expected and how to mend it. */
  readonly detail: string;
  readonly code: ProblemCode;
  /** Where a body or query does not fit: a path and what was expected there. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** What a problem is made of beside its code. */
export interface ProblemOptions {
  readonly detail?: string;
  readonly errors?: ProblemDocument["errors"];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by routes for what the error table has no code for, or to carry more than a message. */
export class HttpProblem extends Error {
  override readonly name: string = "HttpProblem";
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(options.detail ?? titleOf(code));
    this.code = code;
    this.options = options;
  }
}

function isHttpCode(code: ProblemCode): code is HttpProblemCode {
  return Object.hasOwn(HTTP_PROBLEMS, code);
}

function titleOf(code: ProblemCode): string {
  return isHttpCode(code) ? HTTP_PROBLEMS[code].title : ERROR_CODES[code];
}

/** The status of a code. */
export function statusOf(code: ProblemCode): number {
  return isHttpCode(code) ? HTTP_PROBLEMS[code].status : STATUS_OF_CODE[code];
}

/** Writes a problem document. */
export function problemDocument(code: ProblemCode, options: ProblemOptions = {}): ProblemDocument {
  return {
    type: `urn:millrace:problem:${code.toLowerCase().replaceAll("_", "-")}`,
    title: titleOf(code),
    status: statusOf(code),
    detail: options.detail ?? titleOf(code),
    code,
    ...(options.errors === undefined ? {} : { errors: options.errors }),
  };
}

/** Statuses after which the same request may well succeed: the client is told when to try. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 503: "1", 507: "10" };

/** Makes the reply of a problem. */
export function problemResponse(
  code: ProblemCode,
  options: ProblemOptions,
  headers: Readonly<Record<string, string>>,
): Response {
  const document = problemDocument(code, options);
  const retryAfter = RETRY_AFTER_SECONDS[document.status];
  return new Response(JSON.stringify(document), {
    status: document.status,
    headers: {
      ...headers,
      "content-type": "application/problem+json",
      ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
      ...options.headers,
    },
  });
}

/**
 * What may be told of a thrown value. Codes whose status is 500 stay vague: their messages may name files and hosts.
 * `isFault` says that the service is to blame, so that the cause belongs into its log.
 */
export function explainThrown(thrown: unknown): {
  readonly code: ProblemCode;
  readonly options: ProblemOptions;
  readonly isFault: boolean;
} {
  if (thrown instanceof HttpProblem) {
    return { code: thrown.code, options: thrown.options, isFault: false };
  }
  if (thrown instanceof MillraceError) {
    const isFault = statusOf(thrown.code) >= 500;
    return {
      code: thrown.code,
      options: statusOf(thrown.code) === 500 ? {} : { detail: thrown.message },
      isFault,
    };
  }
  return { code: "INTERNAL", options: {}, isFault: true };
}
