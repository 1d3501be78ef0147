// What is huge, malformed, slow, deep or hostile gets a problem document or a closed connection, never a 5xx.
import { type Socket, connect } from "node:net";
import { once } from "node:events";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestService, callService, startService } from "./service.ts";

let service: TestService;

beforeAll(async () => {
  service = await startService({ works: false, headersTimeoutMs: 500 });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Settles when a connection is closed, whatever ended it: once() would reject for a write that meets the closed end. */
function closeOf(socket: Socket): Promise<void> {
  socket.on("error", () => {});
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

/** Writes raw bytes, and gives what came back once the connection is closed. */
async function raw(...parts: readonly string[]): Promise<string> {
  const socket = connect(service.listening.port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => (received += text));
  // A server that closes while we still write resets the connection: that is one of the allowed answers.
  const closed = closeOf(socket);
  await once(socket, "connect");
  for (const part of parts) socket.write(part);
  await closed;
  return received;
}

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  service.call("POST", path, { body, headers });

test("a body over the bound is refused before it is read", async () => {
  const reply = await post(
    "/v1/jobs",
    JSON.stringify({ type: "idle", input: "x".repeat(2_000_000) }),
  );
  expect(reply).toMatchObject({ status: 413, json: { code: "TOO_LARGE" } });
  expect(reply.headers.get("connection")).toBe("close");
});

test("a body without a declared length is bounded too", async () => {
  const chunk = "x".repeat(65_536);
  const head =
    "POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
  const chunks = Array.from({ length: 32 }, () => `${(65_536).toString(16)}\r\n${chunk}\r\n`);
  expect(await raw(head, ...chunks)).toMatch(/^(HTTP\/1\.1 413 |$)/);
});

test("an input over the bound of a job is refused by name", async () => {
  const reply = await post(
    "/v1/jobs",
    JSON.stringify({ type: "idle", input: "x".repeat(300_000) }),
  );
  expect(reply).toMatchObject({ status: 413, json: { code: "TOO_LARGE" } });
});

test("nesting, prototypes and malformed JSON are refused, in Data as in the body", async () => {
  const deep = "[".repeat(5_000) + "]".repeat(5_000);
  const bodies = [deep, '{"__proto__":{"a":1}}', "{", "", "nul", "\u0000"];
  for (const body of bodies) {
    expect((await post("/v1/jobs", body)).status, body.slice(0, 20)).toBe(400);
    const wrapped = JSON.stringify({ Type: "idle", Data: body });
    expect((await post("/job", wrapped)).status, body.slice(0, 20)).toBe(400);
  }
  expect(({} as { a?: unknown }).a).toBeUndefined();
});

test("headers over the bound, and what is no HTTP at all, close the connection", async () => {
  const big = await raw(
    `GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
  );
  expect(big).toMatch(/^HTTP\/1\.1 431 /);
  expect(await raw("nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  expect(
    await raw(
      "POST /job HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
  ).toMatch(/^HTTP\/1\.1 400 /);
});

test("a wrong target or host is a problem, not a fault", async () => {
  const replies = await Promise.all([
    raw("GET http://[ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"),
    raw("GET /v1/health HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n"),
    raw("GET /v1/jobs/%E0%A4%A HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"),
    raw("GET /../../etc/passwd HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"),
  ]);
  for (const reply of replies) expect(reply).toMatch(/^HTTP\/1\.1 4\d\d /);
});

test("headers that trickle are cut off in time, and others are served meanwhile", async () => {
  const socket = connect(service.listening.port, "127.0.0.1");
  const closed = closeOf(socket);
  socket.resume();
  await once(socket, "connect");
  const trickle = setInterval(() => socket.write("x: y\r\n"), 100);
  socket.write("GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n");
  try {
    expect((await service.call("GET", "/v1/health")).status).toBe(200);
    await closed;
  } finally {
    clearInterval(trickle);
  }
});

test("a client that hangs up ends its long poll and its stream", async () => {
  const [receipt] = await service.mill.enqueueEntries([{ type: "idle", input: {} }]);
  const stop = new AbortController();
  const pending = [
    fetch(`${service.url}/v1/jobs/${receipt?.id}/result?wait=50s`, { signal: stop.signal }),
    fetch(`${service.url}/v1/events`, { signal: stop.signal }).then((response) => response.text()),
  ].map((promise) => promise.catch((error: unknown) => error));
  const streams = async (): Promise<string> =>
    /^millrace_http_streams (\d+)/m.exec((await service.call("GET", "/metrics")).text)?.[1] ?? "";
  await expect.poll(streams).toBe("1");
  stop.abort();
  await Promise.all(pending);
  await expect.poll(streams).toBe("0");
});

test("whatever the body, the answer is never a fault, and no prototype changes", async () => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const likely = fc.record(
    {
      type: fc.oneof(fc.constantFrom("idle", "echo"), fc.string(), fc.jsonValue()),
      input: fc.jsonValue(),
      delay: fc.oneof(fc.constantFrom("1s", "-1s", "1e9w", ""), fc.jsonValue()),
      runAt: fc.oneof(fc.constantFrom("2030-01-01T00:00:00Z", "never", -1, 1e300), fc.jsonValue()),
      priority: fc.oneof(fc.double(), fc.jsonValue()),
      expiresIn: fc.oneof(fc.constantFrom("1s", "0"), fc.jsonValue()),
      retry: fc.oneof(fc.constantFrom({ attempts: 2 }, { backoff: ["1s"] }), fc.jsonValue()),
      timeout: fc.oneof(fc.constantFrom("1s", "0"), fc.jsonValue()),
      tags: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
      labels: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
      idempotencyKey: fc.oneof(fc.string(), fc.jsonValue()),
      idempotencyTtl: fc.jsonValue(),
      queue: fc.oneof(fc.string(), fc.jsonValue()),
      retention: fc.jsonValue(),
    },
    { requiredKeys: ["type"] },
  );
  const body = fc.oneof(
    likely.map((value) => JSON.stringify(value)),
    fc
      .record({ Type: fc.constantFrom("idle", "echo"), Data: fc.json() })
      .map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string({ unit: "binary" }),
  );
  const paths = fc.constantFrom("/job", "/v1/jobs", "/v1/jobs/bulk", "/v1/queues/idle/pause");
  // Many at once: the machine's time goes into the service rather than into waiting for it.
  const requests = fc.array(fc.tuple(body, paths), { minLength: 10, maxLength: 10, size: "max" });
  await fc.assert(
    fc.asyncProperty(requests, async (batch) => {
      await Promise.all(
        batch.map(async ([text, path]) => {
          const reply = await callService(service.url, "POST", path, { body: text });
          expect(reply.status, `${path} ${text} ${reply.text}`).toBeLessThan(500);
        }),
      );
    }),
    { numRuns: 50 },
  );
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(before);
});

test("whatever the query or the id, the answer is never a fault", async () => {
  const text = fc.string({ unit: "binary-ascii", maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(text, text, async (key, value) => {
      const query = `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
      for (const path of [
        `/v1/jobs?${query}`,
        `/v1/jobs?cursor=${encodeURIComponent(value)}`,
        `/v1/jobs/${encodeURIComponent(value)}/logs?${query}`,
        `/v1/queues/${encodeURIComponent(key)}/resume`,
      ]) {
        const method = path.endsWith("resume") ? "POST" : "GET";
        const reply = await callService(service.url, method, path);
        expect(reply.status, `${path} ${reply.text}`).toBeLessThan(500);
      }
    }),
    { numRuns: 100 },
  );
});

test.each(["key=a", "limit=a", "queue=q&key=a", "queue=q&limit=a"])(
  "half of what names a key of a limit is refused, not passed over: %s",
  async (query) => {
    expect(await service.call("GET", `/v1/limits?${query}`)).toMatchObject({
      status: 400,
      json: { code: "INVALID_ARGUMENT", detail: expect.stringContaining("go together") as string },
    });
  },
);
