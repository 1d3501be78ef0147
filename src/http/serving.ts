// Serving routes: every one behind one wrapper that guards, parses and measures.
import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { Logger, Repeats } from "../runtime/index.ts";
import type { AccessCheck, Connection } from "./access.ts";
import { readJsonBody, readOptionalJsonBody } from "./body.ts";
import type { RequestMeter } from "./metrics.ts";
import { HttpProblem, explainThrown, problemResponse, statusOf } from "./problem.ts";
import { type Route, SECURITY_HEADERS } from "./route.ts";

/** What stands around every route. */
export interface ServingOptions {
  readonly access: AccessCheck;
  readonly logger: Logger;
  /** Counts the refusals that come often. */
  readonly repeats: Repeats;
  /** Where the routes begin. */
  readonly basePath: string;
  /** Makes the meter of a route, by its operation id. */
  readonly meterOf: (operationId: string) => RequestMeter;
}

/** Answers one request. */
export type Fetch = (request: Request, env?: object) => Response | Promise<Response>;

/** Serves routes: each is reached through the access check alone, and every error becomes a problem. */
export function serveRoutes(
  routes: readonly Route[],
  { access, logger, repeats, basePath, meterOf }: ServingOptions,
): Fetch {
  const app = new Hono().basePath(basePath);
  const refuse = createRefusal(logger, repeats);
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
  return (request, env) => app.fetch(request, env);
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

/**
 * The one place where errors become replies: told to the client in a problem, and to the log where it is our fault. What
 * is refused for the time being needs no stack, and in an outage comes with every request.
 */
function createRefusal(logger: Logger, repeats: Repeats): Refuse {
  return (context, thrown) => {
    const { code, options, isFault } = explainThrown(thrown);
    if (isFault && !context.req.raw.signal.aborted) {
      const { method, path } = context.req;
      if (statusOf(code) === 500) {
        logger.error({ err: thrown, code, method, path }, "request failed");
      } else {
        const fields = { code, reason: options.detail, method, path };
        repeats.tell(code, (repeated) => {
          logger.warn(repeated === undefined ? fields : { ...fields, repeated }, "request refused");
        });
      }
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
    const hasHungUp = response.status >= 500 && context.req.raw.signal.aborted;
    meter(hasHungUp ? HUNG_UP : response.status, (performance.now() - started) / 1_000);
    return response;
  };
}

/** What is counted where the client hung up before there was a reply, a long poll mostly: nginx's number for it. */
const HUNG_UP = 499;

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
