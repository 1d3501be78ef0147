// The store thread: an engine behind a message port.
import { parentPort, workerData } from "node:worker_threads";
import { MillraceError } from "../../../core/errors.ts";
import { openEngine } from "./engine.ts";
import { toPlainError, toStoreError } from "./faults.ts";
import type { Call, EngineOptions, FromEngine, Opened } from "./messages.ts";

const port = parentPort;
if (port === null) throw new MillraceError("STORE_FAILED", { message: "not a store thread" });

const options = workerData as EngineOptions;
try {
  const engine = await openEngine(options, (message: FromEngine) => port.postMessage(message));
  port.on("message", (calls: readonly Call[]) => engine.receive(calls));
  port.postMessage({ opened: true } satisfies Opened);
} catch (error) {
  const plain = toPlainError(toStoreError(error, options.path));
  port.postMessage({ opened: false, error: plain } satisfies Opened);
}
