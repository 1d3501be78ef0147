// The HTTP launcher: a job is a signed POST to a URL, a function service for instance; the reply is its outcome.
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { type OptionNames, checkOptions } from "../../core/arguments.ts";
import { MillraceError } from "../../core/errors.ts";
import { MAX_VALUE_BYTES, checkName } from "../../core/limits.ts";
import { fatal, pushingBack, retryAfter } from "../../core/outcomes.ts";
import { checkHost, guardedLookup } from "./address-guard.ts";
import { checkLaunchNames } from "./launch-names.ts";
import type { LaunchRequest, Launcher } from "./launcher.ts";
import { readSecret, signWebhook } from "./webhook-signature.ts";

/** Options of a job type that is launched over HTTP. */
export interface HttpLaunchOptions {
  /** Where the job is posted: `https:`, or `http:`. Redirects are not followed. */
  readonly url: string;
  /** Signs the call after Standard Webhooks: `whsec_` and base64. */
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Who else waits when the service answers 429 or 503 with `Retry-After`: `"queue"`, or the name of one of the job's
   * limits, as with `retryAfter(..., { pushBack })`. Default: the job alone.
   */
  readonly pushBack?: string;
}

const LAUNCH_NAMES: OptionNames<HttpLaunchOptions> = {
  url: true,
  secret: true,
  headers: true,
  pushBack: true,
};

/** Options of the launcher. */
export interface HttpLauncherOptions {
  /** Hosts that may be called although they are not on the public internet: `["localhost", "10.0.0.7"]`. */
  readonly allowedHosts?: readonly string[];
  /** Most sockets to one host. Default 100. */
  readonly maxSockets?: number;
  /** Base of the callback URLs told to services that answer 202: this project's job service as they reach it. */
  readonly callbackUrl?: string;
}

const LAUNCHER_NAMES: OptionNames<HttpLauncherOptions> = {
  allowedHosts: true,
  maxSockets: true,
  callbackUrl: true,
};

const DEFAULT_MAX_SOCKETS = 100;
/** Idle sockets are closed before most services close them, so that a call rarely meets a socket that just ended. */
const IDLE_SOCKET_MS = 4_000;
/** Answers that another try may change; other 4xx answers say that the call itself is wrong. */
const RETRYABLE_CLIENT_ERRORS: ReadonlySet<number> = new Set([408, 409, 423, 425, 429]);

/** Makes the launcher `http`. */
export function createHttpLauncher(options: HttpLauncherOptions = {}): Launcher {
  checkOptions(options, "options", LAUNCHER_NAMES);
  const allowedHosts = new Set(options.allowedHosts);
  const pool = {
    keepAlive: true,
    timeout: IDLE_SOCKET_MS,
    maxSockets: options.maxSockets ?? DEFAULT_MAX_SOCKETS,
    lookup: guardedLookup(allowedHosts),
  };
  const agents = { "http:": new HttpAgent(pool), "https:": new HttpsAgent(pool) };
  return {
    name: "http",
    startsPrograms: false,
    check: (value, type) => {
      checkLaunchNames(value, type, LAUNCH_NAMES);
      const { url } = readOptions(value, type);
      checkHost(url.hostname, allowedHosts);
    },
    launch: async (request) => {
      const target = readOptions(request.options, request.job.type);
      checkHost(target.url.hostname, allowedHosts);
      const body = bodyOf(request, options.callbackUrl);
      const headers = {
        ...target.headers,
        "content-type": "application/json",
        "idempotency-key": request.job.token,
        ...(target.secret === undefined
          ? {}
          : signWebhook(target.secret, { id: request.job.token, atMs: Date.now(), body })),
      };
      const reply = await post(target.url, agents, { body, headers, signal: request.signal });
      return outcomeOf(reply, request, target);
    },
    stop: async () => {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

interface Target {
  readonly url: URL;
  readonly secret: Buffer | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly pushBack: string | undefined;
}

function readOptions(value: unknown, type: string): Target {
  const options = value as Partial<HttpLaunchOptions> | null | undefined;
  const text = options?.url;
  const url = typeof text === "string" ? URL.parse(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type} has launch.options.url ${JSON.stringify(text)}; expected an http: or https: URL`,
    });
  }
  const { pushBack } = options ?? {};
  return {
    url,
    pushBack: pushBack === undefined ? undefined : checkName(pushBack, "launch.options.pushBack"),
    secret: options?.secret === undefined ? undefined : readSecret(options.secret),
    headers: options?.headers ?? {},
  };
}

function bodyOf(request: LaunchRequest, callbackUrl: string | undefined): string {
  const { job, inputText, timeoutMs } = request;
  const head = JSON.stringify({
    ...job,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(callbackUrl === undefined
      ? {}
      : { callback: new URL(`v1/claims/${job.id}/settle`, withSlash(callbackUrl)).href }),
  });
  // The input is spliced in as the text it is stored as: it need not be parsed and written again.
  return `${head.slice(0, -1)},"input":${inputText}}`;
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

async function post(
  url: URL,
  agents: { readonly "http:": HttpAgent; readonly "https:": HttpsAgent },
  call: {
    readonly body: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const headers = { ...call.headers, "content-length": String(Buffer.byteLength(call.body)) };
  const common = { method: "POST", headers, signal: call.signal } as const;
  const onReply = (message: IncomingMessage): void => {
    readReply(message).then(resolve, reject);
  };
  const sent: ClientRequest =
    url.protocol === "https:"
      ? httpsRequest(url, { ...common, agent: agents["https:"] }, onReply)
      : httpRequest(url, { ...common, agent: agents["http:"] }, onReply);
  sent.on("error", (error) => {
    reject(call.signal.aborted ? (call.signal.reason as Error) : error);
  });
  sent.end(call.body);
  return promise;
}

async function readReply(message: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_VALUE_BYTES) {
      message.destroy();
      throw new MillraceError("TOO_LARGE", {
        message: `the service answered with more than ${MAX_VALUE_BYTES} bytes; put large data on a shared resource and answer with a reference`,
      });
    }
    chunks.push(chunk);
  }
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

async function outcomeOf(
  reply: Reply,
  request: LaunchRequest,
  { pushBack }: Target,
): Promise<unknown> {
  const { status, headers, body } = reply;
  if (status === 202) {
    await request.ended();
    throw new MillraceError("STALE_CLAIM", { message: "the job was settled by its callback" });
  }
  if (status >= 200 && status < 300) return valueOf(body, headers["content-type"]);
  const said = `the service answered ${status}${describeBody(body)}`;
  const wait = headers["retry-after"];
  if (wait !== undefined && (status === 429 || status === 503)) {
    throw retryAfter(waitMs(wait), said, pushingBack(pushBack));
  }
  if (status >= 300 && status < 400) {
    throw fatal(
      `${said} (a redirect to ${headers.location ?? "nowhere"}); give the final URL: redirects are not followed`,
    );
  }
  if (status >= 400 && status < 500 && !RETRYABLE_CLIENT_ERRORS.has(status)) throw fatal(said);
  throw new Error(said);
}

function valueOf(body: string, contentType: string | undefined): unknown {
  if (body === "") return null;
  if (contentType?.includes("json") !== true) return body;
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new MillraceError("INVALID_OUTPUT", {
      message: "the service answered with a JSON content type and a body that is not JSON",
      cause,
    });
  }
}

/** Characters of an answer's body that are told in an error. */
const MAX_TOLD_BODY_LENGTH = 300;

function describeBody(body: string): string {
  const text = body.trim();
  if (text === "") return "";
  return `: ${text.length <= MAX_TOLD_BODY_LENGTH ? text : `${text.slice(0, MAX_TOLD_BODY_LENGTH)}…`}`;
}

/** Longest wait that a service may ask for: a day; a longer one is cut. */
const MAX_RETRY_AFTER_MS = 86_400_000;

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
function waitMs(header: string): number {
  const seconds = Number(header);
  const wantedMs = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(wantedMs) ? Math.min(Math.max(0, wantedMs), MAX_RETRY_AFTER_MS) : 0;
}
