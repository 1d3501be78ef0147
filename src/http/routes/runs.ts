// The routes about workflow runs. To cancel, retry or follow one, do as with any job.
import { MillraceError } from "../../core/index.ts";
import type { Operations, RunView } from "../../runtime/index.ts";
import { GRAPH_WORKFLOW, prepareGraph } from "../../workflow/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { jobAccepted, jobParams } from "../schemas/job-schemas.ts";
import { type Route, defineRoute, json } from "../route.ts";
import {
  graphBody,
  runView,
  signalBody,
  signalParams,
  signalSent,
} from "../schemas/run-schemas.ts";

/** The routes about workflow runs. */
export function runRoutes(operations: Operations): readonly Route[] {
  return [showRoute(operations), signalRoute(operations), graphRoute(operations)];
}

function showRoute({ runs }: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/runs/{id}",
    operationId: "showRun",
    summary: "Show a workflow run with its steps.",
    scope: "read",
    params: jobParams,
    replies: [{ status: 200, description: "The run.", schema: runView }],
    handle: async ({ params }) => json((await runs.get(params.id)) ?? throwNotFound(params.id)),
  });
}

function signalRoute({ runs }: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/runs/{id}/signals/{name}",
    operationId: "signalRun",
    summary: "Signal a workflow run. The signal is kept until the run waits for it, or ends.",
    scope: "enqueue",
    params: signalParams,
    body: { schema: signalBody, maxBytes: MAX_BODY_BYTES, isOptional: true },
    replies: [{ status: 202, description: "The signal is kept.", schema: signalSent }],
    handle: async ({ params: { id, name }, body }) => {
      await runs.signal(id, name, body.payload ?? null);
      return json({ id, name, sent: true }, 202);
    },
  });
}

function graphRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/graphs",
    operationId: "runGraph",
    summary: "Check a graph whole, and run it as a workflow.",
    scope: "enqueue",
    body: { schema: graphBody, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 202, description: "The run is kept.", schema: jobAccepted }],
    handle: async ({ body }) => {
      const posted = prepareGraph(body.graph, body.input ?? null, await operations.types());
      const options = body.tags === undefined ? {} : { tags: body.tags };
      const [receipt] = await operations.enqueueEntries([
        { type: GRAPH_WORKFLOW, input: posted, options },
      ]);
      if (receipt === undefined) throw new MillraceError("STORE_FAILED");
      const { id, state, type, isNew } = receipt;
      return json({ id, state, type, isNew }, 202);
    },
  });
}

function throwNotFound(id: string): RunView {
  throw new MillraceError("JOB_NOT_FOUND", { details: { jobId: id } });
}
