// The server that is measured, in a process of its own: the job service on a file, or a constant instead of its jobs.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { Registry } from "prom-client";
import { z } from "zod";
import { Repeats, defineJob, openMillrace, silentLogger } from "../../../src/index.ts";
import { createAccessCheck } from "../../../src/http/access.ts";
import { MAX_BODY_BYTES } from "../../../src/http/body.ts";
import { listenJobService } from "../../../src/http/index.ts";
import { listenWith } from "../../../src/http/listen.ts";
import { createMetrics } from "../../../src/http/metrics.ts";
import { type Route, SECURITY_HEADERS, defineRoute } from "../../../src/http/route.ts";
import { serveRoutes } from "../../../src/http/serving.ts";

const [subject = "millrace", directory = "."] = process.argv.slice(2);
const ID = "01a20227-08a4-7000-a4ee-f57ef437030e";
const CONSTANT = JSON.stringify({ id: ID, state: "ready", type: "send-receipt", isNew: true });

function tell(message: { readonly url: string; readonly id: string }): void {
  process.send?.(message);
}

async function open(store: string): ReturnType<typeof openMillrace> {
  return openMillrace({ store, jobs: [receipt], logger: false });
}

const receipt = defineJob({
  name: "send-receipt",
  input: z.object({ orderId: z.string(), amount: z.number() }),
});

async function serveMillrace(): Promise<void> {
  const mill = await open(`sqlite:${directory}/http.db`);
  const listening = await listenJobService({ operations: mill, port: 0 });
  const { id } = await mill.enqueue(receipt, { orderId: "o-1", amount: 1 });
  tell({ url: listening.url, id });
}

/**
 * The same server: its listener with its limits, its access check, its metrics, its reading of bodies and its headers.
 * Only what a route does with a job is left out: no schema, no store, no reply to write.
 */
async function serveConstant(): Promise<void> {
  const headers = { ...SECURITY_HEADERS, "content-type": "application/json" };
  const constant = (method: "GET" | "POST", path: string): Route =>
    defineRoute({
      method,
      path,
      operationId: `constant ${method} ${path}`,
      summary: "A constant.",
      scope: method === "GET" ? "read" : "enqueue",
      ...(method === "GET" ? {} : { body: { schema: z.unknown(), maxBytes: MAX_BODY_BYTES } }),
      replies: [],
      handle: () => new Response(CONSTANT, { status: method === "GET" ? 200 : 202, headers }),
    });
  const routes = [
    constant("POST", "/job"),
    constant("POST", "/v1/jobs"),
    constant("GET", "/job/{id}"),
  ];
  const metrics = createMetrics(await open("memory:"), () => 0, new Registry());
  const fetch = serveRoutes(routes, {
    access: createAccessCheck({ unauthenticated: "loopback" }),
    logger: silentLogger,
    repeats: new Repeats(),
    basePath: "/",
    meterOf: (operationId) => metrics.meter(operationId),
  });
  const { url } = await listenWith({ fetch, close: () => Promise.resolve() }, { port: 0 });
  tell({ url, id: ID });
}

/** The router and the adapter that the service stands on, alone: nothing is read, checked, counted or limited. */
function serveBare(): void {
  const app = new Hono();
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  app.all("*", () => new Response(CONSTANT, { status: 202, headers }));
  const listener = getRequestListener((request, env) => app.fetch(request, env));
  const server = createServer((request, response) => void listener(request, response));
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    tell({ url: `http://127.0.0.1:${port}`, id: ID });
  });
}

process.once("disconnect", () => process.exit(0));
if (subject === "millrace") await serveMillrace();
else if (subject === "constant") await serveConstant();
else serveBare();
