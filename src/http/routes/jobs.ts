// The routes that show and change jobs.
import {
  type ChangeReply,
  type JobId,
  MAX_PAGE,
  MillraceError,
  isMillraceError,
  isTerminal,
  parseDuration,
} from "../../core/index.ts";
import type { JobQuery, JobView, Operations } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, defineRoute, json } from "../route.ts";
import {
  type JobListQuery,
  MAX_WAIT_MS,
  jobChanged,
  jobPage,
  jobParams,
  jobQuery,
  jobResult,
  jobView,
  logPage,
  logQuery,
  waitQuery,
} from "../schemas/job-schemas.ts";
import { reason } from "../schemas/schemas.ts";

/** The routes that show and change jobs. */
export function jobRoutes(operations: Operations): readonly Route[] {
  return [
    showRoute(operations, "/job/{id}", "showCompatJob"),
    listRoute(operations),
    showRoute(operations, "/v1/jobs/{id}", "showJob"),
    resultRoute(operations),
    logsRoute(operations),
    cancelRoute(operations),
    changeRoute(
      "POST",
      "/v1/jobs/{id}/retry",
      "retryJob",
      "Make a job that failed or was cancelled ready again, with a fresh set of attempts.",
      (id) => operations.retry([id]),
    ),
    changeRoute(
      "DELETE",
      "/v1/jobs/{id}",
      "removeJob",
      "Remove a job that does not run, with all that is kept of it.",
      (id) => operations.remove([id]),
    ),
  ];
}

function showRoute(operations: Operations, path: string, operationId: string): Route {
  return defineRoute({
    method: "GET",
    path,
    operationId,
    summary: "Show one job.",
    scope: "read",
    params: jobParams,
    replies: [{ status: 200, description: "The job.", schema: jobView }],
    handle: async ({ params }) =>
      json((await operations.job(params.id)) ?? throwNotFound(params.id)),
  });
}

function listRoute(operations: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/jobs",
    operationId: "listJobs",
    summary: "List jobs, newest first, a page at a time.",
    scope: "read",
    query: jobQuery,
    replies: [{ status: 200, description: "A page of jobs.", schema: jobPage }],
    handle: async ({ query }) => json(await operations.jobs(toJobQuery(query))),
  });
}

function toJobQuery({ state, ...rest }: JobListQuery): JobQuery {
  return state === undefined ? rest : { ...rest, states: state };
}

function resultRoute(operations: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/jobs/{id}/result",
    operationId: "awaitJob",
    summary: "How a job ended; with wait, the reply comes when it ends or the time is over.",
    scope: "read",
    params: jobParams,
    query: waitQuery,
    replies: [
      { status: 200, description: "The job ended: its state says how.", schema: jobResult },
      { status: 202, description: "The job has not ended yet.", schema: jobResult },
    ],
    handle: async ({ params, query, request }) => {
      const job = await waitFor(operations, params.id, query.wait, request);
      const { id, state, result, error } = job ?? throwNotFound(params.id);
      return json({ id, state, result, error }, isTerminal(state) ? 200 : 202);
    },
  });
}

async function waitFor(
  operations: Operations,
  id: JobId,
  wait: string | undefined,
  request: Request,
): Promise<JobView | null> {
  const timeout = Math.min(wait === undefined ? 0 : parseDuration(wait, "wait"), MAX_WAIT_MS);
  if (timeout === 0) return operations.job(id);
  try {
    // A client that hangs up ends its waiting here too.
    return await operations.wait(id, { timeout, signal: request.signal });
  } catch (thrown) {
    if (isMillraceError(thrown, "WAIT_TIMEOUT")) return operations.job(id);
    throw thrown;
  }
}

function logsRoute(operations: Operations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/jobs/{id}/logs",
    operationId: "jobLogs",
    summary: "The lines that a job logged, oldest first.",
    scope: "read",
    params: jobParams,
    query: logQuery,
    replies: [{ status: 200, description: "Log lines.", schema: logPage }],
    handle: async ({ params, query }) => {
      const lines = await operations.logs(params.id, {
        limit: query.limit ?? MAX_PAGE,
        ...(query.after === undefined ? {} : { afterSeq: query.after }),
      });
      if (lines.length === 0 && (await operations.job(params.id)) === null) {
        throwNotFound(params.id);
      }
      return json({ lines });
    },
  });
}

function cancelRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/jobs/{id}/cancel",
    operationId: "cancelJob",
    summary: "Cancel a job: at once where it waits; where it runs, its handler is told.",
    scope: "admin",
    params: jobParams,
    body: { schema: reason, maxBytes: MAX_BODY_BYTES, isOptional: true },
    replies: [{ status: 200, description: "Cancelled, or asked for.", schema: jobChanged }],
    handle: async ({ params, body }) => {
      const replies = await operations.cancel(
        [params.id],
        body.reason === undefined ? {} : { reason: body.reason },
      );
      return changed(params.id, replies);
    },
  });
}

function changeRoute(
  method: "POST" | "DELETE",
  path: string,
  operationId: string,
  summary: string,
  change: (id: JobId) => Promise<readonly ChangeReply[]>,
): Route {
  return defineRoute({
    method,
    path,
    operationId,
    summary,
    scope: "admin",
    params: jobParams,
    replies: [{ status: 200, description: "Done.", schema: jobChanged }],
    handle: async ({ params }) => changed(params.id, await change(params.id)),
  });
}

function changed(id: JobId, [reply]: readonly ChangeReply[]): Response {
  if (reply === undefined || reply.state === null) throwNotFound(id);
  if (!reply.changed) {
    throw new HttpProblem("WRONG_STATE", {
      detail: `the job is ${reply.state}, which does not allow this`,
    });
  }
  return json({ id, changed: true, state: reply.state });
}

function throwNotFound(id: JobId): never {
  throw new MillraceError("JOB_NOT_FOUND", {
    message: `no job ${id} is kept: the id is wrong, or the job ended and its time was over`,
  });
}
