// A network that ends at a chosen call of a script, as a process does that is killed there: before the server has the
// call, or after it was carried out and before its reply.
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import type { Script } from "../../src/stores/redis/scripts/script.ts";
import { hashesOf } from "../servers/scripts.ts";

export interface Cut {
  /** Calls of these scripts are counted. */
  readonly scripts: readonly Script[];
  /** The network ends at this one of them, from 1. */
  readonly at: number;
  /** Whether the server carries it out. */
  readonly isKept: boolean;
}

export interface CuttingProxy extends AsyncDisposable {
  /** In the order of the servers. */
  readonly ports: readonly number[];
  /** Whether it has ended. */
  readonly hasCut: boolean;
}

/**
 * Starts one before servers on loopback. Where they are a Cluster, what they say of each other's addresses is changed to
 * the proxy's.
 */
export async function startCuttingProxy(
  servers: readonly number[],
  cut: Cut,
): Promise<CuttingProxy> {
  const network = new Network(cut);
  const listeners = await Promise.all(servers.map((port) => network.listen(port)));
  const ports = listeners.map((listener) => (listener.address() as AddressInfo).port);
  if (servers.length > 1) network.renamed = new Map(servers.map((port, at) => [port, ports[at]]));
  return {
    ports,
    get hasCut() {
      return network.hasCut;
    },
    async [Symbol.asyncDispose]() {
      network.end();
      const closed = listeners.map((listener) => once(listener, "close"));
      for (const listener of listeners) listener.close();
      await Promise.all(closed);
    },
  };
}

/** A port in a reply, as Redis writes numbers. */
const NUMBER = /:(\d+)\r\n/g;

class Network {
  hasCut = false;
  renamed: ReadonlyMap<number, number | undefined> = new Map();
  readonly #cut: Cut;
  readonly #sockets = new Set<Socket>();
  #calls = 0;

  constructor(cut: Cut) {
    this.#cut = cut;
  }

  async listen(server: number): Promise<Server> {
    const listener = createServer((client) => this.#join(client, server));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return listener;
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, server: number): void {
    if (this.hasCut) {
      client.destroy();
      return;
    }
    const upstream = connect(server, "127.0.0.1");
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.on("data", (data) => {
      if (this.hasCut) this.end();
      else client.write(this.#rename(data));
    });
    client.on("data", (data) => {
      if (this.hasCut) return;
      this.#count(data);
      if (!this.hasCut || this.#cut.isKept) upstream.write(data);
      else this.end();
    });
  }

  #count(data: Buffer): void {
    const text = data.toString("latin1");
    // The hash comes once in a call.
    for (const hash of this.#cut.scripts.flatMap(hashesOf))
      this.#calls += text.split(hash).length - 1;
    this.hasCut = this.#calls >= this.#cut.at;
  }

  #rename(data: Buffer): Buffer {
    if (this.renamed.size === 0) return data;
    const text = data.toString("latin1");
    const renamed = text.replace(NUMBER, (whole, digits) => {
      const port = this.renamed.get(Number(digits));
      return port === undefined ? whole : `:${port}\r\n`;
    });
    return Buffer.from(renamed, "latin1");
  }
}
