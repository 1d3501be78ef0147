// The routes about limits: what holds, and changes of it while work goes on.
import { z } from "zod";
import type { LimitChangeOptions, Operations } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, defineRoute, json } from "../route.ts";
import { duration, name, named } from "../schemas/schemas.ts";

const bounds = {
  concurrency: z.int().nullable(),
  rate: z.object({ limit: z.int(), perMs: z.number() }).nullable(),
};
const limitList: z.ZodType = named(
  "Limits",
  "The limits that hold over all workers, and how far they are used.",
  z.object({
    limits: z.array(
      z.object({
        queue: z.string(),
        name: z.string().describe('"queue" for the whole queue, else one of its keys\' limits.'),
        key: z.string().nullable(),
        ...bounds,
        declared: z.object(bounds).nullable().describe("What its types say."),
        set: z.object({ by: z.string(), atMs: z.number() }).nullable(),
        running: z.int(),
        opensInMs: z.number(),
        pushedBackUntilMs: z.number().nullable(),
      }),
    ),
  }),
);
const limitRelease: z.ZodType<{ readonly key?: string }> = named(
  "LimitRelease",
  "Of a limit with keys: which of them is released.",
  z.strictObject({ key: z.string().min(1).max(256).exactOptional() }),
);
const releasedHold: z.ZodType = named(
  "ReleasedHold",
  "Until when a handler that pushed back had held it (milliseconds since 1970); null: nothing was held.",
  z.object({ heldUntilMs: z.number().nullable() }),
);
const limitQuery = z
  .strictObject({
    queue: name.exactOptional(),
    limit: name.exactOptional(),
    key: z.string().min(1).max(256).exactOptional(),
  })
  .describe("With `queue`, `limit` and `key`: the use of that key, too.");
const limitParams: z.ZodType<{ readonly queue: string; readonly limit: string }> = z.strictObject({
  queue: name,
  limit: name,
});
const limitChange: z.ZodType<Pick<LimitChangeOptions, "concurrency" | "rate">> = named(
  "LimitChange",
  "What is not said stays as it is; null takes that bound away.",
  z.strictObject({
    concurrency: z.int().min(0).nullable().exactOptional(),
    rate: z
      .union([
        z.string().max(50),
        z.strictObject({
          limit: z.int().min(1),
          per: duration,
          burst: z.int().min(1).exactOptional(),
        }),
      ])
      .nullable()
      .exactOptional()
      .describe('"100/s", or its parts.'),
  }),
);

/** The routes about limits. */
export function limitRoutes(operations: Operations): readonly Route[] {
  return [
    listRoute(operations),
    setRoute(operations),
    resetRoute(operations),
    releaseRoute(operations),
  ];
}

function listRoute(operations: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/limits",
    operationId: "listLimits",
    summary: "The limits that hold, and how far they are used.",
    scope: "read",
    query: limitQuery,
    replies: [{ status: 200, description: "As asked.", schema: limitList }],
    handle: async ({ query: { queue, limit, key } }) => {
      if ((limit === undefined) !== (key === undefined)) {
        throw new HttpProblem("INVALID_ARGUMENT", {
          detail: "limit and key go together: the key is one of that limit's",
        });
      }
      const keys = limit === undefined || key === undefined ? [] : [{ limit, key }];
      const limits = await operations.limits({ ...(queue === undefined ? {} : { queue }), keys });
      return json({ limits });
    },
  });
}

function setRoute(operations: Operations): Route {
  return defineRoute({
    method: "PUT",
    path: "/v1/queues/{queue}/limits/{limit}",
    operationId: "setLimit",
    summary: "Change a limit for all workers, without a restart.",
    scope: "admin",
    params: limitParams,
    body: { schema: limitChange, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 200, description: "The limits of the queue now.", schema: limitList }],
    handle: async ({ params: { queue, limit }, body, caller }) => {
      await operations.setLimit(queue, { ...body, name: limit, by: caller.name });
      return json({ limits: await operations.limits({ queue }) });
    },
  });
}

function resetRoute(operations: Operations): Route {
  return defineRoute({
    method: "DELETE",
    path: "/v1/queues/{queue}/limits/{limit}",
    operationId: "resetLimit",
    summary: "Take a change of a limit back: what the types declare holds again.",
    scope: "admin",
    params: limitParams,
    replies: [{ status: 200, description: "The limits of the queue now.", schema: limitList }],
    handle: async ({ params: { queue, limit }, caller }) => {
      await operations.resetLimit(queue, { name: limit, by: caller.name });
      return json({ limits: await operations.limits({ queue }) });
    },
  });
}

function releaseRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/queues/{queue}/limits/{limit}/release",
    operationId: "releaseLimit",
    summary: "Lift a handler's push-back before its time: of the whole queue, or of one key.",
    scope: "admin",
    params: limitParams,
    body: { schema: limitRelease, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 200, description: "What was held.", schema: releasedHold }],
    handle: async ({ params: { queue, limit }, body }) =>
      json(await operations.releaseLimit(queue, { ...body, name: limit })),
  });
}
