// Following a service's events: one stream that connects again, resumes, and tells where it could not.
import { setTimeout as sleep } from "node:timers/promises";
import { checkOptions, isMillraceError } from "../../core/index.ts";
import { EVENT_FILTER_NAMES, type EventFilter, type EventView } from "../../runtime/index.ts";
import { type Service, anyOf, authorization, checkReply, searchOf, unreachable } from "./send.ts";
import { createEventParser } from "../events/event-reader.ts";

/** First wait before connecting again; doubled up to the bound while the service stays away. */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
/** Silence after which a connection is held to be dead: three of the service's heartbeats. */
const MAX_SILENCE_MS = 45_000;

/**
 * Follows events until the subscription is disposed of. The first connection must succeed; later ones are tried again.
 *
 * @throws MillraceError what the service's problem says, or `SERVICE_UNREACHABLE` where it can't be reached
 */
export async function followEvents(
  service: Service,
  filter: EventFilter,
  listener: (event: EventView) => void,
  onGap: (reason: string) => void = () => {},
): Promise<AsyncDisposable> {
  checkOptions(filter, "filter", EVENT_FILTER_NAMES);
  const ended = new AbortController();
  const isEnded = (): boolean => ended.signal.aborted || service.ended?.aborted === true;
  let lastEventId: string | undefined;
  const connect = (): Promise<ReadableStream<Uint8Array>> =>
    openStream(service, filter, lastEventId, ended.signal);
  const read = async (body: ReadableStream<Uint8Array>): Promise<void> => {
    const parse = createEventParser();
    const decoder = new TextDecoder();
    for await (const chunk of withinSilence(body)) {
      for (const { kind, data, id } of parse(decoder.decode(chunk, { stream: true }))) {
        if (id !== undefined) lastEventId = id;
        if (kind === "gap") onGap((JSON.parse(data) as { readonly reason: string }).reason);
        else if (kind !== "job") listener(JSON.parse(data) as EventView);
      }
    }
  };
  const first = await connect();
  const running = (async () => {
    let body: ReadableStream<Uint8Array> | undefined = first;
    let retryMs = FIRST_RETRY_MS;
    while (!isEnded()) {
      try {
        if (body === undefined) {
          body = await connect();
          // Nothing tells the service where to go on. A look that this calls for misses nothing, now that it listens.
          if (lastEventId === undefined) onGap("the connection to the service was cut");
        }
        retryMs = FIRST_RETRY_MS;
        await read(body);
      } catch {
        // A cut connection or a service that is away: connect again, the resume tells what was lost.
      }
      body = undefined;
      if (isEnded()) return;
      await sleep(retryMs, undefined, { signal: ended.signal }).catch(() => {});
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await running;
    },
  };
}

async function openStream(
  service: Service,
  { id, type }: EventFilter,
  lastEventId: string | undefined,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const path =
    id === undefined
      ? `/v1/events${searchOf({ type })}`
      : `/v1/jobs/${encodeURIComponent(id)}/events`;
  // Only the beginning of the reply has a deadline; it has no end.
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), service.timeoutMs);
  try {
    const response = await fetch(`${service.base}${path}`, {
      headers: {
        ...authorization(service),
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      },
      redirect: "manual",
      signal: anyOf(signal, service.ended, deadline.signal),
    });
    await checkReply(service, response);
    if (response.body === null) throw new Error("the reply has no body");
    return response.body;
  } catch (cause) {
    if (isMillraceError(cause)) throw cause;
    service.ended?.throwIfAborted();
    throw unreachable(service, cause, deadline.signal.aborted ? service.timeoutMs : null);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a stream that stays silent: a peer that vanished without a word closes nothing. */
async function* withinSilence(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void reader.cancel().catch(() => {}), MAX_SILENCE_MS);
    timer.unref();
  };
  try {
    for (;;) {
      arm();
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}
