// The routes that take jobs: the compatibility contract, one job, many jobs.
import { MAX_TAG_LENGTH, MillraceError } from "../../core/index.ts";
import type { EnqueueEntry, Operations, Receipt } from "../../runtime/index.ts";
import { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, parseJson } from "../body.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, defineRoute, json } from "../route.ts";
import {
  type NewJobBody,
  compatAccepted,
  compatJob,
  jobAccepted,
  jobsAccepted,
  newJob,
  newJobs,
} from "../schemas/job-schemas.ts";

const KEY_HEADER = {
  "idempotency-key":
    "A second request with the same key and job type gives the first one's job. At most 256 characters.",
};

/** The routes that take jobs. */
export function enqueueRoutes(operations: Operations): readonly Route[] {
  return [compatRoute(operations), oneRoute(operations), bulkRoute(operations)];
}

function compatRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/job",
    operationId: "enqueueCompat",
    summary: "Enqueue one job in the form of earlier clients: Data is a JSON document in a text.",
    scope: "enqueue",
    body: { schema: compatJob, maxBytes: MAX_BODY_BYTES },
    headers: KEY_HEADER,
    replies: [{ status: 202, description: "The job is kept.", schema: compatAccepted }],
    handle: async ({ body, request }) => {
      const input = body.Data === undefined ? undefined : parseJson(body.Data, "Data");
      const { id, state } = onlyOne(
        await operations.enqueueEntries([withKey(request, { type: body.Type, input })]),
      );
      return json({ id, state }, 202);
    },
  });
}

function oneRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/jobs",
    operationId: "enqueueJob",
    summary: "Enqueue one job.",
    scope: "enqueue",
    body: { schema: newJob, maxBytes: MAX_BODY_BYTES },
    headers: KEY_HEADER,
    replies: [{ status: 202, description: "The job is kept.", schema: jobAccepted }],
    handle: async ({ body, request }) => {
      const receipts = await operations.enqueueEntries([withKey(request, toEntry(body))]);
      return json(accepted(onlyOne(receipts)), 202);
    },
  });
}

function bulkRoute(operations: Operations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/jobs/bulk",
    operationId: "enqueueJobs",
    summary: "Enqueue many jobs: all of them are kept, or none.",
    scope: "enqueue",
    body: { schema: newJobs, maxBytes: MAX_BULK_BODY_BYTES },
    headers: {
      "idempotency-key":
        "Makes a repeated request harmless: each job that has no key of its own gets this one with its place in the list.",
    },
    replies: [{ status: 202, description: "The jobs are kept.", schema: jobsAccepted }],
    handle: async ({ body, request }) => {
      const key = readKey(request);
      const entries = body.jobs.map((job, index) =>
        key === undefined ? toEntry(job) : toEntry({ idempotencyKey: `${key}/${index}`, ...job }),
      );
      const receipts = await operations.enqueueEntries(entries);
      return json({ jobs: receipts.map(accepted) }, 202);
    },
  });
}

function toEntry({ type, input, ...options }: NewJobBody): EnqueueEntry {
  return { type, input, options };
}

/** An entry with the key of its request's header, where that has one. */
function withKey(request: Request, entry: EnqueueEntry): EnqueueEntry {
  const idempotencyKey = readKey(request);
  if (idempotencyKey === undefined) return entry;
  const own = entry.options?.idempotencyKey;
  if (own !== undefined && own !== idempotencyKey) {
    throw new HttpProblem("INVALID_ARGUMENT", {
      detail: "the idempotency-key header and idempotencyKey differ; send one of them",
    });
  }
  return { ...entry, options: { ...entry.options, idempotencyKey } };
}

function onlyOne([receipt]: readonly Receipt[]): Receipt {
  if (receipt === undefined) throw new MillraceError("STORE_FAILED");
  return receipt;
}

function readKey(request: Request): string | undefined {
  const header = request.headers.get("idempotency-key");
  if (header === null) return undefined;
  // The header's draft standard has the key in double quotes; most clients send it bare.
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  if (key.length === 0 || key.length > MAX_TAG_LENGTH) {
    throw new HttpProblem("INVALID_ARGUMENT", {
      detail: `the idempotency-key header has ${key.length} characters; expected 1 to ${MAX_TAG_LENGTH}`,
    });
  }
  return key;
}

function accepted({ id, state, type, isNew, because }: Receipt): object {
  return { id, state, type, isNew, ...(because === undefined ? {} : { because }) };
}
