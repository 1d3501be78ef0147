// Runs a workflow's function to its end, and unwinds what it did where that is no success.
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import type { JobLog } from "../../core/define-job.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JsonText } from "../../core/job.ts";
import { toJson } from "../../core/limits.ts";
import { collectSecrets } from "../../core/redaction.ts";
import { readRetryPolicy } from "../../core/retry.ts";
import { type RoomParts, maskError, validate } from "../../runtime/index.ts";
import { StepError } from "../errors.ts";
import type { LiveRun } from "./live-run.ts";
import type { LastWord } from "./run-parts.ts";
import { type Draft, type Operation, Scope } from "../steps/operation.ts";
import type { Steps, WorkflowContext } from "../steps/steps.ts";
import { createSteps } from "../steps/taking-steps.ts";

/** Undos that are functions are tried so often: an undo that gives up leaves something behind. */
const UNDO_ATTEMPTS = 5;

/*
 * Bounds of what the last entry of a record says of undos that failed. With the numbers of as many undone steps as a run
 * can have, 0.7 MB, it stays within what a store takes as one entry (MAX_ENTRY_BYTES).
 */
const MAX_TOLD_UNDO_FAILURES = 100;
const MAX_TOLD_MESSAGE_LENGTH = 500;

/** Runs the function of a run. Never rejects. */
export async function runFunction(run: LiveRun, values: RoomParts["values"]): Promise<void> {
  const secrets = secretsOf(run);
  let thrown: unknown;
  try {
    const given: unknown = await callFunction(run);
    const accepted = validate(run.type.outputSchema, given, "output", "INVALID_OUTPUT");
    const output: unknown = accepted instanceof Promise ? await accepted : accepted;
    const kept = keepResult(run, output, values);
    const result = typeof kept === "string" ? kept : await kept;
    if (run.stopped === null) {
      // An error costs 10 us, and most runs have nothing under way when they end.
      if (run.root.hasOpen) run.cancel(run.root, noLonger("its run has ended"));
      const { succeeded } = retentionOf(run);
      run.finish({
        item: endItem(run, "succeeded", null, NOTHING_UNDONE),
        next: { kind: "succeeded", result, retention: succeeded },
      });
      return;
    }
  } catch (error) {
    thrown = error;
  }
  const why = run.stopped ?? thrown;
  try {
    const undone = await unwind(run, why);
    run.finish(lastWord(run, why, undone, secrets));
  } catch (error) {
    run.finish(lastWord(run, error, NOTHING_UNDONE, secrets));
  }
}

/** No promise but the function's own, where there is no schema to wait for. */
function callFunction(run: LiveRun): unknown {
  const { type } = run;
  const raw = JSON.parse(run.input) as unknown;
  const checked = validate(type.inputSchema, raw, "input", "INVALID_INPUT");
  return checked instanceof Promise
    ? checked.then((input: unknown) => type.workflow.run(new Given(run, input, raw)))
    : type.workflow.run(new Given(run, checked, raw));
}

/** What a function is called with. Its log is made when it is first looked at. */
class Given implements WorkflowContext<unknown> {
  readonly input: unknown;
  readonly step: Steps;
  readonly run: WorkflowContext<unknown>["run"];
  readonly #run: LiveRun;
  readonly #raw: unknown;
  #log: JobLog | undefined;

  constructor(run: LiveRun, input: unknown, raw: unknown) {
    this.#run = run;
    this.#raw = raw;
    this.input = input;
    this.step = createSteps(run, run.root);
    this.run = {
      id: run.claimed.id,
      version: run.type.workflow.version,
      startedAt: new Date(run.startedAtMs),
      tags: run.claimed.tags,
    };
  }

  get log(): JobLog {
    this.#log ??= this.#run.tellingOf(this.#run.type, this.#raw).log;
    return this.#log;
  }
}

/** What the run came to, as it is kept. */
function keepResult(
  { claimed }: LiveRun,
  output: unknown,
  values: RoomParts["values"],
): JsonText | Promise<JsonText> {
  const { id, token, parent } = claimed;
  const text = toJson(output, "output", values.maxBytes);
  const name = `result-${token}`;
  return parent === undefined
    ? values.putAway(id, name, text)
    : values.putAwayFor(parent, { job: id, name }, text);
}

/** What was undone, and what could not be. */
type Undone = Pick<LastWord["item"], "undone" | "notUndone" | "notUndoneCount">;

const NOTHING_UNDONE: Undone = { undone: [], notUndone: [] };

/** Ends what is under way, and undoes what was done, the latest first. */
async function unwind(run: LiveRun, why: unknown): Promise<Undone> {
  run.cancel(run.root, why instanceof Error ? why : noLonger(String(why)));
  const taken = [...run.operations];
  const ending = taken.filter(({ draft }) => isWork(draft));
  await Promise.all(ending.map(async (operation) => run.whenUnwound(operation)));
  const scope = new Scope();
  const undone: number[] = [];
  const notUndone: { step: number; error: ErrorRecord }[] = [];
  let notUndoneCount = 0;
  for (const operation of taken.toReversed()) {
    try {
      const draft = undoOf(run, operation);
      if (draft === null) continue;
      await run.take(scope, draft);
      undone.push(operation.step);
    } catch (error) {
      notUndoneCount += 1;
      if (notUndoneCount > MAX_TOLD_UNDO_FAILURES) continue;
      notUndone.push({ step: operation.step, error: shortError(error) });
    }
  }
  const isCut = notUndoneCount > notUndone.length;
  return { undone, notUndone, ...(isCut ? { notUndoneCount } : {}) };
}

/** Of an undo that failed the step has the error whole. */
function shortError(thrown: unknown): ErrorRecord {
  const { name, message, code } =
    thrown instanceof StepError ? thrown.error : toErrorRecord(thrown);
  return {
    name,
    message: message.slice(0, MAX_TOLD_MESSAGE_LENGTH).toWellFormed(),
    ...(code === undefined ? {} : { code }),
  };
}

function isWork({ work }: Draft): boolean {
  return work.kind === "job" || work.kind === "local";
}

function undoOf(run: LiveRun, { step, draft, outcome }: Operation): Draft | null {
  const { undo } = draft;
  if (undo === undefined || outcome?.ok !== true) return null;
  const base = { name: `undo ${draft.name}`, of: step } as const;
  const output = outcome.output as never;
  if (typeof undo === "function") {
    return {
      ...base,
      work: {
        kind: "local",
        body: (local) => undo(output, local),
        retry: readRetryPolicy({ attempts: UNDO_ATTEMPTS }),
        isHandedOn: run.isLocal,
      },
    };
  }
  const input: unknown = undo.input === undefined ? output : undo.input(output);
  return { ...base, work: { kind: "job", type: undo.job, input, options: undefined } };
}

function lastWord(
  run: LiveRun,
  why: unknown,
  undone: Undone,
  secrets: readonly string[],
): LastWord {
  const retention = retentionOf(run);
  const error = maskError(toErrorRecord(why), secrets);
  const isCancelled = run.stopped?.code === "JOB_CANCELLED";
  const state = isCancelled ? "cancelled" : "failed";
  return {
    item: endItem(run, state, failedStep(run, why), undone),
    next: { kind: state, error, retention: retention[state] },
  };
}

function endItem(
  run: LiveRun,
  state: LastWord["item"]["state"],
  step: number | null,
  undone: Undone,
): LastWord["item"] {
  return { kind: "end", atMs: run.clockMs(), state, step, ...undone };
}

/** The step whose error ended the run: found through causes; else the first failure of a fan-out. */
function failedStep(run: LiveRun, why: unknown): number | null {
  let error = why;
  for (let depth = 0; depth < MAX_CAUSES && error instanceof Error; depth += 1) {
    if (error instanceof StepError) return error.step;
    error = error.cause;
  }
  if (run.stopped !== null) return null;
  for (const { draft, outcome, step } of run.operations) {
    if (draft.isPassive === true && outcome?.ok === false) return step;
  }
  return null;
}

/** Causes followed: deeper ones are no use to anyone. */
const MAX_CAUSES = 10;

function retentionOf({ claimed, type }: LiveRun): LiveRun["type"]["retention"] {
  return claimed.retention ?? type.retention;
}

function secretsOf({ type, input }: LiveRun): readonly string[] {
  if (type.redactedPaths.length === 0) return [];
  return collectSecrets(JSON.parse(input) as unknown, type.redact);
}

function noLonger(message: string): MillraceError {
  return new MillraceError("JOB_CANCELLED", { message });
}
