// SIGTERM and SIGINT: the first drains, the second ends at once.
import { checkFunction } from "../core/arguments.ts";
import { toErrorRecord } from "../core/errors.ts";
import type { Logger } from "./logging/logger.ts";

/** Exit code of a process that was ended by a second signal: 128 + SIGINT, as shells have it. */
const FORCED_EXIT_CODE = 130;
/**
 * A signal that comes again this soon is the same one: at a terminal Ctrl-C reaches every process of the group, and npm
 * passes its own on to the process that it started, which so hears of one key press twice.
 */
export const ECHO_MS = 500;

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Where signals come from: the process. */
type SignalSource = Pick<NodeJS.Process, "on" | "off" | "exit">;

/** What is done on the first of them, and on each that comes later and is no echo of it. */
interface OnSignals {
  readonly first: (signal: NodeJS.Signals) => void;
  readonly second: (signal: NodeJS.Signals) => void;
}

/**
 * Hears SIGTERM and SIGINT.
 *
 * @returns undoes it
 */
export function onSignals(
  { first, second }: OnSignals,
  source: Pick<SignalSource, "on" | "off"> = process,
): () => void {
  let firstAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      first(signal);
    } else if (nowMs - firstAtMs >= ECHO_MS) second(signal);
  };
  for (const signal of SIGNALS) source.on(signal, onSignal);
  return () => {
    for (const signal of SIGNALS) source.off(signal, onSignal);
  };
}

/**
 * Closes something on the first SIGTERM or SIGINT, and ends the process on the second.
 *
 * @returns undoes it
 * @example stopOnSignals(() => mill.close(), logger);
 */
export function stopOnSignals(
  close: () => Promise<void>,
  logger: Logger,
  source: SignalSource = process,
): () => void {
  checkFunction(close, "close");
  const first = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, "stopping: finishing what runs; a second signal stops at once");
    close().catch((error: unknown) => {
      logger.error({ error: toErrorRecord(error) }, "stopping failed");
      process.exitCode = 1;
    });
  };
  const second = (signal: NodeJS.Signals): void => {
    logger.warn({ signal }, "stopping at once; unfinished jobs are taken back when the lease ends");
    source.exit(FORCED_EXIT_CODE);
  };
  return onSignals({ first, second }, source);
}
