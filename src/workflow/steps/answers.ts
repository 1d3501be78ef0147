// What a step gives to the function that awaits it.
import { MillraceError } from "../../core/errors.ts";
import type { Ending, SignalBody } from "../../core/run.ts";
import { StepError } from "../errors.ts";
import { type LocalEnd, type Operation, type Outcome, errorOf, jobIdOf } from "./operation.ts";

/** An answer, and when it came. */
export interface Answer {
  readonly atMs: number;
  readonly outcome: Outcome;
}

/** The answer of a step that ended, or slept enough; `null` where it is not known how it ended. */
export function answerOf(operation: Operation, ended: Ending | LocalEnd | null): Answer | null {
  const { begun } = operation;
  if (begun.kind === "sleep") {
    return { atMs: begun.untilMs ?? begun.atMs, outcome: { ok: true, output: undefined } };
  }
  if (ended === null) return null;
  if ("kind" in ended) {
    return {
      atMs: ended.atMs,
      outcome:
        ended.error === undefined
          ? { ok: true, output: operation.value === null ? ended.output : operation.value.value }
          : failure(operation, ended.error),
    };
  }
  return {
    atMs: ended.finishedAtMs,
    outcome:
      ended.state === "succeeded"
        ? { ok: true, output: ended.result }
        : failure(operation, errorOf(ended)),
  };
}

function failure(operation: Operation, error: StepError["error"]): Outcome {
  const { step, draft } = operation;
  const jobId = jobIdOf(operation);
  return { ok: false, error: new StepError({ step, name: draft.name, jobId, error }) };
}

/** The answer of a wait: the payload of a signal, or that none came in time. */
export function signalAnswer(
  { draft }: Operation,
  body: SignalBody | undefined,
  nowMs: number,
): Answer {
  const { name, work } = draft;
  if (body === undefined) {
    const message = `the signal ${name} did not come in time`;
    const error = new MillraceError("WAIT_TIMEOUT", { message, details: { signal: name } });
    return { atMs: nowMs, outcome: { ok: false, error } };
  }
  try {
    const output = work.kind === "signal" ? work.accept(body.payload) : body.payload;
    return { atMs: body.atMs, outcome: { ok: true, output } };
  } catch (error) {
    return { atMs: body.atMs, outcome: { ok: false, error: error as Error } };
  }
}
