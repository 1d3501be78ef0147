// A WebSocket that comes back: connects, notices a dead peer, connects again, and knows what it delivered.
import { MillraceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { WebSocket } from "ws";
import type { RollupClock } from "./clock.ts";

/** A peer that has not finished its handshake by then is not going to. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a closing handshake may take before the socket is cut. */
const CLOSE_TIMEOUT_MS = 2_000;
/** After the loop was held up, timers run before sockets are read: the answer may be there, unread. */
const SECOND_LOOK_MS = 100;
/** A connection that lasted this long was a good one: the next loss starts the backoff anew. */
const STABLE_AFTER_MS = 5_000;

/** Why and how a connection ended. */
export interface ConnectionLoss {
  /** 1 for the first connection made, 2 for the next, ...; 0 when none was made. */
  readonly connection: number;
  /** The close code, 1006 when the peer was just gone. */
  readonly code: number;
  readonly reason: string;
  /** Milliseconds until the next try. */
  readonly retryInMs: number;
}

export interface MessageConnectionOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxFrameBytes: number;
  readonly pingEveryMs: number;
  readonly retry: RetryPolicy;
  readonly clock: RollupClock;
  readonly random: () => number;
  readonly onMessage: (bytes: Buffer, isBinary: boolean) => void;
  readonly onOpen: (connection: number) => void;
  readonly onLost: (loss: ConnectionLoss) => void;
  readonly onOversize: () => void;
}

/** One connection while it is open. */
interface OpenSocket {
  readonly socket: WebSocket;
  readonly openedMs: number;
  /** Something arrived since the last heartbeat. */
  heard: boolean;
  pings: number;
  /** Callers that wait for the pong of a ping, in order. */
  readonly waiting: { readonly ping: number; readonly settle: (lost?: Error) => void }[];
}

/** What became of a text: the peer has it, or it went out and the connection was lost before the peer said so. */
export type SendOutcome = "confirmed" | "unconfirmed";

/**
 * Keeps one connection to a server. No compression is offered, frames are bounded, and UTF-8 is not
 * checked here: the reader checks what it reads in full, and so counts a bad text instead of closing.
 */
export class MessageConnection {
  readonly #options: MessageConnectionOptions;
  #open: OpenSocket | undefined;
  #socket: WebSocket | undefined;
  #connections = 0;
  #attempt = 0;
  #cancelTimer: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: MessageConnectionOptions) {
    this.#options = options;
  }

  /** Whether messages can come and go. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Connections made so far. */
  get connections(): number {
    return this.#connections;
  }

  start(): void {
    if (this.#socket === undefined && this.#stopped === undefined) this.#connect();
  }

  /** Closes the connection politely, or cuts it when the peer does not answer. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * Sends one text in pieces. First the peer must answer a ping, so that nothing is written towards one
   * that is gone; then, after the text, another: pongs come in order, so the second one says that the
   * text before it was read.
   *
   * @throws MillraceError `DISCONNECTED` when the text did not go out; it can be sent again
   */
  async send(pieces: Iterable<Buffer>, signal: AbortSignal): Promise<SendOutcome> {
    const open = this.#open;
    if (open === undefined) throw notSent("the connection is down");
    const onAbort = (): void => open.socket.terminate();
    signal.addEventListener("abort", onAbort);
    try {
      await roundTrip(open);
      await writeText(open.socket, pieces);
      return await roundTrip(open).then(
        () => "confirmed" as const,
        () => "unconfirmed" as const,
      );
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url, {
      headers: { ...this.#options.headers },
      perMessageDeflate: false,
      maxPayload: this.#options.maxFrameBytes,
      skipUTF8Validation: true,
      followRedirects: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#socket = socket;
    let reason = "";
    socket.on("open", () => this.#opened(socket));
    socket.on("error", (error: Error & { code?: string }) => {
      reason = error.message;
      this.#cutUnlessClosed(socket);
      if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#options.onOversize();
    });
    socket.on("close", (code, closeReason) => this.#lost(code, reason || closeReason.toString()));
  }

  #opened(socket: WebSocket): void {
    this.#connections += 1;
    const open: OpenSocket = {
      socket,
      openedMs: this.#options.clock.monotonicMs(),
      heard: true,
      pings: 0,
      waiting: [],
    };
    this.#open = open;
    const { onMessage } = this.#options;
    socket.on("message", (bytes: Buffer, isBinary: boolean) => {
      open.heard = true;
      onMessage(bytes, isBinary);
    });
    socket.on("ping", () => {
      open.heard = true;
    });
    socket.on("pong", (payload: Buffer) => {
      open.heard = true;
      settleUpTo(open, Number(payload.toString("latin1")));
    });
    this.#beat(open);
    this.#options.onOpen(this.#connections);
  }

  /** A peer that does not answer the ping of one beat until the next is dead. */
  #beat(open: OpenSocket, isSecondLook = false): void {
    const { clock, pingEveryMs } = this.#options;
    if (open.heard) {
      open.heard = false;
      sendPing(open);
      this.#cancelTimer = clock.after(pingEveryMs, () => this.#beat(open));
    } else if (isSecondLook) {
      open.socket.terminate();
    } else {
      this.#cancelTimer = clock.after(SECOND_LOOK_MS, () => this.#beat(open, true));
    }
  }

  #lost(code: number, reason: string): void {
    const open = this.#open;
    this.#open = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { clock, retry, random } = this.#options;
    if (open !== undefined) {
      for (const waiter of open.waiting.splice(0))
        waiter.settle(notSent("the connection was lost"));
      if (clock.monotonicMs() - open.openedMs >= STABLE_AFTER_MS) this.#attempt = 0;
    }
    if (this.#stopped !== undefined) return;
    this.#attempt += 1;
    const retryInMs = retry.delayMs({ attempt: this.#attempt, error: undefined }, random());
    this.#cancelTimer = clock.after(retryInMs, () => this.#connect());
    const connection = open === undefined ? 0 : this.#connections;
    this.#options.onLost({ connection, code, reason, retryInMs });
  }

  async #stop(): Promise<void> {
    this.#cancelTimer?.();
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      if (this.#open === undefined) socket.terminate();
      else socket.close(1000);
      this.#cutUnlessClosed(socket);
    });
  }

  /** A closing handshake needs the peer; without its answer the socket is cut. */
  #cutUnlessClosed(socket: WebSocket): void {
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => socket.terminate());
    socket.once("close", cancel);
  }
}

function sendPing(open: OpenSocket): number {
  open.pings += 1;
  // A failed ping shows as the connection's own end.
  open.socket.ping(String(open.pings), undefined, () => {});
  return open.pings;
}

/** Resolves when the peer has answered everything sent so far. */
function roundTrip(open: OpenSocket): Promise<void> {
  if (open.socket.readyState !== WebSocket.OPEN) {
    return Promise.reject(notSent("the connection is closing"));
  }
  return new Promise((resolve, reject) => {
    const settle = (lost?: Error): void => (lost === undefined ? resolve() : reject(lost));
    open.waiting.push({ ping: sendPing(open), settle });
  });
}

/** A pong may answer only the newest of several pings (RFC 6455, 5.5.3), so it settles the older ones too. */
function settleUpTo(open: OpenSocket, ping: number): void {
  if (!Number.isInteger(ping) || ping > open.pings) return;
  while (open.waiting.length > 0 && open.waiting[0]!.ping <= ping) open.waiting.shift()!.settle();
}

/** Writes the pieces as fragments of one text message; resolves when the last one is with the system. */
async function writeText(socket: WebSocket, pieces: Iterable<Buffer>): Promise<void> {
  let piece: Buffer | undefined;
  for (const next of pieces) {
    if (piece !== undefined) await writeFragment(socket, piece, false);
    piece = next;
  }
  await writeFragment(socket, piece ?? Buffer.alloc(0), true);
}

function writeFragment(socket: WebSocket, piece: Buffer, fin: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(piece, { binary: false, fin, compress: false }, (error) => {
      if (error) reject(notSent("the connection was lost while sending", error));
      else resolve();
    });
  });
}

function notSent(message: string, cause?: unknown): MillraceError {
  return new MillraceError("DISCONNECTED", {
    message,
    ...(cause === undefined ? {} : { cause }),
  });
}
