// SIGTERM and SIGINT: the first drains, the second ends at once.
import { toErrorRecord } from "../core/errors.ts";
import type { Logger } from "./logger.ts";

/** Exit code of a process that was ended by a second signal: 128 + SIGINT, as shells have it. */
const FORCED_EXIT_CODE = 130;

/**
 * Closes something on the first SIGTERM or SIGINT, and ends the process on the second.
 *
 * @returns undoes it
 * @example stopOnSignals(() => mill.close(), logger);
 */
export function stopOnSignals(close: () => Promise<void>, logger: Logger): () => void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      logger.warn(
        { signal },
        "stopping at once; unfinished jobs are taken back when the lease ends",
      );
      process.exit(FORCED_EXIT_CODE);
    }
    isStopping = true;
    logger.info({ signal }, "stopping: finishing what runs; a second signal stops at once");
    close().catch((error: unknown) => {
      logger.error({ error: toErrorRecord(error) }, "stopping failed");
      process.exitCode = 1;
    });
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return () => {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  };
}
