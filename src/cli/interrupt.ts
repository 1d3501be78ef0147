// Ctrl-C at a command: the first ends it in good order, a second one at once.
import { onSignals } from "../runtime/index.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** A command that can be ended before its time. */
export interface Interruptible extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM. A second one ends the process; an echo of the first is none. */
  readonly signal: AbortSignal;
}

/** Hears signals until it is disposed of. */
export function interruptible(): Interruptible {
  const stop = new AbortController();
  const undo = onSignals({
    first: () => stop.abort(),
    second: () => process.exit(EXIT_CODES.interrupted),
  });
  return { signal: stop.signal, [Symbol.dispose]: undo };
}
