// Listening with Node: the limits of time and size that a handler alone can't hold, and a close that ends.
import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { type OptionNames, checkOptions, pickOptions, MillraceError } from "../core/index.ts";
import { type AccessOptions, hostName, isLoopbackName } from "./access.ts";
import { explainThrown, problemResponse } from "./problem.ts";
import { SECURITY_HEADERS } from "./route.ts";
import {
  type JobService,
  type JobServiceOptions,
  SERVICE_NAMES,
  createJobService,
} from "./service.ts";

/** Longest time for a request's headers to arrive: a client that trickles them holds a connection no longer. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Longest time for a whole request to arrive, its body included. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long a connection may idle between two requests. */
const KEEP_ALIVE_TIMEOUT_MS = 10_000;
/** How often the above are enforced. */
const CONNECTIONS_CHECK_MS = 1_000;
/** All headers of a request together, in bytes. */
const MAX_HEADER_BYTES = 16_384;
/** Connections at once; further ones are closed on arrival. Each idle one costs about 10 KB. */
const MAX_CONNECTIONS = 10_000;
/** How long `close` lets requests that are being answered finish. */
const CLOSE_GRACE_MS = 5_000;

/** The port that earlier clients expect. */
export const DEFAULT_PORT = 8000;
/** The address that no other machine reaches. */
export const DEFAULT_HOST = "127.0.0.1";

/** Where and how to listen. */
export interface ListenOptions extends Omit<JobServiceOptions, "access"> {
  /** Default {@link DEFAULT_HOST}. Any other than a loopback address needs tokens or the named opt-out. */
  readonly host?: string;
  /** Default {@link DEFAULT_PORT}; 0 takes a free one. */
  readonly port?: number;
  /** Longest time for a request's headers to arrive, in milliseconds. Default 10 s. */
  readonly headersTimeoutMs?: number;
  /** By default requests from this machine are let in without a token, if the host is a loopback address. */
  readonly access?: AccessOptions;
}

const { access: _access, ...OF_A_SERVICE } = SERVICE_NAMES;
const LISTEN_NAMES: OptionNames<ListenOptions> = {
  ...SERVICE_NAMES,
  host: true,
  port: true,
  headersTimeoutMs: true,
};

/** A job service that listens. */
export interface ListeningService extends AsyncDisposable {
  /** `http://127.0.0.1:8000` */
  readonly url: string;
  readonly port: number;
  readonly service: JobService;
  /** Accepts nothing new, ends streams, lets replies finish, and then closes what is left. */
  close(): Promise<void>;
}

/**
 * Serves a job service over HTTP.
 *
 * @throws MillraceError `INVALID_CONFIG` when others could reach it without a token, or the address can't be used
 */
export async function listenJobService(options: ListenOptions): Promise<ListeningService> {
  const { host = DEFAULT_HOST } = checkOptions(options, "options", LISTEN_NAMES);
  const access = accessFor(host, options.access ?? {});
  const service = createJobService({ ...pickOptions(options, OF_A_SERVICE), access });
  return { service, ...(await listenWith(service, options)) };
}

/** Serves whatever answers requests, within the limits of a job service. */
export async function listenWith(
  service: Pick<JobService, "fetch" | "close">,
  options: Pick<ListenOptions, "host" | "port" | "headersTimeoutMs">,
): Promise<Omit<ListeningService, "service">> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT } = options;
  const answer = getRequestListener((request, env) => service.fetch(request, env), {
    hostname: host,
    errorHandler: answerUnreadable,
  });
  const server = createServer(
    {
      headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => void answer(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeServer(server, service));
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Makes a listener for `node:http` of a job service, to be mounted in a server of one's own.
 *
 * @example
 * createServer((request, response) => {
 *   if (request.url?.startsWith("/millrace/")) listener(request, response);
 *   else ...
 * });
 */
export function createNodeListener(
  service: JobService,
): (request: IncomingMessage, response: ServerResponse) => void {
  const listener = getRequestListener((request, env) => service.fetch(request, env), {
    // The host program's own Request and Response stay what they are.
    overrideGlobalObjects: false,
    errorHandler: answerUnreadable,
  });
  return (request, response) => void listener(request, response);
}

/** What the listener could not make a request of: a wrong Host header or target. */
function answerUnreadable(thrown: unknown): Response {
  const { code, options } = explainThrown(thrown);
  return problemResponse(
    code === "INTERNAL" ? "MALFORMED_REQUEST" : code,
    options,
    SECURITY_HEADERS,
  );
}

function accessFor(host: string, access: AccessOptions): AccessOptions {
  const hasWayIn = (access.tokens?.length ?? 0) > 0 || access.authorize !== undefined;
  if (hasWayIn) return access;
  const isLoopback = isLoopbackName(hostName(host.includes(":") ? `[${host}]` : host) ?? "");
  if (isLoopback) return { unauthenticated: "loopback", ...access };
  if (access.unauthenticated === "private-network") return access;
  throw new MillraceError("INVALID_CONFIG", {
    message: `refusing to listen on ${host} without a token, as other machines could reach it. Set MILLRACE_TOKEN (or http.tokens), listen on 127.0.0.1, or on a network where everyone may do everything set MILLRACE_UNAUTHENTICATED=private-network (http.unauthenticated)`,
  });
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    // Throws at once where the port is none.
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    const why =
      code === "EADDRINUSE" ? "another program listens there already" : (cause as Error).message;
    throw new MillraceError("INVALID_CONFIG", {
      message: `can't listen on ${host} port ${port}: ${why}. Choose another by MILLRACE_PORT or http.port`,
      cause,
    });
  }
}

async function closeServer(server: Server, service: Pick<JobService, "close">): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await service.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(timer);
}
