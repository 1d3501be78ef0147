// A network that ends at a chosen call of a script, as a process does that is killed there: before the server has the
// call, or after it was carried out and before its reply.
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import type { Script } from "../../src/stores/redis/scripts/script.ts";

export interface Cut {
  /** Calls of these scripts are counted. */
  readonly scripts: readonly Script[];
  /** The network ends at this one of them, from 1. */
  readonly at: number;
  /** Whether the server carries it out. */
  readonly isKept: boolean;
}

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** Whether it has ended. */
  readonly hasCut: boolean;
}

/** Starts one before a server on loopback. */
export async function startCuttingProxy(port: number, cut: Cut): Promise<CuttingProxy> {
  const hashes = cut.scripts.map(({ sha }) => sha);
  const sockets = new Set<Socket>();
  let calls = 0;
  let hasCut = false;
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    if (hasCut) {
      client.destroy();
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.on("data", (data) => {
      if (hasCut) end();
      else client.write(data);
    });
    client.on("data", (data) => {
      if (hasCut) return;
      const text = data.toString("latin1");
      // The hash comes once in a call.
      for (const hash of hashes) calls += text.split(hash).length - 1;
      hasCut = calls >= cut.at;
      if (!hasCut || cut.isKept) upstream.write(data);
      else end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get hasCut() {
      return hasCut;
    },
    async [Symbol.asyncDispose]() {
      end();
      server.close();
      await once(server, "close");
    },
  };
}
