// The routes of orders on many jobs, of why a job waits, of errors, and of draining a queue.
import { MillraceError } from "../../core/index.ts";
import type { Operations } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { jobParams } from "../schemas/job-schemas.ts";
import {
  errorList,
  errorQuery,
  orderBody,
  orderProgress,
  orderReplies,
  orderStep,
  queueDraining,
  whyView,
} from "../schemas/order-schemas.ts";
import { type Route, defineRoute, json } from "../route.ts";
import { reason } from "../schemas/schemas.ts";
import { queueParams } from "../schemas/system-schemas.ts";

/** The routes beyond single jobs. */
export function orderRoutes(operations: Operations): readonly Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/v1/jobs/order",
      operationId: "orderJobs",
      summary:
        "Cancel, retry, remove, move, reschedule or prioritize jobs by their ids; a retry may bring another input.",
      scope: "admin",
      body: { schema: orderBody, maxBytes: MAX_BODY_BYTES },
      replies: [{ status: 200, description: "One reply a job.", schema: orderReplies }],
      handle: async ({ body }) => json({ replies: await operations.order(body.ids, body.order) }),
    }),
    defineRoute({
      method: "POST",
      path: "/v1/jobs/order-matching",
      operationId: "orderMatchingJobs",
      summary:
        "One bounded step of an order on whatever a selection fits, or a dry run that counts and samples.",
      scope: "admin",
      body: { schema: orderStep, maxBytes: MAX_BODY_BYTES },
      replies: [{ status: 200, description: "How far it has come.", schema: orderProgress }],
      handle: async ({ body }) => json(await operations.orderMatching(body)),
    }),
    defineRoute({
      method: "GET",
      path: "/v1/jobs/{id}/why",
      operationId: "whyJob",
      summary: "Why a job is not running, as data and as a sentence.",
      scope: "read",
      params: jobParams,
      replies: [{ status: 200, description: "The reasons.", schema: whyView }],
      handle: async ({ params }) => {
        const why = await operations.why(params.id);
        if (why === null) {
          throw new MillraceError("JOB_NOT_FOUND", { message: `no job ${params.id} is kept` });
        }
        return json(why);
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/errors",
      operationId: "listErrors",
      summary: "Errors by fingerprint and type, counted, with when each was seen first and last.",
      scope: "read",
      query: errorQuery,
      replies: [{ status: 200, description: "The most frequent first.", schema: errorList }],
      handle: async ({ query }) => json({ errors: await operations.errors(query) }),
    }),
    drainRoute(operations),
  ];
}

function drainRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/queues/{queue}/drain",
    operationId: "drainQueue",
    summary: "Let a queue take nothing new in, while what is there runs out. Resume ends it.",
    scope: "admin",
    params: queueParams,
    body: { schema: reason, maxBytes: MAX_BODY_BYTES, isOptional: true },
    replies: [{ status: 200, description: "Draining.", schema: queueDraining }],
    handle: async ({ params, body, caller }) => {
      await operations.drain(params.queue, { by: caller.name, reason: body.reason ?? "" });
      return json({ name: params.queue, draining: true });
    },
  });
}
