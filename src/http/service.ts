// The job service as a plain web-standard handler: every route behind one wrapper that guards, parses and measures.
import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import type { Registry } from "prom-client";
import type { z } from "zod";
import type { Logger, Operations, RemoteOperations, TypeRegistration } from "../runtime/index.ts";
import { silentLogger } from "../runtime/index.ts";
import {
  type AccessCheck,
  type AccessOptions,
  type Connection,
  createAccessCheck,
} from "./access.ts";
import { readJsonBody, readOptionalJsonBody } from "./body.ts";
import { HUB_LINGER_MS, createEventHubs } from "./event-hub.ts";
import { HEARTBEAT_MS, type EventStream } from "./event-stream.ts";
import { type RequestMeter, createMetrics } from "./metrics.ts";
import { buildOpenApi } from "./openapi.ts";
import { HttpProblem, explainThrown, problemResponse, statusOf } from "./problem.ts";
import { type Route, SECURITY_HEADERS, defineRoute, json } from "./route.ts";
import { enqueueRoutes } from "./routes/enqueue.ts";
import { eventRoutes } from "./routes/events.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { orderRoutes } from "./routes/orders.ts";
import { remoteRoutes } from "./routes/remote.ts";
import { limitRoutes } from "./routes/limits.ts";
import { runRoutes } from "./routes/runs.ts";
import { scheduleRoutes } from "./routes/schedules.ts";
import { systemRoutes } from "./routes/system.ts";
import { typeRoutes } from "./routes/types.ts";

/** The operations that a service serves. `remote`, which an open Millrace has, lets workers elsewhere claim through it. */
export interface ServiceOperations extends Operations {
  readonly remote?: RemoteOperations;
  /** Lets administrators register job types. */
  readonly typeRegistration?: TypeRegistration;
}

/** What a job service is made of. */
export interface JobServiceOptions {
  /** An open Millrace, or anything else that does its operations. */
  readonly operations: ServiceOperations;
  /** Whom to let in: nobody by default. */
  readonly access: AccessOptions;
  readonly logger?: Logger;
  /** Where the routes begin when mounted within another server: `"/millrace"`. Default: at the root. */
  readonly basePath?: string;
  /** Told in the OpenAPI document. */
  readonly version?: string;
  /** A prom-client registry to add to; one of its own by default. */
  readonly registry?: Registry;
  /** Silence on an event stream after which a heartbeat is sent. Default 15 s. */
  readonly heartbeatMs?: number;
  /** How long events are kept for streams that return. Default 60 s after the last one left. */
  readonly lingerMs?: number;
}

/** A job service: mount `fetch` in any server that speaks the web's Request and Response. */
export interface JobService extends AsyncDisposable {
  /** Answers one request. `env` is what the server knows beside it; `@hono/node-server` tells the connection. */
  readonly fetch: (request: Request, env?: object) => Response | Promise<Response>;
  /** The OpenAPI 3.1 document. */
  readonly openApi: object;
  /** All routes, as they are served. */
  readonly routes: readonly Route[];
  /** Ends the event streams. Requests already begun are still answered; the operations stay open. */
  close(): Promise<void>;
}

/**
 * Makes a job service.
 *
 * @throws MillraceError `INVALID_CONFIG` when `access` lets nobody in or is weak
 * @example
 * const service = createJobService({ operations: mill, access: { unauthenticated: "loopback" } });
 * const response = await service.fetch(new Request("http://localhost/v1/queues"));
 */
export function createJobService(options: JobServiceOptions): JobService {
  const { operations, logger = silentLogger } = options;
  const open = new Set<EventStream>();
  const hubs = createEventHubs(operations, randomUUID, options.lingerMs ?? HUB_LINGER_MS);
  const metrics = createMetrics(operations, () => open.size, options.registry);
  const routes: Route[] = [
    ...enqueueRoutes(operations),
    ...jobRoutes(operations),
    ...orderRoutes(operations),
    ...eventRoutes(operations, { open, hubs, heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS }),
    ...remoteRoutes(operations.remote),
    ...runRoutes(operations),
    ...scheduleRoutes(operations),
    ...typeRoutes(operations.typeRegistration),
    ...systemRoutes(operations),
    ...limitRoutes(operations),
    metricsRoute(metrics.registry),
  ];
  routes.push(openApiRoute(() => openApi));
  const openApi = buildOpenApi(routes, options.version ?? "0.0.0", options.basePath);
  const access = createAccessCheck(options.access);
  const app = mount(routes, { access, logger, basePath: options.basePath ?? "/" }, (route) =>
    metrics.meter(route),
  );
  const close = async (): Promise<void> => {
    for (const stream of open) stream.end();
    await hubs.close();
  };
  return {
    fetch: (request, env) => app.fetch(request, env),
    openApi,
    routes,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function metricsRoute(registry: Registry): Route {
  return defineRoute({
    method: "GET",
    path: "/metrics",
    operationId: "metrics",
    summary: "Prometheus metrics.",
    scope: "read",
    replies: [{ status: 200, description: "Metrics as text.", contentType: "text/plain" }],
    handle: async () =>
      new Response(await registry.metrics(), {
        headers: { ...SECURITY_HEADERS, "content-type": registry.contentType },
      }),
  });
}

function openApiRoute(document: () => object): Route {
  return defineRoute({
    method: "GET",
    path: "/openapi.json",
    operationId: "openApi",
    summary: "This document.",
    scope: "read",
    replies: [{ status: 200, description: "OpenAPI 3.1.", contentType: "application/json" }],
    handle: () => json(document()),
  });
}

function mount(
  routes: readonly Route[],
  {
    access,
    logger,
    basePath,
  }: { readonly access: AccessCheck; readonly logger: Logger; readonly basePath: string },
  meterOf: (operationId: string) => RequestMeter,
): Hono {
  const app = new Hono().basePath(basePath);
  const refuse = createRefusal(logger);
  const methods = new Map<string, { readonly pattern: RegExp; readonly allowed: string[] }>();
  const prefix = basePath.replace(/\/+$/, "");
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ":$1");
    app.on(route.method, path, serve(route, access, refuse, meterOf(route.operationId)));
    const pattern = new RegExp(`^${escapePattern(prefix)}${path.replaceAll(/:\w+/g, "[^/]+")}$`);
    const known = methods.get(path) ?? { pattern, allowed: [] };
    known.allowed.push(route.method);
    methods.set(path, known);
  }
  const meter = meterOf("unknown");
  /** Paths and methods that are not served are told apart only to those who are let in. */
  const answerUnknown = async (context: Context, problem: HttpProblem): Promise<Response> => {
    const started = performance.now();
    let response: Response;
    try {
      await access(context.req.raw, null, connectionOf(context));
      response = refuse(context, problem);
    } catch (thrown) {
      response = refuse(context, thrown);
    }
    meter(response.status, (performance.now() - started) / 1_000);
    return response;
  };
  // Found here rather than by a second handler for each path: with one handler a path the router needs no chain.
  app.notFound((context) => answerUnknown(context, whyNotServed(context.req.path, methods)));
  app.onError((thrown, context) => refuse(context, thrown));
  return app;
}

function escapePattern(text: string): string {
  return text.replaceAll(/[^\w/-]/g, String.raw`\$&`);
}

function whyNotServed(
  path: string,
  methods: ReadonlyMap<string, { readonly pattern: RegExp; readonly allowed: readonly string[] }>,
): HttpProblem {
  const allowed = [...methods.values()]
    .filter(({ pattern }) => pattern.test(path))
    .flatMap((known) => known.allowed);
  if (allowed.length === 0) {
    return new HttpProblem("NO_ROUTE", {
      detail: `nothing is served at ${path}; see /openapi.json`,
    });
  }
  const allow = [...new Set(allowed)].join(", ");
  return new HttpProblem("METHOD_NOT_ALLOWED", {
    detail: `this path serves ${allow}`,
    headers: { allow },
  });
}

type Refuse = (context: Context, thrown: unknown) => Response;

/** The one place where errors become replies: told to the client in a problem, and to the log where it is our fault. */
function createRefusal(logger: Logger): Refuse {
  return (context, thrown) => {
    const { code, options, isFault } = explainThrown(thrown);
    if (isFault && !context.req.raw.signal.aborted) {
      const fields = { err: thrown, code, method: context.req.method, path: context.req.path };
      if (statusOf(code) === 500) logger.error(fields, "request failed");
      else logger.warn(fields, "request refused");
    }
    return problemResponse(code, options, SECURITY_HEADERS);
  };
}

function serve(
  route: Route,
  access: AccessCheck,
  refuse: Refuse,
  meter: RequestMeter,
): (context: Context) => Promise<Response> {
  return async (context) => {
    const started = performance.now();
    let response: Response;
    try {
      const request = context.req.raw;
      const pending = access(request, route.scope, connectionOf(context));
      const caller = pending instanceof Promise ? await pending : pending;
      const params =
        route.params === undefined ? undefined : parse(route.params, context.req.param(), "path");
      const query =
        route.query === undefined ? undefined : parse(route.query, context.req.query(), "query");
      const body =
        route.body === undefined
          ? undefined
          : parse(route.body.schema, await readBody(route.body, request), "body");
      response = await route.handle({ request, params, query, body, caller });
    } catch (thrown) {
      response = refuse(context, thrown);
    }
    meter(response.status, (performance.now() - started) / 1_000);
    return response;
  };
}

function readBody(
  { isOptional, maxBytes }: NonNullable<Route["body"]>,
  request: Request,
): Promise<unknown> {
  return isOptional === true
    ? readOptionalJsonBody(request, maxBytes)
    : readJsonBody(request, maxBytes);
}

/** Most places told of a body that does not fit: the first ones are what someone mends. */
const MAX_TOLD_ISSUES = 20;

function parse(schema: z.ZodType, value: unknown, what: "path" | "query" | "body"): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, MAX_TOLD_ISSUES).map((issue) => ({
    path: issue.path.map(String).join("."),
    message: issue.message,
  }));
  const [first] = errors;
  throw new HttpProblem("INVALID_ARGUMENT", {
    detail: `the ${what} does not fit${first === undefined ? "" : `: ${first.path === "" ? "" : `${first.path}: `}${first.message}`}`,
    errors,
  });
}

/** What `@hono/node-server` hands over beside the request. */
interface NodeBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
}

function connectionOf(context: Context): Connection {
  const bindings = context.env as NodeBindings | undefined;
  return { remoteAddress: bindings?.incoming?.socket?.remoteAddress };
}
