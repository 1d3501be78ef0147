// A server that keeps the aggregator's contract, with switches for load and faults, for demos and tests.
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { Ledger, type Verdict } from "./ledger.ts";
import { Traffic, type TrafficOptions } from "./traffic.ts";

/** Above this much unsent data the server waits for the client, as any sender should. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
const TICK_MS = 10;
/** Larger reports than this are a fault of the client. */
const MAX_REPORT_BYTES = 256 * 1024 * 1024;

/** The switches. Times are in milliseconds; 0 turns a fault off. */
export interface RollupServerOptions extends TrafficOptions {
  /** 0 picks a free one. */
  readonly port?: number;
  /** Messages a second; 0 sends only what `burst` is told to. */
  readonly rate?: number;
  /** Stop after this many messages. */
  readonly messages?: number;
  /** From one update of associations to the next. */
  readonly updateEveryMs?: number;
  /** From one cut of the connection to the next, and how long the server then refuses to be connected to. */
  readonly cutEveryMs?: number;
  readonly downForMs?: number;
  /** From one stall to the next, and how long it neither sends nor reads then. */
  readonly stallEveryMs?: number;
  readonly stallForMs?: number;
  /** Told what happens, for a log. */
  readonly tell?: (line: string) => void;
}

/** Listens, sends associations and messages, and checks the reports that come back. One client at a time. */
export class RollupServer {
  readonly ledger = new Ledger();
  readonly traffic: Traffic;
  readonly #options: RollupServerOptions;
  readonly #http: Server = createServer((_, response) => response.writeHead(426).end());
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_REPORT_BYTES,
  });
  readonly #timers: NodeJS.Timeout[] = [];
  #client: WebSocket | undefined;
  #isStalled = false;
  #isDown = false;
  #cutsAfterReport = false;
  #messages = 0;
  #others = 0;
  #owed = 0;

  constructor(options: RollupServerOptions = {}) {
    this.#options = options;
    this.traffic = new Traffic(options);
    this.#http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (this.#isDown || request.url !== "/ws") socket.destroy();
      else this.#sockets.handleUpgrade(request, socket, head, (client) => this.#accept(client));
    });
  }

  /** Where the server listens. */
  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/ws`;
  }

  /** Messages sent. */
  get messages(): number {
    return this.#messages;
  }

  /** Frames sent that no client can count. */
  get others(): number {
    return this.#others;
  }

  /** Whether a client is connected. */
  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(this.#options.port ?? 5050, "127.0.0.1", resolve);
    });
    const { rate, updateEveryMs, cutEveryMs, stallEveryMs } = this.#options;
    this.#every(rate ? TICK_MS : 0, () => this.#tick((rate! * TICK_MS) / 1_000));
    this.#every(updateEveryMs, () => this.update());
    this.#every(cutEveryMs, () => this.cut());
    this.#every(stallEveryMs, () => this.stall());
  }

  /** Stops sending; associations that were held back go out, so that everything can be attributed. */
  quieten(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.resume();
    this.#sendAssociations(this.traffic.revealAll());
  }

  /** Closes everything and says how the reports compare. */
  async stop(): Promise<Verdict> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const client of this.#sockets.clients) client.terminate();
    await new Promise((resolve) => {
      this.#http.close(resolve);
      this.#http.closeAllConnections();
    });
    return this.ledger.finish();
  }

  /** Sends messages at once, as many as asked for; those that are malformed do not count as messages. */
  burst(count: number): void {
    for (let sent = 0; sent < count && this.#client !== undefined;) {
      if (this.#sendNext()) sent += 1;
    }
  }

  /** Resolves when the client has read everything sent so far: a pong comes after what was read before it. */
  async allRead(): Promise<void> {
    const client = this.#client;
    if (client === undefined) throw new Error("no client is connected");
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        client.off("pong", settle).off("close", settle);
        if (client === this.#client) resolve();
        else reject(new Error("the client went away"));
      };
      client.on("pong", settle).on("close", settle);
      client.ping();
    });
  }

  /** Sends associations: some late children, and some that moved. */
  update(): void {
    this.#sendAssociations(this.traffic.nextUpdate());
  }

  /** Sends a text or bytes that no client should choke on. */
  sendOther(data: string | Buffer, binary = false): void {
    if (this.#client === undefined) return;
    this.ledger.sent({ kind: "other" });
    this.#others += 1;
    this.#client.send(data, { binary });
  }

  /** Cuts the connection without a word, and refuses the next ones for a while. */
  cut(downForMs: number = this.#options.downForMs ?? 0): void {
    if (this.#client === undefined) return;
    this.#options.tell?.(`cut the connection, down for ${downForMs} ms`);
    this.#client.terminate();
    this.#forget(this.#client);
    if (downForMs === 0) return;
    this.#isDown = true;
    setTimeout(() => {
      this.#isDown = false;
    }, downForMs).unref();
  }

  /** Takes the next report and then cuts the connection, before the client can know that it was read. */
  cutAfterNextReport(): void {
    this.#cutsAfterReport = true;
  }

  /** Neither sends nor reads (and so answers no ping) for a while, or until `resume`. */
  stall(forMs: number = this.#options.stallForMs ?? 0): void {
    this.#options.tell?.(`stall for ${forMs} ms`);
    this.#isStalled = true;
    this.#client?.pause();
    if (forMs > 0) setTimeout(() => this.resume(), forMs).unref();
  }

  resume(): void {
    this.#isStalled = false;
    this.#client?.resume();
  }

  /** Refuses connections from now on, or takes them again. */
  refuse(isDown: boolean): void {
    this.#isDown = isDown;
  }

  #every(periodMs: number | undefined, run: () => void): void {
    if (periodMs !== undefined && periodMs > 0) this.#timers.push(setInterval(run, periodMs));
  }

  #accept(client: WebSocket): void {
    if (this.#client !== undefined) {
      this.#client.terminate();
      this.#forget(this.#client);
    }
    this.#client = client;
    this.ledger.connect();
    client.on("message", (data: Buffer) => {
      this.ledger.report(data.toString());
      this.#options.tell?.(`report ${this.ledger.reports}: ${data.length} bytes`);
      if (this.#cutsAfterReport) this.cut();
      this.#cutsAfterReport = false;
    });
    client.on("close", () => this.#forget(client));
    client.on("error", (error) => this.#options.tell?.(`client: ${error.message}`));
    if (this.#isStalled) client.pause();
    this.#options.tell?.("client connected");
    this.#sendAssociations(this.traffic.known());
  }

  #forget(client: WebSocket): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.ledger.end();
  }

  #sendAssociations(pairs: readonly (readonly [string, string])[]): void {
    if (this.#client === undefined) return;
    this.ledger.sent({ kind: "associations", pairs });
    this.#client.send(JSON.stringify(pairs.map(([parent, child]) => ({ parent, child }))));
  }

  #tick(messages: number): void {
    if (this.#client === undefined || this.#isStalled) return;
    // A slow client is not owed what it could not take: the rate is a bound, not a debt.
    this.#owed = Math.min(this.#owed + messages, messages * 2);
    while (this.#owed >= 1 && this.#client.bufferedAmount < MAX_BUFFERED_BYTES) {
      if (this.#messages >= (this.#options.messages ?? Infinity)) return;
      if (this.#sendNext()) this.#owed -= 1;
    }
  }

  /** Sends one frame; true when it was a message. */
  #sendNext(): boolean {
    const next = this.traffic.next();
    if (next.kind === "malformed") {
      this.sendOther(next.data, next.binary);
      return false;
    }
    this.ledger.sent({ kind: "message", source: next.source, destination: next.destination });
    this.#client!.send(next.text);
    this.#messages += 1;
    return true;
  }
}
