// What a program does with a store at hand, it does with a service's URL and token, to the same effect.
import { afterAll, beforeAll, expect, test } from "vitest";
import { once } from "node:events";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { EnqueueOptions, Operations } from "millrace";
import { createHttpOperations } from "millrace/http";
import { TOKENS, type TestService, freePort, startService } from "./service.ts";

let service: TestService;
let client: ReturnType<typeof createHttpOperations>;

beforeAll(async () => {
  service = await startService({ access: { tokens: TOKENS } });
  client = createHttpOperations({ url: `${service.url}/`, token: TOKENS[3].token });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

test("a job enqueued by the client gives its result, and is shown as the store shows it", async () => {
  const [receipt] = await client.enqueueEntries([
    { type: "echo", input: { text: "hi" }, options: { tags: ["a"], delay: "10ms" } },
  ]);
  expect(receipt).toMatchObject({ type: "echo", isNew: true, state: "scheduled" });
  expect(await receipt?.result({ timeout: "30s" })).toEqual({ text: "hi" });
  const id = receipt?.id ?? "";
  expect(await client.job(id)).toEqual(await service.mill.job(id));
  expect(await client.jobs({ tag: "a" })).toEqual(await service.mill.jobs({ tag: "a" }));
  expect(await client.logs(id)).toEqual(await service.mill.logs(id));
  expect(await client.types()).toEqual(await service.mill.types());
  const { nowMs: _now, facts: _facts, ...described } = await client.describe();
  expect(await service.mill.describe()).toMatchObject(described);
  expect((await client.workers()).map(({ id }) => id)).toEqual(
    (await service.mill.workers()).map(({ id }) => id),
  );
});

test.each([
  [{ timeout: 0 }, "INVALID_DURATION", "timeout is 0; expected at least 1 ms"],
  [{ attemps: 2 }, "INVALID_ARGUMENT", "attemps"],
  [{ retry: { attemps: 2 } }, "INVALID_ARGUMENT", "attemps"],
])("what an enqueue can't say is told as by a store at hand: %j", async (options, code, told) => {
  const entry = { type: "echo", input: { text: "hi" }, options: options as EnqueueOptions };
  const message = expect.stringContaining(told) as string;
  await expect(client.enqueueEntries([entry])).rejects.toMatchObject({ code, message });
  await expect(service.mill.enqueueEntries([entry])).rejects.toMatchObject({ code, message });
});

const kept = "01a20227-08a4-7000-a4ee-f57ef437030e";
const nonsense = { nonsense: 1 } as never;

test.each([
  ["logs", (operations: Operations) => operations.logs(kept, nonsense)],
  ["wait", (operations: Operations) => operations.wait(kept, nonsense)],
  ["jobs", (operations: Operations) => operations.jobs(nonsense)],
  ["cancel", (operations: Operations) => operations.cancel([kept], nonsense)],
  ["figures", (operations: Operations) => operations.figures(nonsense)],
  ["errors", (operations: Operations) => operations.errors(nonsense)],
  ["pause", (operations: Operations) => operations.pause("q", nonsense)],
  ["resume", (operations: Operations) => operations.resume("q", nonsense)],
  ["drain", (operations: Operations) => operations.drain("q", nonsense)],
  ["subscribe", (operations: Operations) => operations.subscribe(nonsense, () => {})],
  ["limits", (operations: Operations) => operations.limits(nonsense)],
  ["setLimit", (operations: Operations) => operations.setLimit("q", nonsense)],
  ["resetLimit", (operations: Operations) => operations.resetLimit("q", nonsense)],
  ["releaseLimit", (operations: Operations) => operations.releaseLimit("q", nonsense)],
  ["schedules.list", ({ schedules }: Operations) => schedules.list(nonsense)],
  ["schedules.pause", ({ schedules }: Operations) => schedules.pause("s", nonsense)],
  ["preview", ({ schedules }: Operations) => schedules.preview({ every: "1h" }, nonsense)],
])("%s of the client takes no name that nobody reads, as with a store", async (_, call) => {
  for (const operations of [client, service.mill]) {
    await expect(call(operations)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("nonsense") as string,
    });
  }
});

test("a failed or cancelled job rejects with its code and error", async () => {
  const [failed, cancelled] = await client.enqueueEntries([
    { type: "failing", input: {} },
    { type: "endless", input: {} },
  ]);
  await expect(failed?.result()).rejects.toMatchObject({
    code: "JOB_FAILED",
    message: expect.stringContaining("as it was told to") as string,
  });
  const result = cancelled?.result();
  await client.cancel([cancelled?.id ?? ""], { reason: "enough" });
  await expect(result).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  expect(await client.retry([failed?.id ?? ""])).toEqual([{ changed: true, state: "ready" }]);
});

test("a wait that is over rejects with WAIT_TIMEOUT; a caller's signal ends it", async () => {
  const [receipt] = await client.enqueueEntries([{ type: "idle", input: {} }]);
  await expect(receipt?.result({ timeout: "20ms" })).rejects.toMatchObject({
    code: "WAIT_TIMEOUT",
  });
  const stop = new AbortController();
  const waiting = receipt?.result({ signal: stop.signal });
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("what is not kept, or can't be changed, is told as by the store", async () => {
  const nowhere = "01a20227-08a4-7000-a4ee-f57ef437030e";
  expect(await client.job(nowhere)).toBeNull();
  expect(await client.wait(nowhere, { timeout: "1s" })).toBeNull();
  const [idle] = await client.enqueueEntries([{ type: "idle", input: {} }]);
  const ids = [nowhere, idle?.id ?? ""];
  expect(await client.retry(ids)).toEqual(await service.mill.retry(ids));
  expect(await client.remove(ids)).toMatchObject([
    { changed: false, state: null },
    { changed: true },
  ]);
});

test("a queue is paused in the token's name, and resumed", async () => {
  await client.enqueueEntries([{ type: "idle", input: {} }]);
  await client.pause("idle", { reason: "stocktaking" });
  const paused = (await client.queues()).find(({ name }) => name === "idle");
  expect(paused?.paused).toMatchObject({ by: "operator", reason: "stocktaking" });
  await client.resume("idle");
  expect((await client.queues()).find(({ name }) => name === "idle")?.paused).toBeNull();
});

const enqueue = (type: string, input: unknown) => client.enqueueEntries([{ type, input }]);

test("problems come back as errors with their codes", async () => {
  await expect(enqueue("nope", {})).rejects.toMatchObject({ code: "UNKNOWN_TYPE" });
  await expect(enqueue("echo", { text: 1 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  const reader = createHttpOperations({ url: service.url, token: TOKENS[0].token });
  await expect(reader.cancel(["01a20227-08a4-7000-a4ee-f57ef437030e"])).rejects.toMatchObject({
    code: "FORBIDDEN",
  });
  const nobody = createHttpOperations({ url: service.url });
  await expect(nobody.queues()).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  await expect(nobody.subscribe({}, () => {})).rejects.toMatchObject({ code: "UNAUTHORIZED" });
});

test("a service that is not there is told as such", async () => {
  const gone = createHttpOperations({ url: `http://127.0.0.1:${await freePort()}` });
  await expect(gone.queues()).rejects.toMatchObject({
    code: "SERVICE_UNREACHABLE",
    message: expect.stringContaining("can't be reached") as string,
  });
  await expect(gone.subscribe({}, () => {})).rejects.toMatchObject({ code: "SERVICE_UNREACHABLE" });
  expect(() => createHttpOperations({ url: "nonsense" })).toThrow("expected that of a service");
});

/** Something that is no job service. */
async function listenAs(answer: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

test.each([
  [{ url: "http://ada:hunter2@127.0.0.1:1" }, "has a user or a password"],
  [{ url: "http://127.0.0.1:1/?key=hunter2" }, "has a query or a fragment"],
  [{ url: "http://127.0.0.1:1", token: "abcdefgh\nhunter2" }, "the token is empty, or has a space"],
  [{ url: "http://127.0.0.1:1", token: "" }, "leave it out where the service asks for none"],
  [{ url: "http://127.0.0.1:1", timeoutMs: -1 }, "timeoutMs is -1; expected a whole number"],
])("what can't be right is refused at once, and no secret told: %j", (options, message) => {
  expect(() => createHttpOperations(options)).toThrow(message);
  expect(() => createHttpOperations(options)).not.toThrow("hunter2");
});

test("a token is taken with the line break that its file ended in", async () => {
  const own = createHttpOperations({ url: service.url, token: `${TOKENS[0].token}\n` });
  expect(await own.queues()).toEqual(await client.queues());
});

test("a redirection is told rather than followed, which would make another request of it", async () => {
  const asked: string[] = [];
  await using elsewhere = await listenAs((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(302, { location: `${service.url}${request.url}?key=hunter2` }).end();
  });
  const redirected = createHttpOperations({ url: elsewhere.url, token: TOKENS[3].token });
  const told = {
    code: "SERVICE_UNREACHABLE",
    message: expect.stringMatching(
      new RegExp(`redirects elsewhere, to ${service.url}/v1/[a-z/]+; give the url`),
    ) as string,
  };
  await expect(redirected.schedules.put({ type: "echo", every: "1h" })).rejects.toMatchObject(told);
  await expect(redirected.subscribe({}, () => {})).rejects.toMatchObject(told);
  expect(asked).toEqual(["POST /v1/schedules", "GET /v1/events"]);
});

test("what answers with a page is told to be no service", async () => {
  await using page = await listenAs((_, response) => response.end("<html>"));
  await expect(createHttpOperations({ url: page.url }).queues()).rejects.toMatchObject({
    code: "SERVICE_UNREACHABLE",
    message: `what answers at ${page.url} is no job service: its reply is not JSON; is this its address?`,
  });
});

test("a stream whose beginning does not come is given up in time", async () => {
  await using silent = await listenAs(() => {});
  const waiting = createHttpOperations({ url: silent.url, timeoutMs: 50 });
  await expect(waiting.subscribe({}, () => {})).rejects.toMatchObject({
    code: "SERVICE_UNREACHABLE",
    message: expect.stringContaining("did not answer within 50 ms") as string,
  });
});

test("its signal ends what waits, and lets nothing begin", async () => {
  await using silent = await listenAs(() => {});
  const end = new AbortController();
  const ended = createHttpOperations({ url: silent.url, signal: end.signal });
  const waiting = [ended.queues(), ended.subscribe({}, () => {})];
  end.abort(new Error("enough"));
  for (const each of waiting) await expect(each).rejects.toThrow("enough");
  await expect(ended.workers()).rejects.toThrow("enough");
});

test("its signal ends a subscription", async () => {
  const end = new AbortController();
  const { url } = service;
  const ended = createHttpOperations({ url, token: TOKENS[3].token, signal: end.signal });
  const gaps: string[] = [];
  const following = await ended.subscribe(
    {},
    () => {},
    (reason) => gaps.push(reason),
  );
  end.abort();
  await following[Symbol.asyncDispose]();
  expect(gaps).toEqual([]);
});
