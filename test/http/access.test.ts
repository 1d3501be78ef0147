// Every route, streams included, without a token, with each scope, and from a foreign page: nothing is open.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { request } from "node:http";
import { listenJobService } from "millrace/http";
import { TOKENS, type TestService, startService } from "./service.ts";

const ID = "01a20227-08a4-7000-a4ee-f57ef437030e";
let guarded: TestService;
let open: TestService;

beforeAll(async () => {
  guarded = await startService({ access: { tokens: TOKENS }, works: false });
  open = await startService({ works: false });
});
afterAll(async () => {
  await guarded[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
});

interface RouteCase {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly scope: string;
  readonly hasBody: boolean;
}

// The routes are those of a service as it is built, so a new one is tested by being there.
const routes: readonly RouteCase[] = await (async () => {
  await using service = await startService({ works: false });
  return service.listening.service.routes.map(({ method, path, scope, body }) => ({
    name: `${method} ${path}`,
    method,
    path: path.replace("{id}", ID).replace("{queue}", "echo").replace("{name}", "none"),
    scope,
    hasBody: body !== undefined,
  }));
})();

/** Sends a request as it is said, whatever a browser or fetch would allow; gives the status. */
function send(
  url: string,
  { method, path, hasBody }: RouteCase,
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}${path}`,
      {
        method,
        headers: { ...(hasBody ? { "content-type": "application/json" } : {}), ...headers },
      },
      (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      },
    );
    sent.on("error", reject);
    sent.end(hasBody ? "{}" : undefined);
  });
}

test("there are routes to test", () => {
  expect(routes.length).toBeGreaterThan(20);
});

describe.each(routes)("$name", (route) => {
  test("is refused without a token, and with a wrong one", async () => {
    expect(await send(guarded.url, route, {})).toBe(401);
    expect(await send(guarded.url, route, { authorization: "Bearer nonsense" })).toBe(401);
    expect(await send(guarded.url, route, { authorization: `Basic ${TOKENS[3].token}` })).toBe(401);
  });

  test.each(TOKENS)("with the scope of $name does what that grants, and no more", async (token) => {
    const status = await send(guarded.url, route, { authorization: `Bearer ${token.token}` });
    const isGranted = token.scopes.some((scope) => scope === route.scope || scope === "admin");
    const isLetIn = status !== 401 && status !== 403;
    expect({ isLetIn, isDenied: status === 403 }).toEqual({
      isLetIn: isGranted,
      isDenied: !isGranted,
    });
  });

  test("is refused to a page of another origin, with the best token", async () => {
    const authorization = `Bearer ${TOKENS[3].token}`;
    for (const origin of ["https://evil.test", "null", "http://127.0.0.1:1"]) {
      expect(await send(guarded.url, route, { authorization, origin })).toBe(403);
      expect(await send(open.url, route, { origin })).toBe(403);
    }
    expect(await send(open.url, route, { "sec-fetch-site": "cross-site" })).toBe(403);
  });

  test("is refused under a foreign host name, where no token is asked for", async () => {
    expect(await send(open.url, route, { host: "evil.test" })).toBe(421);
    expect(await send(open.url, route, { host: "127.0.0.1.evil.test:8000" })).toBe(421);
  });

  test("answers this machine without a token, where none is asked for", async () => {
    expect([401, 403, 421]).not.toContain(await send(open.url, route, {}));
  });
});

test("what is not served is not told to those who are not let in", async () => {
  const nowhere = { name: "", method: "GET", path: "/admin", scope: "", hasBody: false };
  expect(await send(guarded.url, nowhere, {})).toBe(401);
  expect(await send(guarded.url, { ...nowhere, path: "/v1/queues", method: "PUT" }, {})).toBe(401);
  const authorization = `Bearer ${TOKENS[2].token}`;
  expect(await send(guarded.url, nowhere, { authorization })).toBe(404);
});

test("a form of a web page is refused by its content type", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    const reply = await open.call("POST", "/job", {
      body: '{"Type":"idle","Data":"{}"}',
      headers: { "content-type": type },
    });
    expect(reply).toMatchObject({ status: 415, json: { code: "UNSUPPORTED_MEDIA_TYPE" } });
  }
});

test.each([70_000, -1, 0.5])("a port that is none is refused as any other: %d", async (port) => {
  await expect(listenJobService({ operations: open.mill, port })).rejects.toMatchObject({
    code: "INVALID_CONFIG",
    message: expect.stringContaining(`can't listen on 127.0.0.1 port ${port}`) as string,
  });
});

test("listening beyond this machine needs tokens or the named opt-out", async () => {
  const options = { operations: open.mill, port: 0 };
  await expect(listenJobService({ ...options, host: "0.0.0.0" })).rejects.toMatchObject({
    code: "INVALID_CONFIG",
    message: expect.stringContaining("MILLRACE_TOKEN") as string,
  });
  await expect(
    listenJobService({ ...options, host: "0.0.0.0", access: { unauthenticated: "loopback" } }),
  ).rejects.toMatchObject({ code: "INVALID_CONFIG" });
});
