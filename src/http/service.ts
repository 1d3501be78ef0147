// The job service as a plain web-standard handler.
import { type OptionNames, checkObject, checkOptions, wrongArgument } from "../core/index.ts";
import { randomUUID } from "node:crypto";
import type { Registry } from "prom-client";
import type { Logger, Operations, RemoteOperations, TypeRegistration } from "../runtime/index.ts";
import { Repeats, silentLogger } from "../runtime/index.ts";
import { ACCESS_NAMES, type AccessOptions, createAccessCheck } from "./access.ts";
import { HUB_LINGER_MS, createEventHubs } from "./events/event-hub.ts";
import { HEARTBEAT_MS, type EventStream } from "./events/event-stream.ts";
import { createMetrics } from "./metrics.ts";
import { buildOpenApi } from "./openapi.ts";
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
import { type Fetch, serveRoutes } from "./serving.ts";

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

/** The names of what a job service is made of. Its operations, a logger and a registry may have any. */
export const SERVICE_NAMES: OptionNames<JobServiceOptions> = {
  operations: true,
  access: ACCESS_NAMES,
  logger: true,
  basePath: true,
  version: true,
  registry: true,
  heartbeatMs: true,
  lingerMs: true,
};

/** A job service: mount `fetch` in any server that speaks the web's Request and Response. */
export interface JobService extends AsyncDisposable {
  /** Answers one request. `env` is what the server knows beside it; `@hono/node-server` tells the connection. */
  readonly fetch: Fetch;
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
  const { operations, logger = silentLogger } = checkOptions(options, "options", SERVICE_NAMES);
  if (typeof checkObject(operations, "operations").enqueueEntries !== "function") {
    throw wrongArgument("operations", operations, "an open Millrace");
  }
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
  const repeats = new Repeats();
  const fetch = serveRoutes(routes, {
    access: createAccessCheck(options.access ?? {}),
    logger,
    repeats,
    basePath: options.basePath ?? "/",
    meterOf: (operationId) => metrics.meter(operationId),
  });
  const close = async (): Promise<void> => {
    for (const stream of open) stream.end();
    repeats.flush();
    await hubs.close();
  };
  return {
    fetch,
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
