// Job types registered through the API: usable at once, known after a restart, and no way to start programs unasked.
import { join } from "node:path";
import { type Millrace, defineJob, openMillrace } from "millrace";
import { type ListeningService, listenJobService } from "millrace/http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scratch } from "../cli/command-line.ts";
import { TOKENS, type Reply, callService } from "../http/service.ts";

let directory: Awaited<ReturnType<typeof scratch>>;
let mill: Millrace;
let service: ListeningService;

async function open(hasTokens: boolean): Promise<void> {
  mill = await openMillrace({
    store: `sqlite:${join(directory.path, "registered.db")}`,
    logger: false,
  });
  service = await listenJobService({
    operations: mill,
    port: 0,
    ...(hasTokens ? { access: { tokens: TOKENS } } : {}),
  });
}
async function close(): Promise<void> {
  await service.close();
  await mill.close();
}
beforeEach(async () => {
  directory = await scratch();
});
afterEach(async () => {
  await close();
  await directory[Symbol.asyncDispose]();
});

function call(method: string, path: string, body: unknown): Promise<Reply> {
  const headers = { authorization: `Bearer ${TOKENS[3].token}` };
  return callService(service.url, method, path, { body, headers });
}

test("a registered type is enqueued, claimed and settled, and known after a restart", async () => {
  await open(true);
  const put = await call("PUT", "/v1/types/translate", {
    launcher: "remote",
    retry: { attempts: 2 },
    redact: ["key"],
  });
  expect(put).toMatchObject({ status: 200, json: { name: "translate", launcher: "remote" } });
  const { json: job } = await call("POST", "/v1/jobs", {
    type: "translate",
    input: { key: "hush-hush" },
  });
  await close();
  await open(true);
  const { json } = await call("POST", "/v1/claims", { types: ["translate"] });
  expect(json.jobs).toMatchObject([{ id: job.id, attempts: 2, input: { key: "hush-hush" } }]);
  const settled = await call("POST", `/v1/claims/${job.id}/settle`, {
    token: json.jobs[0].token,
    kind: "result",
    value: null,
  });
  expect(settled.json).toEqual({ state: "succeeded" });
  expect(JSON.stringify(await mill.job(job.id))).not.toContain("hush-hush");
});

test("a registered program runs where the process works; its options are checked", async () => {
  await open(true);
  const wrong = await call("PUT", "/v1/types/echo", { launcher: "process", options: {} });
  expect(wrong).toMatchObject({ status: 400, json: { code: "INVALID_ARGUMENT" } });
  const inside = await call("PUT", "/v1/types/echo", {
    launcher: "http",
    options: { url: "http://169.254.169.254/" },
  });
  expect(inside).toMatchObject({ status: 403, json: { code: "FORBIDDEN" } });
  const put = await call("PUT", "/v1/types/echo", {
    launcher: "process",
    options: { command: ["echo", "hello {name}"] },
  });
  expect(put.status).toBe(200);
  await mill.start();
  const [receipt] = await mill.enqueueEntries([{ type: "echo", input: { name: "you" } }]);
  expect(await receipt?.result({ timeout: "30s" })).toBe("hello you");
});

function registerSay(word: string): Promise<Reply> {
  return call("PUT", "/v1/types/say", {
    launcher: "process",
    options: { command: ["echo", word] },
  });
}
async function say(): Promise<unknown> {
  const [receipt] = await mill.enqueueEntries([{ type: "say", input: null }]);
  return receipt?.result({ timeout: "30s" });
}

test("other processes that work already learn of a registered type, and of its changes", async () => {
  await open(true);
  await using elsewhere = await openMillrace({
    store: `sqlite:${join(directory.path, "registered.db")}`,
    jobs: [defineJob({ name: "other", run: () => null })],
    logger: false,
  });
  await elsewhere.start();
  expect((await registerSay("one")).status).toBe(200);
  // This process does not work: only the other one can have run it.
  expect(await say()).toBe("one");
  expect((await registerSay("two")).status).toBe(200);
  await expect.poll(say).toBe("two");
});

test("a launcher that starts programs is refused without a token, on loopback too", async () => {
  await open(false);
  for (const launcher of ["process", "thread", "container", "unheard-of"]) {
    const reply = await call("PUT", "/v1/types/mine", { launcher, options: { command: "true" } });
    expect(reply).toMatchObject({ status: 403, json: { code: "FORBIDDEN" } });
  }
  expect((await call("PUT", "/v1/types/mine", { launcher: "remote" })).status).toBe(200);
});

test("a registered type has limits, keys and uniqueness, as one of code has", async () => {
  await open(true);
  const put = await call("PUT", "/v1/types/import", {
    launcher: "remote",
    limits: [
      { rate: "1000/s" },
      { name: "customer", key: "customer.id", concurrency: 1 },
      { name: "region", key: "region", concurrency: 2, onLimit: "drop-new" },
    ],
    unique: { by: ["file"] },
  });
  expect(put.status).toBe(200);
  const enqueue = async (id: string, region: string, file: string): Promise<Reply["json"]> => {
    const input = { customer: { id }, region, file };
    return (await call("POST", "/v1/jobs", { type: "import", input })).json;
  };
  const first = await enqueue("a", "eu", "1");
  expect(await enqueue("a", "eu", "1")).toMatchObject({ id: first.id, isNew: false });
  await enqueue("a", "eu", "2");
  expect(await enqueue("b", "eu", "3")).toMatchObject({ because: "dropped" });
  const other = await enqueue("b", "us", "4");
  const { json } = await call("POST", "/v1/claims", { types: ["import"], max: 10 });
  expect(json.jobs.map(({ id }: { id: string }) => id)).toEqual([first.id, other.id]);
  expect(await mill.limits({ queue: "import" })).toMatchObject([
    { name: "customer", concurrency: 1 },
    { name: "queue", rate: { limit: 1_000, perMs: 1_000 } },
    { name: "region", concurrency: 2 },
  ]);
});

test("what a registered type says wrongly of limits is refused, with what was expected", async () => {
  await open(true);
  for (const wrong of [
    { limits: [{ rate: "often" }] },
    { limits: [{ name: "customer", concurrency: 1 }] },
    { limits: [{ concurrency: -1 }] },
    { unique: true, throttle: { per: "1h" } },
    { debounce: { by: ["account"] } },
  ]) {
    const reply = await call("PUT", "/v1/types/import", { launcher: "remote", ...wrong });
    expect(reply).toMatchObject({ status: 400 });
  }
  expect(await mill.types()).toEqual([]);
});
