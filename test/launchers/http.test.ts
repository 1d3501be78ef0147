// The HTTP launcher against a service on loopback: outcomes, signatures, refusals.
import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Millrace,
  createHttpLauncher,
  defineJob,
  openMillrace,
  verifyWebhook,
} from "millrace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

interface Call {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

let server: Server;
let url: string;
let calls: Call[];
let answer: (call: Call) => Answer;
let mill: Millrace | undefined;

beforeEach(async () => {
  calls = [];
  answer = () => ({ body: "null" });
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const call = { headers: request.headers, body };
      calls.push(call);
      const {
        status = 200,
        headers = { "content-type": "application/json" },
        body: text,
      } = answer(call);
      response.writeHead(status, headers).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/run`;
});
afterEach(async () => {
  await mill?.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function run(options: {
  readonly allowedHosts?: readonly string[];
  readonly attempts?: number;
}): Promise<{ readonly outcome: unknown; readonly job: unknown }> {
  const remote = defineJob({
    name: "remote",
    retry: { attempts: options.attempts ?? 1, backoff: [0] },
    launch: { launcher: "http", options: { url, secret } },
  });
  mill = await openMillrace({
    store: "memory:",
    logger: false,
    jobs: [remote],
    launchers: [createHttpLauncher({ allowedHosts: options.allowedHosts ?? ["127.0.0.1"] })],
  });
  await mill.start();
  const receipt = await mill.enqueue(remote, { n: 1 });
  const outcome: unknown = await receipt.result().catch((error: unknown) => error);
  return { outcome, job: await mill.job(receipt.id) };
}

describe("a job that is launched over HTTP", () => {
  test("is posted with its input, signed, and the reply is its result", async () => {
    answer = () => ({ body: '{"sum":3}' });
    const { outcome } = await run({});
    expect(outcome).toEqual({ sum: 3 });
    const [call] = calls;
    expect(JSON.parse(call?.body ?? "")).toMatchObject({
      type: "remote",
      attempt: 1,
      input: { n: 1 },
    });
    expect(() => {
      verifyWebhook(secret, call?.headers ?? {}, call?.body ?? "", Date.now());
    }).not.toThrow();
  });

  test("is retried when the service fails, and not when the call is wrong", async () => {
    answer = () => (calls.length === 1 ? { status: 500, body: "oops" } : { body: '"ok"' });
    expect((await run({ attempts: 2 })).outcome).toBe("ok");
    await mill?.close();
    answer = () => ({ status: 422, body: "no such field" });
    const { job } = await run({ attempts: 5 });
    expect(job).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { message: expect.stringContaining("422") },
    });
  });

  test("waits as long as the service asks", async () => {
    answer = () => ({ status: 503, headers: { "retry-after": "3600" } });
    const remote = defineJob({ name: "remote", launch: { launcher: "http", options: { url } } });
    mill = await openMillrace({
      store: "memory:",
      logger: false,
      jobs: [remote],
      launchers: [createHttpLauncher({ allowedHosts: ["127.0.0.1"] })],
    });
    await mill.start();
    const { id } = await mill.enqueue(remote, null);
    await expect.poll(async () => (await mill?.job(id))?.state).toBe("scheduled");
    const job = await mill.job(id);
    expect(Date.parse(job?.dueAt ?? "") - Date.now()).toBeGreaterThan(3_500_000);
  });

  test("never reaches an address inside the network unless it is named", async () => {
    await expect(run({ allowedHosts: [] })).rejects.toMatchObject({ code: "FORBIDDEN" });
    url = url.replace("127.0.0.1", "localhost");
    await mill?.close();
    const { job } = await run({ allowedHosts: [] });
    expect(job).toMatchObject({ state: "failed", error: { code: "FORBIDDEN" } });
    expect(calls).toHaveLength(0);
  });

  test("does not follow a redirect", async () => {
    answer = () => ({ status: 302, headers: { location: "http://169.254.169.254/latest" } });
    const { job } = await run({ attempts: 5 });
    expect(job).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { message: expect.stringContaining("redirect") },
    });
    expect(calls).toHaveLength(1);
  });

  test("refuses an answer that is too large or is not the JSON that it claims to be", async () => {
    answer = () => ({ body: `"${"x".repeat(400_000)}"` });
    expect((await run({})).job).toMatchObject({ error: { code: "TOO_LARGE" } });
    await mill?.close();
    answer = () => ({ body: "{" });
    expect((await run({})).job).toMatchObject({ error: { code: "INVALID_OUTPUT" } });
  });
});
