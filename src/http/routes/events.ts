// The routes that stream events.
import { MillraceError } from "../../core/index.ts";
import type { EventFilter, Operations } from "../../runtime/index.ts";
import type { EventHubs, HubAttachment, HubListener } from "../events/event-hub.ts";
import { EventStream, STREAM_HEADERS } from "../events/event-stream.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, defineRoute } from "../route.ts";
import { eventQuery, jobParams } from "../schemas/job-schemas.ts";

/** Streams open at once: each costs a connection and up to a thousand waiting events. */
const MAX_STREAMS = 1_000;

/** The streams of a service: counted, bounded, and ended when it closes. */
export interface Streams {
  readonly open: Set<EventStream>;
  readonly heartbeatMs: number;
  readonly hubs: EventHubs;
}

const RESUME_HEADER = {
  "last-event-id":
    "The id of the last event seen: later ones are sent first, or a gap event where they are no longer kept.",
};
const STREAM_REPLY = {
  status: 200,
  description:
    "Server-sent events. The event's name is its kind and its data the event as JSON; `gap` says that events were lost.",
  contentType: "text/event-stream",
};

/** The routes that stream events. */
export function eventRoutes(operations: Operations, streams: Streams): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/events",
      operationId: "streamEvents",
      summary: "Follow the events of all jobs, or of one type, from now on.",
      scope: "read",
      query: eventQuery,
      headers: RESUME_HEADER,
      replies: [STREAM_REPLY],
      handle: ({ query, request }) => follow(streams, query, request),
    }),
    defineRoute({
      method: "GET",
      path: "/v1/jobs/{id}/events",
      operationId: "streamJobEvents",
      summary: "Follow one job: first, as a `job` event, where it stands, then its events.",
      scope: "read",
      params: jobParams,
      headers: RESUME_HEADER,
      replies: [STREAM_REPLY],
      handle: ({ params, request }) =>
        follow(streams, { id: params.id }, request, async () => {
          const job = await operations.job(params.id);
          if (job === null) {
            throw new MillraceError("JOB_NOT_FOUND", { message: `no job ${params.id} is kept` });
          }
          return job;
        }),
    }),
  ];
}

async function follow(
  streams: Streams,
  filter: EventFilter,
  request: Request,
  snapshot?: () => Promise<object>,
): Promise<Response> {
  if (streams.open.size >= MAX_STREAMS) throw new HttpProblem("TOO_MANY_STREAMS");
  // The body of a reply to HEAD is dropped without being cancelled: the stream would stay open for ever.
  if (request.method === "HEAD") return new Response(null, { headers: STREAM_HEADERS });
  let attachment: HubAttachment | undefined;
  const stream = new EventStream(streams.heartbeatMs, () => {
    streams.open.delete(stream);
    attachment?.detach();
  });
  streams.open.add(stream);
  const lastEventId = request.headers.get("last-event-id") ?? undefined;
  const listener: HubListener = {
    event: ({ id, kind, json }) => stream.send(kind, json, id),
    gap: (reason) => stream.gap(reason),
  };
  try {
    attachment = await streams.hubs.attach(filter, listener, lastEventId);
    const job = await snapshot?.();
    const isResumed = lastEventId !== undefined;
    stream.begin(
      job === undefined || isResumed ? undefined : { kind: "job", json: JSON.stringify(job) },
    );
  } catch (thrown) {
    stream.end();
    throw thrown;
  }
  // A client that hung up before the stream began never cancels it.
  if (request.signal.aborted) stream.end();
  else request.signal.addEventListener("abort", () => stream.end(), { once: true });
  return stream.response;
}
