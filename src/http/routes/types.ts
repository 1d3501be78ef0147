// The route that registers job types.
import type { TypeRegistration } from "../../runtime/index.ts";
import { MillraceError } from "../../core/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, defineRoute, json } from "../route.ts";
import { typeDeclaration, typeDeclared, typeParams } from "../schemas/remote-schemas.ts";

/** The route that registers job types. */
export function typeRoutes(registration: TypeRegistration | undefined): readonly Route[] {
  return [
    defineRoute({
      method: "PUT",
      path: "/v1/types/{name}",
      operationId: "putType",
      summary:
        "Register a job type, or another form of one. A launcher that starts programs needs a token that grants admin, on loopback too.",
      scope: "admin",
      params: typeParams,
      body: { schema: typeDeclaration, maxBytes: MAX_BODY_BYTES },
      replies: [{ status: 200, description: "Registered.", schema: typeDeclared }],
      handle: async ({ params, body, caller }) => {
        if (registration === undefined) {
          throw new MillraceError("UNSUPPORTED", {
            message: "this service has no store of its own to register job types in",
          });
        }
        if (caller.isAnonymous === true && registration.startsPrograms(body.launcher)) {
          throw new HttpProblem("FORBIDDEN", {
            detail: `the launcher ${body.launcher} starts programs: registering it needs a token that grants admin, from this machine too. Set MILLRACE_TOKEN (or http.tokens)`,
          });
        }
        await registration.declare(params.name, body);
        return json({ name: params.name, launcher: body.launcher });
      },
    }),
  ];
}
