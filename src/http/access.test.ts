// Nobody is let in by default; tokens grant what they name; web pages of others reach nothing.
import { expect, test } from "vitest";
import { type AccessOptions, type Scope, createAccessCheck, hostName } from "./access.ts";
import { HttpProblem } from "./problem.ts";

const READER = "reader-token-0123456789";
const ADMIN = "admin-token-0123456789";
const tokens: AccessOptions = {
  tokens: [
    { name: "reader", token: READER, scopes: ["read"] },
    { name: "admin", token: ADMIN, scopes: ["admin"] },
  ],
};
const here = { remoteAddress: "127.0.0.1" };

async function ask(
  options: AccessOptions,
  headers: Record<string, string>,
  scope: Scope = "read",
  connection: { readonly remoteAddress: string | undefined } = here,
): Promise<string> {
  const check = createAccessCheck(options);
  const request = new Request("http://127.0.0.1:8000/v1/jobs", { headers });
  try {
    return (await check(request, scope, connection)).name;
  } catch (thrown) {
    if (thrown instanceof HttpProblem) return thrown.code;
    throw thrown;
  }
}

test("a service without a way in refuses to be made", () => {
  expect(() => createAccessCheck({})).toThrow("lets nobody in");
  expect(() => createAccessCheck({ tokens: [] })).toThrow("lets nobody in");
});

test("a weak token, and one name twice, are refused", () => {
  const weak = { name: "a", token: "short", scopes: ["read"] as const };
  expect(() => createAccessCheck({ tokens: [weak] })).toThrow("at least 16");
  const strong = { ...weak, token: READER };
  expect(() => createAccessCheck({ tokens: [strong, strong] })).toThrow("one name");
});

test("with tokens, every request needs one that grants what it asks", async () => {
  const host = { host: "127.0.0.1:8000" };
  expect(await ask(tokens, host)).toBe("UNAUTHORIZED");
  expect(await ask(tokens, { ...host, authorization: "Bearer wrong" })).toBe("UNAUTHORIZED");
  expect(await ask(tokens, { ...host, authorization: `Basic ${READER}` })).toBe("UNAUTHORIZED");
  expect(await ask(tokens, { ...host, authorization: `Bearer ${READER}` })).toBe("reader");
  expect(await ask(tokens, { ...host, authorization: `bearer ${READER}` })).toBe("reader");
  expect(await ask(tokens, { ...host, authorization: `Bearer ${READER}` }, "enqueue")).toBe(
    "FORBIDDEN",
  );
  expect(await ask(tokens, { ...host, authorization: `Bearer ${ADMIN}` }, "work")).toBe("admin");
});

test("without tokens, only this machine is let in, and only by its own name", async () => {
  const open: AccessOptions = { unauthenticated: "loopback", allowedHosts: ["Mill.test"] };
  for (const host of ["127.0.0.1:8000", "localhost", "[::1]:8000", "mill.test"]) {
    expect(await ask(open, { host })).toBe("anonymous");
  }
  expect(await ask(open, { host: "evil.test" })).toBe("FOREIGN_HOST");
  expect(await ask(open, {})).toBe("FOREIGN_HOST");
  const elsewhere = { remoteAddress: "192.168.0.7" };
  expect(await ask(open, { host: "127.0.0.1" }, "read", elsewhere)).toBe("UNAUTHORIZED");
  const mapped = { remoteAddress: "::ffff:127.0.0.1" };
  expect(await ask(open, { host: "127.0.0.1" }, "read", mapped)).toBe("anonymous");
});

test("a private network is let in by address or plain name, never by a name that could be rebound", async () => {
  const open: AccessOptions = { unauthenticated: "private-network" };
  const elsewhere = { remoteAddress: "10.0.0.7" };
  expect(await ask(open, { host: "10.0.0.2:8000" }, "admin", elsewhere)).toBe("anonymous");
  expect(await ask(open, { host: "service:8000" }, "admin", elsewhere)).toBe("anonymous");
  expect(await ask(open, { host: "evil.test" }, "admin", elsewhere)).toBe("FOREIGN_HOST");
});

test("whoever is refused is told the way in that the service has", async () => {
  const request = new Request("http://127.0.0.1:8000/v1/jobs", { headers: { host: "127.0.0.1" } });
  const refusal = async (options: AccessOptions, remoteAddress = "127.0.0.1"): Promise<string> => {
    const check = createAccessCheck(options);
    try {
      return (await check(request, "read", { remoteAddress })).name;
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  expect(await refusal(tokens)).toContain("Bearer TOKEN");
  expect(await refusal({ authorize: () => null })).toContain("sign in");
  expect(await refusal({ authorize: async () => null })).toContain("sign in");
  expect(await refusal({ unauthenticated: "loopback" }, "10.0.0.7")).toContain("its own machine");
});

test("pages of other origins are refused, with a token too; the service's own and allowed ones are not", async () => {
  const host = "127.0.0.1:8000";
  const bearer = { host, authorization: `Bearer ${ADMIN}` };
  for (const origin of ["https://evil.test", "http://127.0.0.1:9999", "null", "nonsense"]) {
    expect(await ask(tokens, { ...bearer, origin })).toBe("FOREIGN_ORIGIN");
    expect(await ask({ unauthenticated: "loopback" }, { host, origin })).toBe("FOREIGN_ORIGIN");
  }
  expect(await ask(tokens, { ...bearer, "sec-fetch-site": "cross-site" })).toBe("FOREIGN_ORIGIN");
  expect(await ask(tokens, { ...bearer, origin: `http://${host}` })).toBe("admin");
  const allowed = { ...tokens, allowedOrigins: ["https://ops.test"] };
  expect(await ask(allowed, { ...bearer, origin: "https://ops.test" })).toBe("admin");
});

test("a host header is read with port and brackets, and nothing that only looks like one", () => {
  expect(hostName("LocalHost:80")).toBe("localhost");
  expect(hostName("[::1]:8000")).toBe("::1");
  expect(hostName("a/b")).toBeNull();
  expect(hostName("127.0.0.1:8000@evil.test")).toBeNull();
  expect(hostName(null)).toBeNull();
});
