// Runs a local step's function, with its retries, and says how it ended.
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import { toJson } from "../../core/limits.ts";
import { FatalError, RetryAfterError } from "../../core/outcomes.ts";
import { maskError, startTimer } from "../../runtime/index.ts";
import type { LocalEnd, Work } from "./operation.ts";

/** Time that a function gets to end after its signal, before its step counts as failed. */
const LOCAL_GRACE_MS = 5_000;

/** A local step in execution. */
export interface LocalWork {
  /** Asks the function to end; after a grace its step has ended without its word. */
  stop(): void;
}

/** What a local step in execution needs. */
export interface LocalWorkParts {
  readonly step: number;
  readonly runId: string;
  readonly work: Extract<Work, { kind: "local" }>;
  readonly nowMs: () => number;
  /** Called once. The value is the function's own; the record has its JSON. */
  readonly onEnd: (end: LocalEnd, value: unknown) => void;
}

/** Starts a local step's function. */
export function startLocalWork(parts: LocalWorkParts): LocalWork {
  const { step, runId, work, nowMs } = parts;
  const controller = new AbortController();
  const startedAtMs = nowMs();
  let attempts = 0;
  let isOver = false;
  let cancelTimer: (() => void) | undefined;
  const end = (result: Pick<LocalEnd, "output" | "error">, value?: unknown): void => {
    if (isOver) return;
    isOver = true;
    cancelTimer?.();
    parts.onEnd({ kind: "did", step, atMs: nowMs(), startedAtMs, attempts, ...result }, value);
  };
  const attempt = async (): Promise<void> => {
    attempts += 1;
    try {
      const value: unknown = await work.body({
        attempt: attempts,
        idempotencyKey: `${runId}:${step}`,
        signal: controller.signal,
      });
      const output = JSON.parse(toJson(value, `result of step ${step}`)) as unknown;
      end({ output }, work.isHandedOn ? value : output);
    } catch (error) {
      fail(error);
    }
  };
  const fail = (error: unknown): void => {
    const isFinal = error instanceof FatalError || controller.signal.aborted;
    if (isFinal || attempts >= work.retry.attempts) {
      // As of a job elsewhere: what is recorded of an error, and told to the function, shows no secret of its input.
      end({ error: maskError(toErrorRecord(error), work.secretsOf?.() ?? []) });
      return;
    }
    const delayMs =
      error instanceof RetryAfterError
        ? error.delayMs
        : work.retry.delayMs({ attempt: attempts, error }, Math.random());
    cancelTimer = startTimer(delayMs, () => void attempt());
  };
  void attempt();
  return {
    stop: () => {
      if (isOver || controller.signal.aborted) return;
      const reason = new MillraceError("JOB_CANCELLED", {
        message: `step ${step} is no longer wanted`,
      });
      controller.abort(reason);
      cancelTimer?.();
      cancelTimer = startTimer(LOCAL_GRACE_MS, () => end({ error: toErrorRecord(reason) }));
    },
  };
}
