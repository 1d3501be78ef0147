// One request to a service: with the token, within a time, and with its problems as errors.
import {
  ERROR_CODES,
  type ErrorCode,
  checkOptions,
  checkTexts,
  checkWhole,
  isMillraceError,
  MillraceError,
  type OptionNames,
  tellValue,
  wrongArgument,
} from "../../core/index.ts";

/** Where a service is. */
export interface HttpOperationsOptions {
  /** `http://127.0.0.1:8000`, or behind a prefix. */
  readonly url: string;
  readonly token?: string;
  /** Longest time for a reply. Default 30 s; waiting for a result has its own. */
  readonly timeoutMs?: number;
  /** Ends the operations: what waits for a reply, and what begins later, rejects with its reason. */
  readonly signal?: AbortSignal;
}

const CLIENT_NAMES: OptionNames<HttpOperationsOptions> = {
  url: true,
  token: true,
  timeoutMs: true,
  signal: true,
};

/** Longest time for a reply, unless told otherwise. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Sends one request and gives its JSON. Made by {@link createSend}. */
export type Send = (
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  options?: { readonly body?: unknown; readonly signal?: AbortSignal; readonly timeoutMs?: number },
) => Promise<unknown>;

/** Where a service is, as requests need it. */
export interface Service {
  readonly base: string;
  readonly token: string | undefined;
  /** Longest time for a reply. */
  readonly timeoutMs: number;
  /** Aborted when nobody wants a reply any more. */
  readonly ended: AbortSignal | undefined;
}

/** Timers can't wait longer: 24.8 days. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/**
 * Reads where a service is.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readService(options: HttpOperationsOptions): Service {
  const { url, timeoutMs = DEFAULT_TIMEOUT_MS } = checkOptions(options, "options", CLIENT_NAMES);
  checkTexts({ token: options.token });
  // A file that it was read from ends in a line break.
  const token = options.token?.trim();
  // Such an error of fetch would tell the token itself.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message:
        "the token is empty, or has a space, a line break or another character that a header can't carry; give it as the service has it, or leave it out where the service asks for none",
    });
  }
  checkWhole(timeoutMs, "timeoutMs", 1, MAX_TIMEOUT_MS);
  const ended = options.signal;
  if (ended !== undefined && !(ended instanceof AbortSignal)) {
    throw wrongArgument("signal", ended, "an AbortSignal");
  }
  return { base: readUrl(url), token, timeoutMs, ended };
}

function readUrl(text: string): string {
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
  // What should not be there may be a secret, so it is not repeated.
  const extra =
    url.username !== "" || url.password !== ""
      ? "a user or a password, which a service knows none of; a token goes by itself"
      : url.search !== "" || url.hash !== ""
        ? "a query or a fragment, after which no path can stand"
        : null;
  if (extra === null) return url.href.replace(/\/+$/, "");
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `the service's url has ${extra}; expected one such as ${url.origin}`,
  });
}

/** Makes the sender of a service's client. */
export function createSend(service: Service): Send {
  return async (method, path, { body, signal, timeoutMs = service.timeoutMs } = {}) => {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${service.base}${path}`, {
        method,
        headers: {
          ...authorization(service),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "manual",
        signal: anyOf(deadline, service.ended, signal),
      });
      await checkReply(service, response);
      return readReply(service, await response.text());
    } catch (cause) {
      if (isMillraceError(cause)) throw cause;
      signal?.throwIfAborted();
      service.ended?.throwIfAborted();
      throw unreachable(service, cause, deadline.aborted ? timeoutMs : null);
    }
  };
}

/** Aborted with the first of those that there are. */
export function anyOf(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** The header of the token, where there is one. */
export function authorization({ token }: Service): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Checks that a reply is one to read. Redirections are not followed: a POST would become a GET, and do something else.
 *
 * @throws MillraceError what the service's problem says, or `SERVICE_UNREACHABLE` for a redirection
 */
export async function checkReply({ base }: Service, response: Response): Promise<void> {
  const { ok, status, headers } = response;
  if (ok) return;
  const text = await response.text();
  const location = headers.get("location");
  if (status < 300 || status >= 400 || location === null) throw toError(status, text);
  const target = URL.parse(location, response.url);
  const where = target === null ? "" : `, to ${target.origin}${target.pathname}`;
  throw new MillraceError("SERVICE_UNREACHABLE", {
    message: `${base} redirects elsewhere${where}; give the url that the service itself answers at`,
    details: { status },
  });
}

function readReply({ base }: Service, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new MillraceError("SERVICE_UNREACHABLE", {
      message: `what answers at ${base} is no job service: its reply is not JSON; is this its address?`,
      cause,
    });
  }
}

/** The error of a request that got no reply, or none in time: then `timeoutMs` says which time. */
export function unreachable(
  { base }: Service,
  cause: unknown,
  timeoutMs: number | null,
): MillraceError {
  const why =
    timeoutMs === null
      ? `can't be reached: ${reasonOf(cause)}; is it up, and is this its address?`
      : `did not answer within ${timeoutMs} ms`;
  return new MillraceError("SERVICE_UNREACHABLE", {
    message: `the service at ${base} ${why}`,
    cause,
  });
}

/** Why a request got no answer. */
function reasonOf(thrown: unknown): string {
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
