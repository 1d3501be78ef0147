// One server-sent event stream: a bounded queue between the events and a client that may read slowly.
import { SECURITY_HEADERS } from "./route.ts";

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

/** A stream that is being written. */
export interface EventStream {
  readonly response: Response;
  /** Sends one event; its data is JSON text. */
  send(kind: string, json: string, id?: string): void;
  /** Tells that events were lost. */
  gap(reason: string): void;
  end(): void;
}

/** Opens a stream. `onEnd` is called once, whoever ends it. */
export function openEventStream(heartbeatMs: number, onEnd: () => void): EventStream {
  const encoder = new TextEncoder();
  const retry = `retry: ${RECONNECT_MS}\n\n`;
  let waiting = [retry];
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let waitingLength = retry.length;
  let isOpen = true;
  const flush = (): void => {
    while (isOpen && controller !== undefined && (controller.desiredSize ?? 0) > 0) {
      const text = waiting.shift();
      if (text === undefined) return;
      waitingLength -= text.length;
      controller.enqueue(encoder.encode(text));
    }
  };
  const push = (text: string): void => {
    if (!isOpen) return;
    const isFull =
      waiting.length >= MAX_WAITING_EVENTS || waitingLength + text.length > MAX_WAITING_LENGTH;
    if (isFull && waiting.length > 0) {
      const told = formatGap(`read too slowly: ${waiting.length} events were dropped`);
      waiting = [told];
      waitingLength = told.length;
    }
    waiting.push(text);
    waitingLength += text.length;
    flush();
  };
  const heartbeat = setInterval(() => {
    if (waiting.length === 0) push(": heartbeat\n\n");
  }, heartbeatMs);
  heartbeat.unref();
  const finish = (): void => {
    if (!isOpen) return;
    isOpen = false;
    clearInterval(heartbeat);
    onEnd();
  };
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
      flush();
    },
    pull: flush,
    cancel: finish,
  });
  return {
    response: new Response(body, { headers: STREAM_HEADERS }),
    send: (kind, json, id) => push(format(kind, json, id)),
    gap: (reason) => push(formatGap(reason)),
    end() {
      if (!isOpen) return;
      finish();
      controller?.close();
    },
  };
}

function format(kind: string, json: string, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${kind}\ndata: ${json}\n\n`;
}

function formatGap(reason: string): string {
  return format("gap", JSON.stringify({ reason }));
}
