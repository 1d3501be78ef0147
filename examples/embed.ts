// A program that embeds Millrace in its own HTTP server: its own pages, and the job service below /millrace.
import { timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { type Millrace, openMillrace, silentLogger, stopOnSignals } from "millrace";
import { type Caller, createJobService, createNodeListener } from "millrace/http";
import { resizeImage } from "./event-queue.ts";

/** The program's own way of knowing its users; the job service asks it for every request. */
function authorize(request: Request, key: string): Caller | null {
  const given = Buffer.from(request.headers.get("x-api-key") ?? "");
  const expected = Buffer.from(key);
  const isRight = given.length === expected.length && timingSafeEqual(given, expected);
  return isRight ? { name: "dashboard", scopes: ["read", "enqueue"] } : null;
}

export async function startShop(
  store: string,
  key: string,
  port: number,
): Promise<{ readonly server: Server; readonly close: () => Promise<void> }> {
  const mill: Millrace = await openMillrace({ store, jobs: [resizeImage], logger: silentLogger });
  await mill.start();
  const service = createJobService({
    operations: mill,
    basePath: "/millrace",
    access: { authorize: (request) => authorize(request, key) },
  });
  const answerJobs = createNodeListener(service);
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/millrace/") === true) return answerJobs(request, response);
    // A page of one's own, which enqueues by the same object, typed, without HTTP in between.
    mill
      .enqueue(resizeImage, { file: "cat.png", width: 200 })
      .then(async (receipt) => receipt.result({ timeout: "30s" }))
      .then(
        ({ file }) => response.end(`resized: ${file}\n`),
        () => response.writeHead(500).end("could not resize\n"),
      );
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    close: async () => {
      await service.close();
      server.close();
      server.closeAllConnections();
      await mill.close();
    },
  };
}

if (import.meta.main) {
  const shop = await startShop("sqlite:shop.db", process.env["SHOP_KEY"] ?? "try-me", 3000);
  stopOnSignals(shop.close, silentLogger);
  console.log("http://127.0.0.1:3000/ and, with x-api-key: try-me, /millrace/v1/queues");
}
