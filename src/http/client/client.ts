// The operations over HTTP: what a program does with a store at hand, it does with a service's URL and token.
import {
  type ChangeReply,
  checkOptions,
  type ErrorRecord,
  isMillraceError,
  isTerminal,
  type JobId,
  type JobState,
  messageWithCauses,
  MillraceError,
  parseDuration,
  type TypeRecord,
} from "../../core/index.ts";
import {
  type EnqueueEntry,
  FIGURE_NAMES,
  type JobPageView,
  type JobQuery,
  type JobView,
  LOG_NAMES,
  type Operations,
  PAUSE_NAMES,
  RESUME_NAMES,
  type Receipt,
  WAIT_NAMES,
  type WaitOptions,
} from "../../runtime/index.ts";
import { followEvents } from "./event-client.ts";
import { orderOperations, searchOfSelection } from "./order-client.ts";
import { runOperations } from "./run-client.ts";
import { scheduleOperations } from "./schedule-client.ts";
import { limitOperations } from "./limit-client.ts";
import { MAX_WAIT_MS } from "../schemas/job-schemas.ts";
import {
  DEFAULT_TIMEOUT_MS,
  type HttpOperationsOptions,
  type Send,
  createSend,
  readService,
  searchOf,
} from "./send.ts";

/** One long poll; the next follows at once. */
const POLL_WAIT_MS = Math.min(30_000, MAX_WAIT_MS);
/** Requests under way at once where a call names several jobs. */
const MAX_PARALLEL = 8;

/**
 * Does all operations by a service's HTTP API.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for a wrong URL, token or time; the operations throw what the service's
 * problems say, and `SERVICE_UNREACHABLE` where the service can't be reached, or something else answers
 */
export function createHttpOperations(options: HttpOperationsOptions): Operations {
  const service = readService(options);
  const send = createSend(service);
  const jobs = jobOperations(send);
  return {
    ...jobs,
    runs: runOperations(send),
    schedules: scheduleOperations(send, (accepted) => receiptOf(jobs.wait, accepted)),
    ...changeOperations(send),
    ...orderOperations(send),
    ...systemOperations(send),
    ...limitOperations(send),
    subscribe: (filter, listener, onGap) => followEvents(service, filter, listener, onGap),
  };
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
      return jobs.map((accepted) => receiptOf(wait, accepted));
    },
    jobs: (query = {}) => send("GET", `/v1/jobs${toQuery(query)}`) as Promise<JobPageView>,
    async logs(id, options = {}) {
      const { afterSeq, limit } = checkOptions(options, "options", LOG_NAMES);
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

function toQuery({ limit, cursor, ...selection }: JobQuery): string {
  return searchOf({ ...searchOfSelection(selection), limit, cursor });
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
  options: WaitOptions,
): Promise<JobView | null> {
  const { timeout, signal } = checkOptions(options, "options", WAIT_NAMES);
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

function receiptOf(wait: Operations["wait"], accepted: Omit<Receipt, "result">): Receipt {
  const result: Receipt["result"] = async (options) => {
    if (accepted.because === "dropped") throw new MillraceError("JOB_DROPPED");
    return resultOf(wait, accepted.id, options);
  };
  return { ...accepted, result };
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
    message: `job ${id} ${job.state}${job.error === null ? "" : `: ${messageWithCauses(job.error)}`}`,
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
    async figures(query = {}) {
      const { resolution, since, type } = checkOptions(query, "query", FIGURE_NAMES);
      const sinceText = since === undefined ? undefined : `${parseDuration(since, "since")}ms`;
      return list(`/v1/figures${searchOf({ resolution, since: sinceText, type })}`, "figures");
    },
    describe: () => send("GET", "/v1/store") as ReturnType<Operations["describe"]>,
    // The service writes down who asked by the token's name, so `by` is not sent.
    async pause(queue, options = {}) {
      const { reason } = checkOptions(options, "options", PAUSE_NAMES);
      await send("POST", `${queuePath(queue)}/pause`, {
        body: reason === undefined ? {} : { reason },
      });
    },
    async resume(queue, options = {}) {
      checkOptions(options, "options", RESUME_NAMES);
      await send("POST", `${queuePath(queue)}/resume`);
    },
  };
}
