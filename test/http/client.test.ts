// What a program does with a store at hand, it does with a service's URL and token, to the same effect.
import { afterAll, beforeAll, expect, test } from "vitest";
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
