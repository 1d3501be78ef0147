// What a route is: one declaration from which it is served, guarded, documented and tested.
import type { z } from "zod";
import type { Caller, Scope } from "./access.ts";

/** The methods that routes use. */
type Method = "GET" | "POST" | "PUT" | "DELETE";

/** One reply that a route can give, beside the problems that every route can. */
interface ReplyDescription {
  readonly status: number;
  readonly description: string;
  readonly schema?: z.ZodType;
  /** `application/json` unless said otherwise. */
  readonly contentType?: string;
}

/** What a route's handler gets: everything parsed, the caller let in. */
interface Call<Params, Query, Body> {
  readonly request: Request;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Caller;
}

/** A route with the types of what it parses. */
export interface RouteOptions<Params, Query, Body> {
  readonly method: Method;
  /** With parameters as `{name}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  /** What a token must grant. */
  readonly scope: Scope;
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  readonly body?: {
    readonly schema: z.ZodType<Body>;
    readonly maxBytes: number;
    /** An absent body counts as `{}`. */
    readonly isOptional?: boolean;
  };
  /** Request headers of its own, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly replies: readonly ReplyDescription[];
  readonly handle: (call: Call<Params, Query, Body>) => Response | Promise<Response>;
}

/** A route whatever it parses: for lists of them. */
export type Route = RouteOptions<unknown, unknown, unknown>;

/** Declares a route: ties the types of its schemas to its handler. */
export function defineRoute<Params = unknown, Query = unknown, Body = unknown>(
  options: RouteOptions<Params, Query, Body>,
): Route {
  // What a handler gets has been parsed by the very schemas that its types come from.
  return options as unknown as Route;
}

/** Sent with every reply. Nothing here is a page, so nothing may be loaded, framed, sniffed or cached. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
});

const JSON_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  ...SECURITY_HEADERS,
  "content-type": "application/json",
});

/** Makes a JSON reply. */
export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: JSON_HEADERS });
}
