// One server-sent event stream: a bounded queue between the events and a client that may read slowly.
import { SECURITY_HEADERS } from "../route.ts";

/** Events that wait for a slow client; beyond it they are dropped and the client is told of the gap. */
const MAX_WAITING_EVENTS = 1_000;
/** Most UTF-16 units of them together, as an event may carry a result. One event alone is never too long. */
const MAX_WAITING_LENGTH = 1_048_576;
/** Silence after which a comment is sent: below the 30 to 60 s after which proxies close quiet connections. */
export const HEARTBEAT_MS = 15_000;
/** What a browser waits before it connects again. */
const RECONNECT_MS = 1_000;

/** Headers of every stream. */
export const STREAM_HEADERS: Readonly<Record<string, string>> = {
  ...SECURITY_HEADERS,
  "content-type": "text/event-stream",
  // nginx buffers replies unless told not to.
  "x-accel-buffering": "no",
};

/** What waits for a client that reads slowly. */
interface Waiting {
  readonly text: string;
  /** How many events are lost with it: of a notice of a gap, those that it stands for. */
  readonly events: number;
}

/** A stream that is being written. */
export class EventStream {
  readonly response: Response;
  readonly #onEnd: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #encoder = new TextEncoder();
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #hasBegun = false;
  #isOpen = true;

  /** `onEnd` is called once, whoever ends it. */
  constructor(heartbeatMs: number, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#heartbeat = setInterval(() => {
      if (this.#waiting.length === 0) this.#push(": heartbeat\n\n", 0);
    }, heartbeatMs);
    this.#heartbeat.unref();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#flush(),
      cancel: () => this.#finish(),
    });
    this.response = new Response(body, { headers: STREAM_HEADERS });
  }

  /** Lets events out, one that is given first. What was sent before waited till now, bounded as for a slow reader. */
  begin(first?: { readonly kind: string; readonly json: string }): void {
    const shown = first === undefined ? "" : format(first.kind, first.json);
    const head = `retry: ${RECONNECT_MS}\n\n${shown}`;
    this.#waiting.unshift({ text: head, events: first === undefined ? 0 : 1 });
    this.#waitingLength += head.length;
    this.#hasBegun = true;
    this.#flush();
  }

  /** Sends one event; its data is JSON text. */
  send(kind: string, json: string, id?: string): void {
    this.#push(format(kind, json, id), 1);
  }

  /** Tells that events were lost. */
  gap(reason: string): void {
    this.#push(formatGap(reason), 0);
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#finish();
    this.#controller?.close();
  }

  #push(text: string, events: number): void {
    if (!this.#isOpen) return;
    const isFull =
      this.#waiting.length >= MAX_WAITING_EVENTS ||
      this.#waitingLength + text.length > MAX_WAITING_LENGTH;
    if (isFull && this.#waiting.length > 0) {
      const dropped = this.#waiting.reduce((sum, each) => sum + each.events, 0);
      const told = formatGap(`read too slowly: ${dropped} events were dropped`);
      this.#waiting = [{ text: told, events: dropped }];
      this.#waitingLength = told.length;
    }
    this.#waiting.push({ text, events });
    this.#waitingLength += text.length;
    this.#flush();
  }

  #flush(): void {
    while (this.#isOpen && this.#hasBegun && (this.#controller?.desiredSize ?? 0) > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#waitingLength -= next.text.length;
      this.#controller?.enqueue(this.#encoder.encode(next.text));
    }
  }

  #finish(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#heartbeat);
    this.#onEnd();
  }
}

function format(kind: string, json: string, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${kind}\ndata: ${json}\n\n`;
}

function formatGap(reason: string): string {
  return format("gap", JSON.stringify({ reason }));
}
