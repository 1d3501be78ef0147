// Where the jobs of the launchers suite are done: programs, modules, and a service that answers with what it was sent.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

export const PROGRAM: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("./echo.mjs", import.meta.url)),
];
export const MODULE: URL = new URL("./echo-thread.mjs", import.meta.url);

/** Jobs under way at once, in each subject: a pool of a few, as the launchers have by default. */
export const AT_ONCE = 4;
export const INPUT = { orderId: "o-4711", amount: 1_999 };

/** A service that gives a job's input back. */
export interface EchoService extends AsyncDisposable {
  readonly url: string;
}

export async function startEchoService({ keepsAlive = true } = {}): Promise<EchoService> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { input } = JSON.parse(body) as { input: unknown };
      response.writeHead(200, {
        "content-type": "application/json",
        ...(keepsAlive ? {} : { connection: "close" }),
      });
      response.end(JSON.stringify(input));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
