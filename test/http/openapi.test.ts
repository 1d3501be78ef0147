// Every operation of the OpenAPI document answers as the document says: one table of calls, a line or two an operation.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Reply, type TestService, startService } from "./service.ts";

let service: TestService;
let id = "";

beforeAll(async () => {
  service = await startService();
  const accepted = await service.call("POST", "/v1/jobs", {
    body: { type: "echo", input: { text: "hello" } },
  });
  ({ id } = accepted.json);
  await service.mill.wait(id);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** A call of each operation, and the status that it must have. */
const CALLS: Readonly<Record<string, readonly [number, () => Promise<Reply>]>> = {
  enqueueCompat: [
    202,
    () => service.call("POST", "/job", { body: { Type: "echo", Data: '{"text":"a"}' } }),
  ],
  enqueueJob: [
    202,
    () => service.call("POST", "/v1/jobs", { body: { type: "echo", input: { text: "a" } } }),
  ],
  enqueueJobs: [
    202,
    () =>
      service.call("POST", "/v1/jobs/bulk", {
        body: { jobs: [{ type: "echo", input: { text: "a" } }, { type: "idle" }] },
      }),
  ],
  showCompatJob: [200, () => service.call("GET", `/job/${id}`)],
  listJobs: [
    200,
    () =>
      service.call(
        "GET",
        "/v1/jobs?state=succeeded,failed&limit=5&type=echo&createdFrom=2026-01-01T00:00:00Z",
      ),
  ],
  showJob: [200, () => service.call("GET", `/v1/jobs/${id}`)],
  awaitJob: [200, () => service.call("GET", `/v1/jobs/${id}/result?wait=5s`)],
  jobLogs: [200, () => service.call("GET", `/v1/jobs/${id}/logs?after=0&limit=10`)],
  cancelJob: [
    200,
    async () =>
      service.call("POST", `/v1/jobs/${await waiting()}/cancel`, { body: { reason: "x" } }),
  ],
  retryJob: [
    200,
    async () => {
      const [receipt] = await service.mill.enqueueEntries([{ type: "failing", input: {} }]);
      await service.mill.wait(receipt?.id ?? "");
      return service.call("POST", `/v1/jobs/${receipt?.id}/retry`);
    },
  ],
  removeJob: [200, async () => service.call("DELETE", `/v1/jobs/${await waiting()}`)],
  whyJob: [200, async () => service.call("GET", `/v1/jobs/${await waiting()}/why`)],
  orderJobs: [
    200,
    async () =>
      service.call("POST", "/v1/jobs/order", {
        body: { ids: [await waiting()], order: { kind: "move", queue: "slow" } },
      }),
  ],
  orderMatchingJobs: [
    200,
    async () => {
      await waiting();
      const select = { states: ["ready"], type: "idle", input: { a: 1 } };
      const order = { kind: "reschedule", delay: "1h" };
      return service.call("POST", "/v1/jobs/order-matching", {
        body: { select, order, dryRun: true, limit: 10 },
      });
    },
  ],
  listErrors: [200, () => service.call("GET", "/v1/errors?since=7d&type=failing")],
  drainQueue: [200, () => service.call("POST", "/v1/queues/emptied/drain", { body: {} })],
  streamEvents: [200, () => firstOf("/v1/events?type=echo")],
  streamJobEvents: [200, () => firstOf(`/v1/jobs/${id}/events`)],
  claimJobs: [
    200,
    async () => {
      await waiting("elsewhere");
      return claim();
    },
  ],
  reportJob: [
    200,
    async () => {
      const { id: job, token } = await claimed();
      return service.call("POST", `/v1/claims/${job}/report`, { body: { token, progress: 0.5 } });
    },
  ],
  settleJob: [
    200,
    async () => {
      const { id: job, token } = await claimed();
      const body = { token, kind: "result", value: null };
      return service.call("POST", `/v1/claims/${job}/settle`, { body });
    },
  ],
  putType: [
    200,
    () => service.call("PUT", "/v1/types/registered", { body: { launcher: "remote" } }),
  ],
  listQueues: [200, () => service.call("GET", "/v1/queues")],
  pauseQueue: [200, () => service.call("POST", "/v1/queues/idle/pause", { body: {} })],
  resumeQueue: [200, () => service.call("POST", "/v1/queues/idle/resume")],
  listLimits: [200, () => service.call("GET", "/v1/limits?queue=idle&limit=key&key=a")],
  setLimit: [
    200,
    () => service.call("PUT", "/v1/queues/idle/limits/queue", { body: { rate: "100/s" } }),
  ],
  releaseLimit: [
    200,
    () => service.call("POST", "/v1/queues/idle/limits/key/release", { body: { key: "a" } }),
  ],
  resetLimit: [200, () => service.call("DELETE", "/v1/queues/idle/limits/queue")],
  showRun: [200, async () => service.call("GET", `/v1/runs/${await running()}`)],
  signalRun: [
    202,
    async () =>
      service.call("POST", `/v1/runs/${await running()}/signals/approved`, {
        body: { payload: { by: "ada" } },
      }),
  ],
  runGraph: [
    202,
    () =>
      service.call("POST", "/v1/graphs", {
        body: {
          graph: { steps: { once: { type: "echo", input: { text: { $from: "input.text" } } } } },
          input: { text: "a" },
          tags: ["a"],
        },
      }),
  ],
  putSchedule: [
    200,
    () =>
      service.call("POST", "/v1/schedules", {
        body: {
          type: "echo",
          name: "hourly",
          input: { text: "a", secret: "s" },
          cron: "30 * * * *",
          timeZone: "Europe/Berlin",
          daylightSaving: { repeatedHour: "first" },
          start: "2026-01-01T00:00:00Z",
          jitter: "5s",
          missed: { all: 3 },
          job: { tags: ["a"] },
        },
      }),
  ],
  listSchedules: [200, () => service.call("GET", "/v1/schedules?type=echo&limit=5")],
  showSchedule: [200, () => service.call("GET", "/v1/schedules/hourly")],
  pauseSchedule: [
    200,
    () => service.call("POST", "/v1/schedules/hourly/pause", { body: { reason: "x" } }),
  ],
  resumeSchedule: [200, () => service.call("POST", "/v1/schedules/hourly/resume")],
  runSchedule: [202, () => service.call("POST", "/v1/schedules/hourly/run")],
  previewSchedule: [
    200,
    () => service.call("GET", "/v1/schedules/hourly/preview?count=3&after=2026-10-24T22:00:00Z"),
  ],
  previewRhythm: [
    200,
    () => service.call("POST", "/v1/schedules/preview", { body: { every: "1h", count: 2 } }),
  ],
  removeSchedule: [200, () => service.call("DELETE", "/v1/schedules/hourly")],
  listWorkers: [200, () => service.call("GET", "/v1/workers")],
  listTypes: [200, () => service.call("GET", "/v1/types")],
  listFigures: [200, () => service.call("GET", "/v1/figures?resolution=hour&since=24h")],
  describeStore: [200, () => service.call("GET", "/v1/store")],
  health: [200, () => service.call("GET", "/v1/health")],
  ready: [200, () => service.call("GET", "/v1/ready")],
  metrics: [200, () => service.call("GET", "/metrics")],
  openApi: [200, () => service.call("GET", "/openapi.json")],
};

function ids(reply: Reply): string[] {
  return reply.json.jobs.map((job: { readonly id: string }) => job.id);
}

async function waiting(type = "idle"): Promise<string> {
  const [receipt] = await service.mill.enqueueEntries([{ type, input: { a: 1 } }]);
  return receipt?.id ?? "";
}

/** A run that waits for its signal. */
async function running(): Promise<string> {
  const id = await waiting("approval");
  await vi.waitFor(
    async () => {
      expect((await service.mill.runs.get(id))?.steps).toHaveLength(1);
    },
    { timeout: 30_000 },
  );
  return id;
}

function claim(): Promise<Reply> {
  return service.call("POST", "/v1/claims", { body: { types: ["elsewhere"] } });
}

async function claimed(): Promise<{ readonly id: string; readonly token: string }> {
  await waiting("elsewhere");
  return (await claim()).json.jobs[0];
}

/** The head and the first bytes of a stream. */
async function firstOf(path: string): Promise<Reply> {
  const response = await fetch(`${service.url}${path}`);
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  await reader?.cancel();
  const text = new TextDecoder().decode(value);
  return { status: response.status, headers: response.headers, text, json: undefined };
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, unknown>> }>
  >;
}

test("the document is OpenAPI 3.1, and each operation of it has a call here", async () => {
  const { json } = await service.call("GET", "/openapi.json");
  expect(json.openapi).toBe("3.1.0");
  const operations = Object.values(json.paths as Record<string, Record<string, Operation>>).flatMap(
    (methods) => Object.values(methods),
  );
  expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
    Object.keys(CALLS).sort(),
  );
  const references = JSON.stringify(json).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  for (const [, name] of references) expect(json.components.schemas).toHaveProperty(name ?? "");
});

test.each(Object.keys(CALLS))(
  "%s answers with a documented status, type and shape",
  async (name) => {
    const [status, call] = CALLS[name] ?? [0, () => Promise.reject(new Error("no call"))];
    const reply = await call();
    expect(reply.status, reply.text).toBe(status);
    const route = service.listening.service.routes.find(({ operationId }) => operationId === name);
    const documented = route?.replies.find((described) => described.status === status);
    expect(documented, "a documented reply").toBeDefined();
    const contentType = documented?.contentType ?? "application/json";
    expect(reply.headers.get("content-type")).toContain(contentType);
    const misfit = documented?.schema?.safeParse(reply.json).error;
    expect(misfit?.issues ?? []).toEqual([]);
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
  },
);

test.each([
  ["an unknown type", "POST", "/job", { Type: "nope", Data: "{}" }, 422, "UNKNOWN_TYPE"],
  [
    "Data that is not JSON",
    "POST",
    "/job",
    { Type: "echo", Data: "{oops" },
    400,
    "MALFORMED_REQUEST",
  ],
  [
    "an input that does not fit",
    "POST",
    "/job",
    { Type: "echo", Data: '{"text":1}' },
    422,
    "INVALID_INPUT",
  ],
  ["a body that does not fit", "POST", "/job", { type: "echo" }, 400, "INVALID_ARGUMENT"],
  ["an unknown field", "POST", "/v1/jobs", { type: "echo", imput: 1 }, 400, "INVALID_ARGUMENT"],
  [
    "a wrong duration",
    "POST",
    "/v1/jobs",
    { type: "idle", delay: "soon" },
    400,
    "INVALID_DURATION",
  ],
  ["an unknown path", "GET", "/v2/jobs", undefined, 404, "NO_ROUTE"],
  ["a wrong method", "DELETE", "/v1/queues", undefined, 405, "METHOD_NOT_ALLOWED"],
  ["a wrong id", "GET", "/v1/jobs/abc", undefined, 400, "INVALID_ARGUMENT"],
  [
    "a job that is not kept",
    "GET",
    "/job/01a20227-08a4-7000-a4ee-f57ef437030e",
    undefined,
    404,
    "JOB_NOT_FOUND",
  ],
  ["a wrong state in a query", "GET", "/v1/jobs?state=done", undefined, 400, "INVALID_ARGUMENT"],
  ["fields that are no JSON", "GET", "/v1/jobs?input=%7B", undefined, 400, "INVALID_ARGUMENT"],
  ["a wrong fingerprint", "GET", "/v1/jobs?error=nope", undefined, 400, "INVALID_ARGUMENT"],
  [
    "an order of no kind",
    "POST",
    "/v1/jobs/order-matching",
    { select: {}, order: { kind: "bury" } },
    400,
    "INVALID_ARGUMENT",
  ],
  ["a wrong limit in a query", "GET", "/v1/jobs?limit=0", undefined, 400, "INVALID_ARGUMENT"],
])("%s is a problem document", async (_, method, path, body, status, code) => {
  const reply = await service.call(method, path, { body });
  expect(reply.status, reply.text).toBe(status);
  expect(reply.headers.get("content-type")).toBe("application/problem+json");
  expect(reply.json).toMatchObject({
    status,
    code,
    type: expect.stringMatching(/^urn:/) as string,
  });
  expect(reply.text).not.toContain("node_modules");
  expect(reply.text).not.toMatch(/\bat .*:\d+:\d+/);
});

test("a job that ended can't be cancelled, and the problem says why", async () => {
  const reply = await service.call("POST", `/v1/jobs/${id}/cancel`);
  expect(reply).toMatchObject({ status: 409, json: { code: "WRONG_STATE" } });
  expect(reply.json.detail).toContain("succeeded");
});

test("an idempotency key gives the first job, whether sent as a header or in the body", async () => {
  const body = { type: "echo", input: { text: "once" } };
  const headers = { "idempotency-key": '"key-1"' };
  const first = await service.call("POST", "/v1/jobs", { body, headers });
  const again = await service.call("POST", "/v1/jobs", {
    body: { ...body, idempotencyKey: "key-1" },
  });
  const compat = await service.call("POST", "/job", {
    body: { Type: "echo", Data: '{"text":"other"}' },
    headers,
  });
  expect(first.json.isNew).toBe(true);
  expect(again.json).toMatchObject({ id: first.json.id, isNew: false });
  expect(compat.json.id).toBe(first.json.id);
  const torn = await service.call("POST", "/v1/jobs", {
    body: { ...body, idempotencyKey: "key-2" },
    headers,
  });
  expect(torn.status).toBe(400);
  const bulk = { jobs: [body, body] };
  const bulkHeaders = { "idempotency-key": "bulk-1" };
  const one = await service.call("POST", "/v1/jobs/bulk", { body: bulk, headers: bulkHeaders });
  const two = await service.call("POST", "/v1/jobs/bulk", { body: bulk, headers: bulkHeaders });
  expect(new Set(ids(one)).size).toBe(2);
  expect(ids(two)).toEqual(ids(one));
});

test("a bulk request with one wrong job keeps none", async () => {
  const before = await service.call("GET", "/v1/jobs?tag=all-or-none");
  const reply = await service.call("POST", "/v1/jobs/bulk", {
    body: {
      jobs: [
        { type: "idle", tags: ["all-or-none"] },
        { type: "nope", tags: ["all-or-none"] },
      ],
    },
  });
  expect(reply.status).toBe(422);
  expect((await service.call("GET", "/v1/jobs?tag=all-or-none")).json).toEqual(before.json);
});

test("a list goes on from page to page by its cursor", async () => {
  await service.mill.enqueueEntries(
    Array.from({ length: 5 }, () => ({ type: "idle", input: {}, options: { tags: ["paged"] } })),
  );
  const seen: string[] = [];
  let cursor = "";
  for (;;) {
    const page = await service.call("GET", `/v1/jobs?tag=paged&limit=2${cursor}`);
    seen.push(...page.json.jobs.map((job: { id: string }) => job.id));
    if (page.json.cursor === undefined) break;
    cursor = `&cursor=${encodeURIComponent(page.json.cursor)}`;
  }
  expect(new Set(seen).size).toBe(5);
});

test("a long poll answers when the job ends, and says so when it has not", async () => {
  const [receipt] = await service.mill.enqueueEntries([{ type: "endless", input: {} }]);
  const path = `/v1/jobs/${receipt?.id}`;
  expect((await service.call("GET", `${path}/result`)).status).toBe(202);
  expect((await service.call("GET", `${path}/result?wait=20ms`)).status).toBe(202);
  const waited = service.call("GET", `${path}/result?wait=30s`);
  await service.call("POST", `${path}/cancel`);
  expect(await waited).toMatchObject({ status: 200, json: { state: "cancelled" } });
});

test("secrets are masked in every reply", async () => {
  const { json } = await service.call("POST", "/v1/jobs", {
    body: { type: "echo", input: { text: "a", secret: "canary-4711" } },
  });
  await service.mill.wait(json.id);
  for (const path of [`/job/${json.id}`, "/v1/jobs", `/v1/jobs/${json.id}/logs`, "/metrics"]) {
    expect((await service.call("GET", path)).text).not.toContain("canary-4711");
  }
});
