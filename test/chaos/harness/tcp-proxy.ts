// A network that fails: a proxy on loopback that can cut, stall, and lose a reply whose request went through.
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** Stands between clients and one server. */
export class TcpProxy implements AsyncDisposable {
  #target: ProxyTarget;
  readonly #server = createServer((client) => this.#join(client));
  readonly #pairs = new Set<readonly [client: Socket, upstream: Socket]>();
  #isCut = false;
  #isStalled = false;
  #repliesToLose = 0;
  /** Replies lost so far. */
  lost = 0;
  /** Connections that clients made so far. */
  accepted = 0;

  private constructor(target: ProxyTarget) {
    this.#target = target;
  }

  static async start(target: ProxyTarget): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection, and each new one at once, until {@link mend}. */
  cut(): void {
    this.#isCut = true;
    this.#breakAll();
  }

  /** Lets nothing through in either direction, while connections stay up, until {@link mend}. */
  stall(): void {
    this.#isStalled = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Breaks every connection; new ones lead to another server, as after a failover. */
  retarget(target: ProxyTarget): void {
    this.#target = target;
    this.#breakAll();
  }

  /** Hands the next requests on, throws their replies away and breaks the connection instead. */
  loseReplies(count: number): void {
    this.#repliesToLose += count;
  }

  mend(): void {
    this.#isCut = false;
    this.#isStalled = false;
    this.#repliesToLose = 0;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#breakAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    this.accepted += 1;
    if (this.#isCut) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(this.#target);
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    const part = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on("error", part).on("close", part);
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes) => {
      if (this.#repliesToLose === 0) {
        client.write(bytes);
        return;
      }
      this.#repliesToLose -= 1;
      this.lost += 1;
      part();
    });
    if (this.#isStalled) for (const socket of pair) socket.pause();
  }

  #breakAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }
}
