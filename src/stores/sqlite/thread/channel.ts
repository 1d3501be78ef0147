// The way to an engine: a thread of its own for a file, the caller's loop for memory.
import { Worker } from "node:worker_threads";
import { MillraceError } from "../../../core/errors.ts";
import { threadEnvironment } from "../../thread-environment.ts";
import { openEngine } from "./engine.ts";
import { fromPlainError } from "./faults.ts";
import type { Call, EngineOptions, FromEngine, Opened } from "./messages.ts";

/** Where calls go in, and from where replies come. */
export interface Channel {
  send(calls: readonly Call[]): void;
  /** Whether the process is kept alive for it. */
  hold(isHeld: boolean): void;
  /** Ends the thread; the engine has been closed by a call. */
  end(): Promise<void>;
}

export interface ChannelListener {
  onMessage(message: FromEngine): void;
  /** The thread ended unasked. */
  onDeath(reason: string): void;
}

/** An engine in this thread, for a database in memory: no other process can see it, and nothing is waited for. */
export async function openLocalChannel(
  options: EngineOptions,
  listener: ChannelListener,
): Promise<Channel> {
  const engine = await openEngine(options, (message) => {
    // As from a thread: never before the call has returned.
    queueMicrotask(() => listener.onMessage(message));
  });
  return {
    send: (calls) => engine.receive(calls),
    hold: () => undefined,
    end: () => Promise.resolve(),
  };
}

const THREAD = new URL(
  `./thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
  import.meta.url,
);

/** An engine in a thread of its own. */
export async function openThreadChannel(
  options: EngineOptions,
  listener: ChannelListener,
): Promise<Channel> {
  const worker = new Worker(THREAD, {
    workerData: options,
    name: "millrace-store",
    env: threadEnvironment(),
  });
  await opened(worker);
  let isEnding = false;
  worker.on("message", (message: FromEngine) => listener.onMessage(message));
  worker.on("error", (error: Error) => listener.onDeath(error.message));
  worker.on("exit", () => {
    if (!isEnding) listener.onDeath("the store thread ended");
  });
  worker.unref();
  return {
    send: (calls) => worker.postMessage(calls, []),
    hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
    end: async () => {
      isEnding = true;
      await worker.terminate();
    },
  };
}

function opened(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: unknown): void => {
      reject(new MillraceError("STORE_FAILED", { message: String(error), cause: error }));
    };
    worker.once("error", onError);
    worker.once("message", (message: Opened) => {
      worker.off("error", onError);
      if (message.opened) resolve();
      else reject(fromPlainError(message.error));
    });
  });
}
