// The operations over HTTP: what a program does with a store at hand, it does with a service's URL and token.
import {
  type ChangeReply,
  type ErrorCode,
  ERROR_CODES,
  type ErrorRecord,
  type JobId,
  type JobState,
  MillraceError,
  type TypeRecord,
  isMillraceError,
  isTerminal,
  parseDuration,
} from "../core/index.ts";
import type {
  EnqueueEntry,
  JobPageView,
  JobQuery,
  JobView,
  Operations,
  Receipt,
  WaitOptions,
} from "../runtime/index.ts";
import { followEvents } from "./event-client.ts";
import { MAX_WAIT_MS } from "./schemas.ts";

/** Where a service is. */
export interface HttpOperationsOptions {
  /** `http://127.0.0.1:8000`, or behind a prefix. */
  readonly url: string;
  readonly token?: string;
  /** Longest time for a reply. Default 30 s; waiting for a result has its own. */
  readonly timeoutMs?: number;
}

/** Longest time for a reply, unless told otherwise. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** One long poll; the next follows at once. */
const POLL_WAIT_MS = Math.min(30_000, MAX_WAIT_MS);
/** Requests under way at once where a call names several jobs. */
const MAX_PARALLEL = 8;

/** Sends one request and gives its JSON. Made by {@link createSend}. */
type Send = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  options?: { readonly body?: unknown; readonly signal?: AbortSignal; readonly timeoutMs?: number },
) => Promise<unknown>;

/**
 * Does all operations by a service's HTTP API.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for a wrong URL; the operations throw what the service's problems say, and
 * `STORE_BUSY` where the service can't be reached
 */
export function createHttpOperations(options: HttpOperationsOptions): Operations {
  const base = readUrl(options.url);
  const send = createSend(base, options);
  return {
    ...jobOperations(send),
    ...changeOperations(send),
    ...systemOperations(send),
    subscribe: (filter, listener, onGap) =>
      followEvents({ base, token: options.token }, filter, listener, onGap),
  };
}

function readUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `url is ${JSON.stringify(text)}; expected one like http://127.0.0.1:8000`,
    });
  }
  return url.href.replace(/\/+$/, "");
}

function createSend(base: string, options: HttpOperationsOptions): Send {
  const defaultTimeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return async (method, path, { body, signal, timeoutMs = defaultTimeoutMs } = {}) => {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      });
      const text = await response.text();
      if (!response.ok) throw toError(response.status, text);
      return JSON.parse(text) as unknown;
    } catch (cause) {
      if (isMillraceError(cause)) throw cause;
      signal?.throwIfAborted();
      throw new MillraceError("STORE_BUSY", {
        message: `the service at ${base} ${deadline.aborted ? `did not answer within ${timeoutMs} ms` : `can't be reached: ${reasonOf(cause)}`}`,
        cause,
      });
    }
  };
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message === "" ? ((cause as NodeJS.ErrnoException).code ?? "") : cause.message;
}

/** Makes the error that a problem document tells of. */
export function toError(status: number, text: string): MillraceError {
  let problem: { readonly code?: unknown; readonly detail?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Something between us and the service answered: only the status is known.
  }
  const code = typeof problem.code === "string" ? problem.code : "";
  return new MillraceError(codeOf(code, status), {
    message: typeof problem.detail === "string" ? problem.detail : `the service answered ${status}`,
    details: { status },
  });
}

function codeOf(code: string, status: number): ErrorCode {
  if (Object.hasOwn(ERROR_CODES, code)) return code as ErrorCode;
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403 || status === 421) return "FORBIDDEN";
  return status >= 500 ? "STORE_FAILED" : "INVALID_ARGUMENT";
}

type JobOperations = Pick<Operations, "enqueueEntries" | "job" | "jobs" | "logs" | "wait">;

function jobOperations(send: Send): JobOperations {
  const job = (id: JobId, wait = ""): Promise<JobView | null> =>
    nullIfGone(send("GET", `/v1/jobs/${encodeURIComponent(id)}${wait}`) as Promise<JobView>);
  const wait = (id: JobId, options: WaitOptions = {}): Promise<JobView | null> =>
    pollResult(send, job, id, options);
  return {
    job,
    wait,
    async enqueueEntries(entries) {
      const { jobs } = (await send("POST", "/v1/jobs/bulk", {
        body: { jobs: entries.map(toBody) },
      })) as { readonly jobs: readonly Omit<Receipt, "result">[] };
      return jobs.map((accepted) => ({
        ...accepted,
        result: (options) => resultOf(wait, accepted.id, options),
      }));
    },
    jobs: (query = {}) => send("GET", `/v1/jobs${toQuery(query)}`) as Promise<JobPageView>,
    async logs(id, { afterSeq, limit } = {}) {
      const { lines } = (await send(
        "GET",
        `/v1/jobs/${encodeURIComponent(id)}/logs${searchOf({ after: afterSeq, limit })}`,
      )) as { readonly lines: Awaited<ReturnType<Operations["logs"]>> };
      return lines;
    },
  };
}

function toBody({ type, input, options }: EnqueueEntry): object {
  return { type: typeof type === "string" ? type : type.name, input, ...options };
}

function toQuery({ states, ...rest }: JobQuery): string {
  return searchOf({ state: states?.join(","), ...rest });
}

function searchOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? "" : `?${search.toString()}`;
}

async function nullIfGone<Value>(pending: Promise<Value>): Promise<Value | null> {
  try {
    return await pending;
  } catch (thrown) {
    if (isMillraceError(thrown, "JOB_NOT_FOUND")) return null;
    throw thrown;
  }
}

async function pollResult(
  send: Send,
  job: (id: JobId) => Promise<JobView | null>,
  id: JobId,
  { timeout, signal }: WaitOptions,
): Promise<JobView | null> {
  const endsAt =
    timeout === undefined ? Infinity : performance.now() + parseDuration(timeout, "timeout");
  for (;;) {
    const leftMs = endsAt - performance.now();
    if (leftMs <= 0) throw new MillraceError("WAIT_TIMEOUT", { details: { jobId: id } });
    const waitMs = Math.ceil(Math.min(leftMs, POLL_WAIT_MS));
    const ended = await nullIfGone(
      send("GET", `/v1/jobs/${encodeURIComponent(id)}/result?wait=${waitMs}ms`, {
        timeoutMs: waitMs + DEFAULT_TIMEOUT_MS,
        ...(signal === undefined ? {} : { signal }),
      }) as Promise<{ readonly state: JobState }>,
    );
    if (ended === null) return null;
    if (isTerminal(ended.state)) return job(id);
  }
}

async function resultOf(
  wait: Operations["wait"],
  id: JobId,
  options: WaitOptions | undefined,
): Promise<unknown> {
  const job = await wait(id, options);
  if (job === null) throw new MillraceError("JOB_REMOVED", { details: { jobId: id } });
  if (job.state === "succeeded") return job.result;
  throw new MillraceError(job.state === "cancelled" ? "JOB_CANCELLED" : "JOB_FAILED", {
    message: `job ${id} ${job.state}${job.error === null ? "" : `: ${job.error.message}`}`,
    cause: job.error satisfies ErrorRecord | null,
    details: { jobId: id, type: job.type },
  });
}

type ChangeOperations = Pick<Operations, "cancel" | "retry" | "remove">;

function changeOperations(send: Send): ChangeOperations {
  const changeAll = async (
    ids: readonly JobId[],
    change: (path: string) => Promise<unknown>,
  ): Promise<readonly ChangeReply[]> => {
    const replies: ChangeReply[] = [];
    for (let start = 0; start < ids.length; start += MAX_PARALLEL) {
      const part = ids.slice(start, start + MAX_PARALLEL);
      replies.push(...(await Promise.all(part.map((id) => changeOne(send, id, change)))));
    }
    return replies;
  };
  return {
    cancel: (ids, options = {}) =>
      changeAll(ids, (path) => send("POST", `${path}/cancel`, { body: options })),
    retry: (ids) => changeAll(ids, (path) => send("POST", `${path}/retry`)),
    remove: (ids) => changeAll(ids, (path) => send("DELETE", path)),
  };
}

async function changeOne(
  send: Send,
  id: JobId,
  change: (path: string) => Promise<unknown>,
): Promise<ChangeReply> {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  try {
    const { state } = (await change(path)) as { readonly state: JobState };
    return { changed: true, state };
  } catch (thrown) {
    if (isMillraceError(thrown, "JOB_NOT_FOUND")) return { changed: false, state: null };
    if (!isMillraceError(thrown, "WRONG_STATE")) throw thrown;
    const job = await nullIfGone(send("GET", path) as Promise<JobView>);
    return { changed: false, state: job?.state ?? null };
  }
}

function queuePath(queue: string): string {
  return `/v1/queues/${encodeURIComponent(queue)}`;
}

type SystemOperations = Pick<
  Operations,
  "queues" | "pause" | "resume" | "workers" | "types" | "describe" | "figures"
>;

function systemOperations(send: Send): SystemOperations {
  const list = async <Item>(path: string, field: string): Promise<readonly Item[]> =>
    ((await send("GET", path)) as Readonly<Record<string, readonly Item[]>>)[field] ?? [];
  return {
    queues: () => list("/v1/queues", "queues"),
    workers: () => list("/v1/workers", "workers"),
    async types() {
      const types = await list<
        TypeRecord & { readonly inputSchema: unknown; readonly outputSchema: unknown }
      >("/v1/types", "types");
      return types.map(({ inputSchema, outputSchema, ...type }) => ({
        ...type,
        ...(inputSchema === null ? {} : { inputSchema: JSON.stringify(inputSchema) }),
        ...(outputSchema === null ? {} : { outputSchema: JSON.stringify(outputSchema) }),
      }));
    },
    figures: ({ resolution, since, type } = {}) =>
      list(
        `/v1/figures${searchOf({ resolution, since: since === undefined ? undefined : `${parseDuration(since, "since")}ms`, type })}`,
        "figures",
      ),
    describe: () => send("GET", "/v1/store") as ReturnType<Operations["describe"]>,
    // The service writes down who asked by the token's name, so `by` is not sent.
    async pause(queue, { reason } = {}) {
      await send("POST", `${queuePath(queue)}/pause`, {
        body: reason === undefined ? {} : { reason },
      });
    },
    async resume(queue) {
      await send("POST", `${queuePath(queue)}/resume`);
    },
  };
}
