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

/** When a step ended, or had slept enough; `null` where it is not known how it ended. */
export function endOf({ begun }: Operation, ended: Ending | LocalEnd | null): number | null {
  if (begun.kind === "sleep") return begun.untilMs ?? begun.atMs;
  if (ended === null) return null;
  return "kind" in ended ? ended.atMs : ended.finishedAtMs;
}

/** The answer of a step that ended, or slept enough; `null` where it is not known how it ended. */
export function answerOf(operation: Operation, ended: Ending | LocalEnd | null): Answer | null {
  const atMs = endOf(operation, ended);
  if (atMs === null) return null;
  return { atMs, outcome: outcomeOf(operation, ended) };
}

function outcomeOf(operation: Operation, ended: Ending | LocalEnd | null): Outcome {
  if (ended === null || operation.begun.kind === "sleep") return { ok: true, output: undefined };
  if ("kind" in ended) {
    if (ended.error !== undefined) return failure(operation, ended.error);
    return { ok: true, output: operation.value === null ? ended.output : operation.value.value };
  }
  if (ended.state === "succeeded") return { ok: true, output: ended.result };
  return failure(operation, errorOf(ended));
}

function failure(operation: Operation, error: StepError["error"]): Outcome {
  const { step, draft } = operation;
  const jobId = jobIdOf(operation);
  return { ok: false, error: new StepError({ step, name: draft.name, jobId, error }) };
}

/** The answer of a wait: the payload of a signal, or that none came in time. */
export function signalAnswer({ draft, begun }: Operation, body: SignalBody | undefined): Answer {
  const { name, work } = draft;
  if (body === undefined) {
    const message = `the signal ${name} did not come in time`;
    const error = new MillraceError("WAIT_TIMEOUT", { message, details: { signal: name } });
    // By the clock a replay would be told another time.
    const atMs = begun.kind === "signal" && begun.untilMs !== null ? begun.untilMs : begun.atMs;
    return { atMs, outcome: { ok: false, error } };
  }
  try {
    const output = work.kind === "signal" ? work.accept(body.payload) : body.payload;
    return { atMs: body.atMs, outcome: { ok: true, output } };
  } catch (error) {
    return { atMs: body.atMs, outcome: { ok: false, error: error as Error } };
  }
}
