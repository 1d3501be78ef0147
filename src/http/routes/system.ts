// The routes around the jobs: queues, workers, types, the store, health.
import { MillraceError, type TypeRecord } from "../../core/index.ts";
import type { Operations } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { type Route, defineRoute, json } from "../route.ts";
import { reason } from "../schemas/schemas.ts";
import {
  figureList,
  figureQuery,
  health,
  queueList,
  queueParams,
  queueState,
  storeDescription,
  typeList,
  workerList,
} from "../schemas/system-schemas.ts";

/** The routes around the jobs. */
export function systemRoutes(operations: Operations): readonly Route[] {
  return [
    listing(
      "/v1/queues",
      "listQueues",
      "The queues that have jobs, a job type, a worker, a closed door or a limit, with their counts.",
      queueList,
      async () => ({
        queues: await operations.queues(),
      }),
    ),
    pauseRoute(operations),
    resumeRoute(operations),
    listing(
      "/v1/workers",
      "listWorkers",
      "The workers that hold a lease.",
      workerList,
      async () => ({
        workers: await operations.workers(),
      }),
    ),
    listing(
      "/v1/types",
      "listTypes",
      "The job types, with their JSON Schema.",
      typeList,
      async () => ({
        types: (await operations.types()).map(showType),
      }),
    ),
    figuresRoute(operations),
    listing("/v1/store", "describeStore", "What the store is and can lose.", storeDescription, () =>
      operations.describe(),
    ),
    listing("/v1/health", "health", "Whether the service answers at all.", health, async () => ({
      status: "ok",
    })),
    listing(
      "/v1/ready",
      "ready",
      "Whether the service reaches its store, and the store has room for new jobs.",
      health,
      async () => {
        const { isFull } = await operations.describe();
        if (!isFull) return { status: "ok" };
        throw new MillraceError("STORE_FULL", {
          message:
            "the store takes nothing new in for want of room; make room, GET /v1/store says where",
        });
      },
    ),
  ];
}

function figuresRoute(operations: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/figures",
    operationId: "listFigures",
    summary: "What jobs came to, by type and by the minute or the hour.",
    scope: "read",
    query: figureQuery,
    replies: [{ status: 200, description: "As asked.", schema: figureList }],
    handle: async ({ query }) => json({ figures: await operations.figures(query) }),
  });
}

function listing(
  path: string,
  operationId: string,
  summary: string,
  schema: NonNullable<Route["replies"][number]["schema"]>,
  read: () => Promise<object>,
): Route {
  return defineRoute({
    method: "GET",
    path,
    operationId,
    summary,
    scope: "read",
    replies: [{ status: 200, description: "As asked.", schema }],
    handle: async () => json(await read()),
  });
}

function pauseRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/queues/{queue}/pause",
    operationId: "pauseQueue",
    summary: "Pause a queue: nothing of it is claimed, what runs goes on.",
    scope: "admin",
    params: queueParams,
    body: { schema: reason, maxBytes: MAX_BODY_BYTES, isOptional: true },
    replies: [{ status: 200, description: "Paused.", schema: queueState }],
    handle: async ({ params, body, caller }) => {
      await operations.pause(params.queue, { by: caller.name, reason: body.reason ?? "" });
      return json({ name: params.queue, paused: true });
    },
  });
}

function resumeRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/queues/{queue}/resume",
    operationId: "resumeQueue",
    summary: "Resume a paused queue.",
    scope: "admin",
    params: queueParams,
    replies: [{ status: 200, description: "Resumed.", schema: queueState }],
    handle: async ({ params, caller }) => {
      await operations.resume(params.queue, { by: caller.name });
      return json({ name: params.queue, paused: false });
    },
  });
}

/** Stores keep schemas as text; programs want them as data. */
function showType(record: TypeRecord): object {
  // What a type was registered with may hold secrets of its launcher.
  const { inputSchema, outputSchema, declaration: _declaration, ...type } = record;
  return { ...type, inputSchema: readSchema(inputSchema), outputSchema: readSchema(outputSchema) };
}

function readSchema(text: string | undefined): unknown {
  return text === undefined ? null : (JSON.parse(text) as unknown);
}
