// A network that keeps one call waiting, so that a test can say what others do meanwhile: before the server has the
// call, or after it was carried out and before its reply.
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import type { Script } from "../../src/stores/redis/scripts/script.ts";
import { hashesOf } from "../servers/scripts.ts";

/** Which call is kept waiting. */
export interface Hold {
  /** Calls of these scripts are counted, which the server must have already. */
  readonly scripts: readonly Script[];
  /** This one of them, from 1. */
  readonly at: number;
  /** Whether the server is to have the call, and its reply waits. */
  readonly isCarriedOut: boolean;
}

/** A call that is kept waiting, or will be. */
export interface Held {
  /** Resolves when it waits. */
  readonly reached: Promise<void>;
  /** Lets it go on; a call that did not come yet is not kept any more. */
  release(): void;
}

interface Holding extends Hold {
  left: number;
  /** Sockets that nothing is read from: more than one where the client lost patience and asked on a new one. */
  readonly paused: Set<Socket>;
  readonly reached: PromiseWithResolvers<void>;
}

/** Stands between clients and one server on loopback. */
export class HoldingProxy implements AsyncDisposable {
  readonly #server = createServer((client) => this.#join(client));
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  #holding: Holding | null = null;

  private constructor(target: number) {
    this.#target = target;
  }

  static async start(target: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Keeps a call waiting, and what comes behind it on its connection. */
  hold(hold: Hold): Held {
    const holding: Holding = {
      ...hold,
      left: hold.at,
      paused: new Set(),
      reached: Promise.withResolvers<void>(),
    };
    this.#holding = holding;
    return {
      reached: holding.reached.promise,
      release: () => {
        if (this.#holding === holding) this.#holding = null;
        for (const socket of holding.paused) socket.resume();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    const upstream = connect(this.#target, "127.0.0.1");
    const part = (): void => {
      for (const socket of [client, upstream]) {
        this.#sockets.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true).on("error", part).on("close", part);
    }
    let awaited: Holding | null = null;
    client.on("data", (bytes) => {
      const holding = this.#comesTo(bytes);
      if (holding?.isCarriedOut === false) {
        keep(client, bytes, holding);
        return;
      }
      awaited = holding ?? awaited;
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      const holding = awaited;
      awaited = null;
      if (holding !== null && holding === this.#holding) keep(upstream, bytes, holding);
      else client.write(bytes);
    });
  }

  /** Whether these bytes have the call that is to wait. */
  #comesTo(bytes: Buffer): Holding | null {
    const holding = this.#holding;
    if (holding === null) return null;
    const text = bytes.toString("latin1");
    // The hash comes once in a call.
    let calls = 0;
    for (const hash of holding.scripts.flatMap(hashesOf)) calls += text.split(hash).length - 1;
    holding.left -= calls;
    return calls > 0 && holding.left <= 0 ? holding : null;
  }
}

function keep(socket: Socket, bytes: Buffer, holding: Holding): void {
  socket.pause();
  socket.unshift(bytes);
  holding.paused.add(socket);
  holding.reached.resolve();
}
