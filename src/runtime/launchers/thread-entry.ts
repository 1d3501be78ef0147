// Runs in a thread of the thread launcher: loads modules once, and runs one job at a time.
import { parentPort } from "node:worker_threads";
import type { JobContext, JobLog } from "../../core/define-job.ts";
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import { LOG_LEVELS } from "../../core/job.ts";
import { FatalError, RetryAfterError, SnoozeError } from "../../core/outcomes.ts";
import type { FromThread, ThrownInThread, ToThread } from "./thread-protocol.ts";

type Handler = (context: JobContext<unknown>) => unknown;

const port = parentPort;
let controller = new AbortController();

function say(message: FromThread): void {
  port?.postMessage(message);
}

const log = Object.fromEntries(
  LOG_LEVELS.map((level) => [
    level,
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      say({ kind: "log", level, message, fields });
    },
  ]),
) as JobLog;

async function run(message: Extract<ToThread, { kind: "run" }>): Promise<void> {
  controller = new AbortController();
  try {
    const handler = await load(message.module, message.exportName);
    const output = await handler({
      input: message.input,
      job: message.job,
      signal: controller.signal,
      log,
      progress: (value) => {
        say({ kind: "progress", value });
      },
    });
    say({ kind: "done", output });
  } catch (error) {
    say({ kind: "threw", error: describe(error) });
  }
}

async function load(module: string, exportName: string): Promise<Handler> {
  const loaded = (await import(module)) as Record<string, unknown>;
  const handler = loaded[exportName];
  if (typeof handler !== "function") {
    throw new FatalError(`${module} has no exported function ${JSON.stringify(exportName)}`);
  }
  return handler as Handler;
}

function describe(thrown: unknown): ThrownInThread {
  const record = toErrorRecord(thrown);
  if (thrown instanceof SnoozeError) {
    return { record, outcome: "snooze", delayMs: thrown.delayMs, pushBack: thrown.pushBack };
  }
  if (thrown instanceof FatalError) return { record, outcome: "fatal" };
  if (thrown instanceof RetryAfterError) {
    return { record, outcome: "retry-after", delayMs: thrown.delayMs, pushBack: thrown.pushBack };
  }
  return { record };
}

port?.on("message", (message: ToThread) => {
  if (message.kind === "run") void run(message);
  else {
    controller.abort(new MillraceError("JOB_CANCELLED", { message: message.reason.message }));
  }
});
