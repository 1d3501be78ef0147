// A job type's handler called as a function, for runs that stay on their host.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { startTimer, validate } from "../../runtime/index.ts";
import type { Telling } from "../run/run-log.ts";
import type { LocalStep } from "./steps.ts";

/**
 * Calls the handler. Input and output are checked by the type's schemas, and handed on in memory.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for a type without a function, `INVALID_INPUT`, `INVALID_OUTPUT`
 */
export async function runHere(
  type: AnyJobType,
  input: unknown,
  local: LocalStep,
  { log, progress }: Telling,
): Promise<unknown> {
  if (type.run === undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type.name} has no function to call: a run that stays on its host takes only steps that have one`,
    });
  }
  const checked: unknown = await validate(
    type.inputSchema,
    input,
    `input of ${type.name}`,
    "INVALID_INPUT",
  );
  const { signal, cancel } = limited(local.signal, type.timeoutMs);
  try {
    const running = type.run({
      input: checked,
      job: {
        id: local.idempotencyKey,
        type: type.name,
        queue: type.queue,
        attempt: local.attempt,
        attempts: type.retry.attempts,
        token: local.idempotencyKey,
        tags: [],
        enqueuedAt: new Date(),
      },
      signal,
      log,
      progress,
    });
    const output: unknown = await Promise.race([running, whenAborted(signal)]);
    return await validate(type.outputSchema, output, `output of ${type.name}`, "INVALID_OUTPUT");
  } finally {
    cancel();
  }
}

function limited(
  outer: AbortSignal,
  timeoutMs: number | undefined,
): { readonly signal: AbortSignal; readonly cancel: () => void } {
  if (timeoutMs === undefined) return { signal: outer, cancel: () => {} };
  const controller = new AbortController();
  const cancel = startTimer(timeoutMs, () => {
    const message = `the try took longer than its timeout of ${timeoutMs} ms`;
    controller.abort(new MillraceError("JOB_TIMEOUT", { message }));
  });
  return { signal: AbortSignal.any([outer, controller.signal]), cancel };
}

async function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
