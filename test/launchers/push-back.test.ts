// Pushing back, whatever runs the job: nothing of its queue starts, on any process of the store.
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  type AnyJobType,
  type Millrace,
  createHttpLauncher,
  defineJob,
  openMillrace,
  retryAfter,
} from "millrace";
import { listenJobService } from "millrace/http";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { scratch } from "../cli/command-line.ts";
import { type Reply, callService } from "../http/service.ts";

const PROGRAM = fileURLToPath(new URL("programs/pushes-back.mjs", import.meta.url));
const HOUR_MS = 3_600_000;

const marker = defineJob({ name: "marker", run: () => null });

let directory: Awaited<ReturnType<typeof scratch>>;
let mills: Millrace[];
let service: Server;

beforeAll(async () => {
  service = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(429, { "retry-after": "3600" }).end());
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});
beforeEach(async () => {
  directory = await scratch();
  mills = [];
});
afterEach(async () => {
  await Promise.all(mills.map((mill) => mill.close()));
  await directory[Symbol.asyncDispose]();
});

async function open(call: AnyJobType): Promise<Millrace> {
  const mill = await openMillrace({
    store: `sqlite:${join(directory.path, "pushed.db")}`,
    logger: false,
    jobs: [call, marker],
    launchers: [createHttpLauncher({ allowedHosts: ["127.0.0.1"] })],
  });
  mills.push(mill);
  return mill;
}

/** Whether the queue is held for another process, which works on all else. */
async function isHeldElsewhere(mill: Millrace, call: AnyJobType): Promise<boolean> {
  const [next] = await mill.enqueueEntries([{ type: "call", input: null }]);
  const elsewhere = await open(call);
  await elsewhere.start();
  await (await elsewhere.enqueue(marker, null)).result({ timeout: "30s" });
  const job = await mill.job(next?.id ?? "");
  const [limit] = await elsewhere.limits({ queue: "call" });
  return job?.state === "ready" && (limit?.pushedBackUntilMs ?? 0) > Date.now() + HOUR_MS / 2;
}

function http(): AnyJobType {
  const { port } = service.address() as AddressInfo;
  const options = { url: `http://127.0.0.1:${port}/`, pushBack: "queue" };
  return defineJob({ name: "call", launch: { launcher: "http", options } });
}

const WAYS: readonly [string, () => AnyJobType][] = [
  [
    "a handler in process",
    () =>
      defineJob({
        name: "call",
        run: () => {
          throw retryAfter("1h", "429", { pushBack: "queue" });
        },
      }),
  ],
  [
    "a handler in a thread",
    () => {
      const options = { module: pathToFileURL(PROGRAM).href, export: "handler" };
      return defineJob({ name: "call", launch: { launcher: "thread", options } });
    },
  ],
  [
    "a program",
    () =>
      defineJob({
        name: "call",
        launch: { launcher: "process", options: { command: [process.execPath, PROGRAM] } },
      }),
  ],
  ["a service over HTTP", http],
];

test.for(WAYS)("%s holds the queue for every process", async ([, typeOf]) => {
  const type = typeOf();
  const mill = await open(type);
  const [first] = await mill.enqueueEntries([{ type: "call", input: null }]);
  await mill.start();
  await expect
    .poll(async () => mill.job(first?.id ?? ""))
    .toMatchObject({ state: "scheduled", error: { message: expect.stringContaining("429") } });
  await mill.stop();
  expect(await isHeldElsewhere(mill, type)).toBe(true);
});

test("a worker elsewhere holds the queue for every process", async () => {
  const type = defineJob({ name: "call", launch: { launcher: "remote", options: {} } });
  const mill = await open(type);
  const served = await listenJobService({ operations: mill, port: 0 });
  const call = async (path: string, body: object): Promise<Reply> =>
    callService(served.url, "POST", path, { body });
  await mill.enqueueEntries([{ type: "call", input: null }]);
  const { json } = await call("/v1/claims", { types: ["call"], wait: "30s" });
  const [{ id, token }] = json.jobs;
  const snooze = { token, kind: "snooze", delayMs: HOUR_MS, pushBack: "queue" };
  const settled = await call(`/v1/claims/${id}/settle`, snooze);
  expect(settled).toMatchObject({ status: 200, json: { state: "scheduled" } });
  await served.close();
  expect(await isHeldElsewhere(mill, type)).toBe(true);
});
