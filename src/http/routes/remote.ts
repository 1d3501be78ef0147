// The routes of workers elsewhere: claim, report, settle. A service called over HTTP settles by the same route.
import type { ZodType } from "zod";
import { MillraceError, parseDuration } from "../../core/index.ts";
import type { RemoteClaim, RemoteJob, RemoteOperations } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, SECURITY_HEADERS, defineRoute, json } from "../route.ts";
import { MAX_WAIT_MS, jobParams } from "../schemas/job-schemas.ts";
import {
  claimBody,
  claimGiven,
  reportBody,
  reportKept,
  settleBody,
  settleKept,
} from "../schemas/remote-schemas.ts";

/** The header that names the claim, for programs whose body is the result alone. */
const CLAIM_HEADER = "claim-token";
const TOKEN_HEADER = {
  [CLAIM_HEADER]: "The token of the claim, where the body does not say it.",
};

/** The routes of workers elsewhere. */
export function remoteRoutes(remote: RemoteOperations | undefined): readonly Route[] {
  const operations = (): RemoteOperations => {
    if (remote !== undefined) return remote;
    throw new MillraceError("UNSUPPORTED", {
      message: "this service has no store of its own, so remote workers can't claim through it",
    });
  };
  return [claimRoute(operations), reportRoute(operations), settleRoute(operations)];
}

function claimRoute(operations: () => RemoteOperations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/claims",
    operationId: "claimJobs",
    summary: "Claim jobs for a remote worker; with wait, the reply comes when there is one.",
    scope: "work",
    body: { schema: claimBody, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 200, description: "The jobs, or none yet.", schema: claimGiven }],
    handle: async ({ body, caller, request }) => {
      const { wait, ...wanted } = body;
      const claim = await operations().claim({
        ...wanted,
        holder: caller.name,
        waitMs: Math.min(wait === undefined ? 0 : parseDuration(wait, "wait"), MAX_WAIT_MS),
        signal: request.signal,
      });
      return new Response(claimText(claim), {
        headers: { ...SECURITY_HEADERS, "content-type": "application/json" },
      });
    },
  });
}

/** Each job is told with its input last, as the text that it is kept as: a shell script can cut it out. */
function claimText({ worker, leaseDurationMs, jobs }: RemoteClaim): string {
  const head = JSON.stringify({ worker, leaseDurationMs });
  return `${head.slice(0, -1)},"jobs":[${jobs.map(jobText).join(",")}]}`;
}

function jobText({ job, timeoutMs, inputText }: RemoteJob): string {
  const head = JSON.stringify({ ...job, timeoutMs: timeoutMs ?? null });
  return `${head.slice(0, -1)},"input":${inputText}}`;
}

function reportRoute(operations: () => RemoteOperations): Route {
  return heldJobRoute({
    action: "report",
    summary: "Tell progress and log lines of a claimed job, and that its worker lives.",
    schema: reportBody,
    reply: reportKept,
    answer: (id, token, body) => operations().report(id, { ...body, token }),
  });
}

function settleRoute(operations: () => RemoteOperations): Route {
  return heldJobRoute({
    action: "settle",
    summary: "Say how a claimed job ended.",
    schema: settleBody,
    reply: settleKept,
    answer: (id, token, { progress, logs, token: _token, ...outcome }) =>
      operations().settle(id, { token, progress, logs, outcome }),
  });
}

/** A route about a job that the caller holds: its id is in the path, its token in the body or a header. */
function heldJobRoute<Body extends { readonly token?: string }>(parts: {
  readonly action: "report" | "settle";
  readonly summary: string;
  readonly schema: ZodType<Body>;
  readonly reply: ZodType;
  readonly answer: (id: string, token: string, body: Body) => Promise<object>;
}): Route {
  const { action, summary, schema, reply, answer } = parts;
  return defineRoute({
    method: "POST",
    path: `/v1/claims/{id}/${action}`,
    operationId: `${action}Job`,
    summary,
    scope: "work",
    params: jobParams,
    body: { schema, maxBytes: MAX_BODY_BYTES },
    headers: TOKEN_HEADER,
    replies: [{ status: 200, description: "Kept.", schema: reply }],
    handle: async ({ params, body, request }) =>
      json(await answer(params.id, tokenOf(request, body.token), body)),
  });
}

function tokenOf(request: Request, inBody: string | undefined): string {
  const token = inBody ?? request.headers.get(CLAIM_HEADER);
  if (token !== null) return token;
  throw new HttpProblem("INVALID_ARGUMENT", {
    detail: `the claim's token is missing; send it as token in the body, or in the header ${CLAIM_HEADER}`,
  });
}
