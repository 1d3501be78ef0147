// The OpenAPI 3.1 document, written from the routes and the very schemas that validate.
import { z } from "zod";
import type { Route } from "./route.ts";
import { namedSchemas, problem } from "./schemas/schemas.ts";

const REFERENCE = (id: string): string => `#/components/schemas/${id}`;

/** Problems that every route can answer with, beside its own replies. */
const COMMON_PROBLEMS: Readonly<Record<number, string>> = {
  400: "The request can't be read.",
  401: "No valid token came with the request.",
  403: "The token does not grant this, or a foreign web page asked.",
  500: "The service failed.",
  503: "The store does not answer, or the service stops.",
};

/** Writes the document. */
export function buildOpenApi(routes: readonly Route[], version: string, basePath = "/"): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    (paths[route.path] ??= {})[route.method.toLowerCase()] = describeOperation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace job service",
      version,
      description: "Enqueue, follow and look after durable jobs. Errors are RFC 9457 problems.",
    },
    servers: [{ url: basePath }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      schemas: componentSchemas(),
    },
  };
}

function componentSchemas(): Record<string, object> {
  const { schemas } = z.toJSONSchema(namedSchemas, { uri: REFERENCE, io: "input" });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => {
      const { $schema: _dialect, $id: _id, ...rest } = schema as Record<string, unknown>;
      return [id, rest];
    }),
  );
}

function describeOperation(route: Route): object {
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: `Needs a token that grants \`${route.scope}\`, where tokens are used.`,
    parameters: [
      ...parametersOf(route.params, "path"),
      ...parametersOf(route.query, "query"),
      ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
        name,
        in: "header",
        required: false,
        description,
        schema: { type: "string" },
      })),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.body.isOptional !== true,
            content: { "application/json": { schema: referTo(route.body.schema) } },
          },
        }),
    responses: describeReplies(route),
  };
}

function parametersOf(schema: z.ZodType | undefined, where: "path" | "query"): object[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = inline(schema);
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property as { readonly description?: string };
    return {
      name,
      in: where,
      required: where === "path" || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function inline(schema: z.ZodType): {
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
} {
  return z.toJSONSchema(schema, { io: "input" }) as ReturnType<typeof inline>;
}

function referTo(schema: z.ZodType): object {
  const id = namedSchemas.get(schema)?.id;
  if (id === undefined) throw new Error("a body's schema has no name in the OpenAPI document");
  return { $ref: REFERENCE(id) };
}

function describeReplies(route: Route): Record<string, object> {
  const replies: Record<string, object> = {};
  for (const [status, description] of Object.entries({
    ...COMMON_PROBLEMS,
    ...(route.params === undefined ? {} : { 404: "No such job or queue." }),
    ...(route.body === undefined
      ? {}
      : {
          413: "The body is too large.",
          415: "The body is not JSON, or is compressed.",
          422: "The body does not fit.",
        }),
    ...(route.scope === "admin" ? { 409: "The state does not allow this." } : {}),
  })) {
    replies[status] = {
      description,
      content: { "application/problem+json": { schema: referTo(problem) } },
    };
  }
  for (const { status, description, schema, contentType = "application/json" } of route.replies) {
    replies[status] = {
      description,
      content: {
        [contentType]: { schema: schema === undefined ? { type: "string" } : referTo(schema) },
      },
    };
  }
  return replies;
}
