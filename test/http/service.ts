// A job service on a store in memory, listening on a free port, for the tests of this room.
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  type Millrace,
  defineJob,
  defineWorkflow,
  graphs,
  openMillrace,
  silentLogger,
} from "millrace";
import { type ListeningService, listenJobService } from "millrace/http";
import { z } from "zod";

const echo = defineJob({
  name: "echo",
  input: z.object({ text: z.string(), secret: z.string().optional() }),
  redact: ["secret"],
  run: ({ input, log, progress }) => {
    progress({ done: 1, total: 2 });
    log.info(`echo ${input.text}`);
    return { text: input.text };
  },
});
/** Runs until it is told to stop. */
const endless = defineJob({
  name: "endless",
  run: ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    }),
});
const failing = defineJob({
  name: "failing",
  retry: { attempts: 1 },
  run: () => {
    throw new Error("as it was told to");
  },
});
/** Takes anything, and no worker of these tests runs it. */
const idle = defineJob({ name: "idle" });
/** Taken by remote workers alone. */
const elsewhere = defineJob({ name: "elsewhere", launch: { launcher: "remote" } });
/** Waits to be told. */
const approval = defineWorkflow({
  name: "approval",
  run: ({ step }) => step.waitForSignal("approved"),
});

export const TOKENS = [
  { name: "reader", token: "read-0123456789abcdef", scopes: ["read"] },
  { name: "producer", token: "enqueue-0123456789abcdef", scopes: ["enqueue"] },
  { name: "remote", token: "work-0123456789abcdef", scopes: ["work"] },
  { name: "operator", token: "admin-0123456789abcdef", scopes: ["admin"] },
] as const;

export interface TestService extends AsyncDisposable {
  readonly url: string;
  readonly mill: Millrace;
  readonly listening: ListeningService;
  call(method: string, path: string, options?: CallOptions): Promise<Reply>;
}
export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into replies of every shape
  readonly json: any;
}

/** Starts one; `works` false leaves jobs where they are. */
export async function startService(
  options: Partial<Parameters<typeof listenJobService>[0]> & {
    readonly works?: boolean;
    readonly store?: string;
  } = {},
): Promise<TestService> {
  const { works = true, store = "memory:", ...rest } = options;
  const mill = await openMillrace({
    store,
    jobs: [echo, endless, failing, idle, elsewhere, approval, graphs([echo])],
    logger: silentLogger,
    worker: { shutdownGrace: 0 },
  });
  if (works) await mill.start();
  const listening = await listenJobService({ operations: mill, port: 0, ...rest });
  return {
    url: listening.url,
    mill,
    listening,
    call: (method, path, call) => callService(listening.url, method, path, call),
    async [Symbol.asyncDispose]() {
      await listening.close();
      await mill.close();
    },
  };
}

export async function callService(
  url: string,
  method: string,
  path: string,
  { body, headers }: CallOptions = {},
): Promise<Reply> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
