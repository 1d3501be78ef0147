// Handlers that the thread launcher's test runs in a thread.
import type { JobContext } from "../../core/define-job.ts";
import { fatal } from "../../core/outcomes.ts";

export function add({ input, log, progress }: JobContext<{ a: number; b: number }>): number {
  log.info("adding");
  progress(1);
  return input.a + input.b;
}

export function refuse(): never {
  throw fatal("never", {
    cause: Object.assign(new TypeError("no way"), { code: "NO_WAY", cause: "no road" }),
  });
}

export function spin(): never {
  for (;;) {
    // Blocks its thread's loop, as a busy handler does.
  }
}
