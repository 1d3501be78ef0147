// Handlers under test outside of Millrace's processes: behind a URL, behind a callback, as a remote worker.
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FatalError, LOG_LEVELS, RetryAfterError, SnoozeError } from "millrace";
import type { JobContext, JobLog } from "millrace";
import { type LauncherActInput, performLauncherAct } from "millrace/testing";

type Context = JobContext<LauncherActInput>;
/** A job as it comes over the wire. */
type WireJob = Context["job"] & { readonly input: LauncherActInput };

/** Time between two reports: as short as a test's patience, where a real worker takes a third of its lease. */
const BEAT_MS = 25;
const HEADERS = { "content-type": "application/json" };

const nothing: JobLog["info"] = () => {};
const silentLog = Object.fromEntries(LOG_LEVELS.map((level) => [level, nothing])) as JobLog;

/** A function service: answers with the outcome, or with 202 and settles by the callback later. */
export interface FunctionService extends AsyncDisposable {
  readonly url: string;
  readonly countRunning: () => number;
}

/** Starts a function service that answers when it is done. */
export async function startFunctionService(): Promise<FunctionService> {
  let running = 0;
  return serve(
    async (job, response) => {
      running += 1;
      const gone = new AbortController();
      response.on("close", () => {
        running -= 1;
        gone.abort();
      });
      const answer = await answerOf({
        input: job.input,
        job,
        signal: gone.signal,
        log: silentLog,
        progress: () => {},
      });
      response.writeHead(answer.status, { ...HEADERS, ...answer.headers }).end(answer.body);
    },
    () => running,
  );
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

async function answerOf(context: Context): Promise<Answer> {
  try {
    return { status: 200, body: JSON.stringify(await performLauncherAct(context)) };
  } catch (error) {
    const body = error instanceof Error ? error.message : "ended";
    if (error instanceof FatalError) return { status: 422, body };
    if (!(error instanceof RetryAfterError)) return { status: 500, body };
    return { status: 503, headers: { "retry-after": String(error.delayMs / 1_000) }, body };
  }
}

/** Starts a function service that answers 202 and tells the rest by the callback. */
export async function startCallbackService(): Promise<FunctionService> {
  let running = 0;
  return serve(
    (job, response) => {
      response.writeHead(202).end();
      running += 1;
      const callback = job["callback"].replace(/\/settle$/, "");
      void workElsewhere(callback, job).finally(() => (running -= 1));
    },
    () => running,
  );
}

async function serve(
  // oxlint-disable-next-line typescript/no-explicit-any -- what comes over the wire
  handle: (job: any, response: ServerResponse) => unknown,
  countRunning: () => number,
): Promise<FunctionService> {
  const server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => void handle(JSON.parse(body), response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    countRunning,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A remote worker that takes so many jobs at once, until it is told to end. */
export async function workRemotely(
  url: string,
  types: readonly string[],
  { max, signal }: { readonly max: number; readonly signal: AbortSignal },
  count: (change: 1 | -1) => void,
): Promise<void> {
  const held = new Set<string>();
  let worker: string | undefined;
  while (!signal.aborted) {
    const body = { types, wait: "1s", max, holding: [...held], ...(worker ? { worker } : {}) };
    const reply = await post(`${url}/v1/claims`, body, signal);
    if (reply?.status !== 200) continue;
    ({ worker } = reply.json);
    for (const job of reply.json.jobs as readonly WireJob[]) {
      held.add(job.id);
      count(1);
      void workElsewhere(`${url}/v1/claims/${job.id}`, job).finally(() => {
        held.delete(job.id);
        count(-1);
      });
    }
  }
}

/** Does one job: reports while it runs, then settles. Ends without a word when the job is not its any more. */
async function workElsewhere(claim: string, job: WireJob): Promise<void> {
  const asked = new AbortController();
  const dropped = Promise.withResolvers<void>();
  const { token } = job;
  let told: { progress?: unknown; logs: object[] } = { logs: [] };
  const report = async (): Promise<void> => {
    const words = told;
    told = { logs: [] };
    const reply = await post(`${claim}/report`, { token, ...words });
    if (reply === undefined || reply.status >= 400) dropped.resolve();
    else if (reply.json.cancel !== null) asked.abort(new Error("asked to end"));
  };
  const beat = setInterval(() => void report(), BEAT_MS);
  const log: JobLog = { ...silentLog, info: (message) => void told.logs.push({ message }) };
  const outcome = outcomeOf({
    input: job.input,
    job,
    signal: asked.signal,
    log,
    progress: (value) => (told.progress = value),
  });
  const ended = await Promise.race([outcome, dropped.promise]);
  clearInterval(beat);
  if (ended === undefined) return;
  const kept = await post(`${claim}/settle`, { token, ...told, ...ended });
  if (kept?.status === 200 || kept?.status === 409) return;
  await post(`${claim}/settle`, { token, kind: "error", message: "not accepted", fatal: true });
}

async function outcomeOf(context: Context): Promise<object> {
  try {
    return { kind: "result", value: await performLauncherAct(context) };
  } catch (error) {
    if (error instanceof SnoozeError) return { kind: "snooze", delayMs: error.delayMs };
    return {
      kind: "error",
      message: error instanceof Error ? error.message : "ended",
      ...(error instanceof FatalError ? { fatal: true } : {}),
      ...(error instanceof RetryAfterError ? { retryAfterMs: error.delayMs } : {}),
    };
  }
}

/** `undefined` where nobody answered. */
async function post(
  url: string,
  body: object,
  signal?: AbortSignal,
  // oxlint-disable-next-line typescript/no-explicit-any -- replies of every shape
): Promise<{ readonly status: number; readonly json: any } | undefined> {
  try {
    const reply = await fetch(url, {
      method: "POST",
      headers: HEADERS,
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: reply.status, json: await reply.json() };
  } catch {
    return undefined;
  }
}
