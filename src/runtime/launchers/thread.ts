// The worker-thread launcher: a module's function, run in a pool of warm threads, off the event loop that keeps time.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type OptionNames, checkOptions } from "../../core/arguments.ts";
import { type ErrorRecord, MillraceError, toErrorRecord } from "../../core/errors.ts";
import { FatalError, RetryAfterError, SnoozeError, pushingBack } from "../../core/outcomes.ts";
import { checkLaunchNames } from "./launch-names.ts";
import type { LaunchRequest, Launcher } from "./launcher.ts";
import type { FromThread, ThrownInThread, ToThread } from "./thread-protocol.ts";

/** Options of a job type that is launched in a thread. */
export interface ThreadOptions {
  /** The module: a `file:` URL (`new URL("./resize.ts", import.meta.url)`) or its text. */
  readonly module: string | URL;
  /** Name of the exported function; `"default"` by default. It gets the context that any handler gets. */
  readonly export?: string;
}

const LAUNCH_NAMES: OptionNames<ThreadOptions> = { module: true, export: true };

/** Options of the pool. */
export interface ThreadLauncherOptions {
  /** Most threads at once. Default: one for each core. More jobs than threads wait their turn. */
  readonly maxThreads?: number;
}

const LAUNCHER_NAMES: OptionNames<ThreadLauncherOptions> = { maxThreads: true };

const ENTRY = new URL(
  `./thread-entry${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
  import.meta.url,
);

interface Thread {
  readonly worker: Worker;
  /** Why the thread can't be used any more. */
  broken: Error | undefined;
}

/** Makes the launcher `thread`. A thread runs one job at a time; a job that outlives its grace is ended with its thread. */
export function createThreadLauncher(options: ThreadLauncherOptions = {}): Launcher {
  const { maxThreads = availableParallelism() } = checkOptions(options, "options", LAUNCHER_NAMES);
  const idle: Thread[] = [];
  const all = new Set<Thread>();
  const waiting: (() => void)[] = [];

  const acquire = async (): Promise<Thread> => {
    for (;;) {
      const warm = idle.pop();
      if (warm !== undefined) return warm;
      if (all.size < maxThreads) return spawn();
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    }
  };
  const spawn = (): Thread => {
    const thread: Thread = { worker: new Worker(ENTRY), broken: undefined };
    all.add(thread);
    const breakDown = (error: Error): void => {
      thread.broken ??= error;
      all.delete(thread);
      const place = idle.indexOf(thread);
      if (place >= 0) idle.splice(place, 1);
      waiting.shift()?.();
    };
    thread.worker.on("error", breakDown);
    thread.worker.on("exit", (code) => {
      breakDown(new Error(`the thread ended with exit code ${code}`));
    });
    return thread;
  };
  const release = (thread: Thread): void => {
    if (thread.broken !== undefined) return;
    // An idle thread must not keep the process alive.
    thread.worker.unref();
    idle.push(thread);
    waiting.shift()?.();
  };

  return {
    name: "thread",
    check,
    launch: async (request) => {
      const { module, export: exportName = "default" } = readOptions(
        request.options,
        request.job.type,
      );
      const thread = await acquire();
      thread.worker.ref();
      try {
        return await runIn(thread, request, { module: String(module), exportName });
      } finally {
        release(thread);
      }
    },
    stop: async () => {
      await Promise.all([...all].map(({ worker }) => worker.terminate()));
    },
  };
}

function check(value: unknown, type: string): void {
  checkLaunchNames(value, type, LAUNCH_NAMES);
  readOptions(value, type);
}

function readOptions(value: unknown, type: string): ThreadOptions {
  const options = value as Partial<ThreadOptions> | null | undefined;
  const module = options?.module;
  if (!(module instanceof URL) && (typeof module !== "string" || !URL.canParse(module))) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type} has launch.options.module ${JSON.stringify(module)}; expected a file: URL such as new URL("./resize.ts", import.meta.url)`,
    });
  }
  const exportName = options?.export;
  return { module, ...(exportName === undefined ? {} : { export: exportName }) };
}

async function runIn(
  thread: Thread,
  request: LaunchRequest,
  target: { readonly module: string; readonly exportName: string },
): Promise<unknown> {
  const { worker } = thread;
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onMessage = (message: FromThread): void => {
    switch (message.kind) {
      case "progress":
        request.progress(message.value);
        break;
      case "log":
        request.log[message.level](message.message, message.fields);
        break;
      case "done":
        resolve(message.output);
        break;
      case "threw":
        reject(rebuild(message.error));
        break;
    }
  };
  const onEnd = (): void => {
    reject(
      new MillraceError("LAUNCH_FAILED", {
        message: `the thread that ran the job ended: ${thread.broken?.message ?? "unknown reason"}`,
        cause: thread.broken,
      }),
    );
  };
  const send = (message: ToThread): void => {
    worker.postMessage(message);
  };
  const onAbort = (): void => {
    send({ kind: "abort", reason: toErrorRecord(request.signal.reason) });
  };
  const onKill = (): void => {
    // Marked first: a thread that is being ended must not be handed to the next job.
    thread.broken ??= new Error("it was ended when its job outlived the grace");
    void worker.terminate();
  };
  worker.on("message", onMessage);
  worker.on("exit", onEnd);
  request.signal.addEventListener("abort", onAbort);
  request.kill.addEventListener("abort", onKill);
  try {
    send({ kind: "run", ...target, input: request.input, job: request.job });
    if (request.signal.aborted) onAbort();
    if (request.kill.aborted) onKill();
    return await promise;
  } finally {
    worker.off("message", onMessage);
    worker.off("exit", onEnd);
    request.signal.removeEventListener("abort", onAbort);
    request.kill.removeEventListener("abort", onKill);
  }
}

/** Makes again what a handler threw on the other side, so that it means the same here. */
function rebuild(thrown: ThrownInThread): unknown {
  const { record, outcome, delayMs = 0, pushBack } = thrown;
  const options = pushingBack(pushBack);
  if (outcome === "snooze") return new SnoozeError(delayMs, options);
  const error =
    outcome === "fatal"
      ? new FatalError(record.message)
      : outcome === "retry-after"
        ? new RetryAfterError(delayMs, record.message, options)
        : Object.assign(new Error(record.message), { name: record.name });
  return dress(error, record);
}

/** Gives an error what else is known of it. */
function dress(error: Error, { stack, code, cause }: ErrorRecord): Error {
  if (stack !== undefined) error.stack = stack;
  if (cause !== undefined) {
    const { name, message } = cause;
    error.cause = dress(Object.assign(new Error(message), { name }), cause);
  }
  return code === undefined ? error : Object.assign(error, { code });
}
