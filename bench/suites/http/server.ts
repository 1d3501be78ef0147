// The server that is measured, in a process of its own: the job service on a file, or a constant on the same server.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { defineJob, openMillrace } from "../../../src/index.ts";
import { listenJobService } from "../../../src/http/index.ts";
import { z } from "zod";

const [subject = "millrace", directory = "."] = process.argv.slice(2);
const CONSTANT = JSON.stringify({ id: "01a20227-08a4-7000-a4ee-f57ef437030e", state: "ready" });

function tell(message: object): void {
  process.send?.(message);
}

async function serveMillrace(): Promise<void> {
  const receipt = defineJob({
    name: "send-receipt",
    input: z.object({ orderId: z.string(), amount: z.number() }),
  });
  const mill = await openMillrace({
    store: `sqlite:${directory}/http.db`,
    jobs: [receipt],
    logger: false,
  });
  const listening = await listenJobService({ operations: mill, port: 0 });
  const { id } = await mill.enqueue(receipt, { orderId: "o-1", amount: 1 });
  tell({ url: listening.url, id });
}

/** The same server and router, and headers of the same kind; nothing is read, checked or kept. */
async function serveConstant(): Promise<void> {
  const app = new Hono();
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  app.all("*", () => new Response(CONSTANT, { status: 202, headers }));
  const listener = getRequestListener((request, env) => app.fetch(request, env));
  const server = createServer((request, response) => void listener(request, response));
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    tell({ url: `http://127.0.0.1:${port}`, id: "01a20227-08a4-7000-a4ee-f57ef437030e" });
  });
}

process.once("disconnect", () => process.exit(0));
await (subject === "millrace" ? serveMillrace() : serveConstant());
