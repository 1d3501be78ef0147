// One request to a service: with the token, within a time, and with its problems as errors.
import {
  ERROR_CODES,
  type ErrorCode,
  isMillraceError,
  MillraceError,
  tellValue,
} from "../../core/index.ts";

/** Where a service is. */
export interface HttpOperationsOptions {
  /** `http://127.0.0.1:8000`, or behind a prefix. */
  readonly url: string;
  readonly token?: string;
  /** Longest time for a reply. Default 30 s; waiting for a result has its own. */
  readonly timeoutMs?: number;
}

/** Longest time for a reply, unless told otherwise. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Sends one request and gives its JSON. Made by {@link createSend}. */
export type Send = (
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  options?: { readonly body?: unknown; readonly signal?: AbortSignal; readonly timeoutMs?: number },
) => Promise<unknown>;

/** @throws MillraceError `INVALID_ARGUMENT` */
export function readUrl(text: string): string {
  const url = typeof text === "string" ? URL.parse(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const isStore = typeof text === "string" && /^(sqlite|memory|redis|bullmq)/.test(text);
    // A store's may hold a password.
    const given = isStore
      ? "the url names a store, which --store or MILLRACE_STORE take"
      : `url is ${tellValue(text)}`;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${given}; expected that of a service, such as http://127.0.0.1:8000`,
    });
  }
  return url.href.replace(/\/+$/, "");
}

/** Makes the sender of a service's client. */
export function createSend(base: string, options: HttpOperationsOptions): Send {
  const defaultTimeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return async (method, path, { body, signal, timeoutMs = defaultTimeoutMs } = {}) => {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      });
      const text = await response.text();
      if (!response.ok) throw toError(response.status, text);
      return JSON.parse(text) as unknown;
    } catch (cause) {
      if (isMillraceError(cause)) throw cause;
      signal?.throwIfAborted();
      throw new MillraceError("SERVICE_UNREACHABLE", {
        message: `the service at ${base} ${deadline.aborted ? `did not answer within ${timeoutMs} ms` : `can't be reached: ${reasonOf(cause)}; is it up, and is this its address?`}`,
        cause,
      });
    }
  };
}

/** Why a request got no answer. */
export function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message === "" ? ((cause as NodeJS.ErrnoException).code ?? "") : cause.message;
}

/** Makes the error that a problem document tells of. */
export function toError(status: number, text: string): MillraceError {
  let problem: { readonly code?: unknown; readonly detail?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Something between us and the service answered: only the status is known.
  }
  const code = typeof problem.code === "string" ? problem.code : "";
  return new MillraceError(codeOf(code, status), {
    message: typeof problem.detail === "string" ? problem.detail : `the service answered ${status}`,
    details: { status },
  });
}

/** What a proxy answers where it can't reach the service behind it: 502, 503 and 504 without a problem document. */
const PROXY_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

function codeOf(code: string, status: number): ErrorCode {
  if (Object.hasOwn(ERROR_CODES, code)) return code as ErrorCode;
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403 || status === 421) return "FORBIDDEN";
  if (PROXY_STATUSES.has(status)) return "SERVICE_UNREACHABLE";
  return status >= 500 ? "STORE_FAILED" : "INVALID_ARGUMENT";
}

/** A query string of what is said. */
export function searchOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? "" : `?${search.toString()}`;
}
