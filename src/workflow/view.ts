// A run as it may be shown: its steps, made of its record and of the jobs that have not ended.
import type { ErrorRecord } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import { type JobRecord, isTerminal } from "../core/job.ts";
import { collectSecrets, maskValue } from "../core/redaction.ts";
import type { Redactor } from "../core/redaction.ts";
import type { Ending } from "../core/run.ts";
import type { RunView, StepState, StepView } from "../runtime/index.ts";
import { maskError } from "../runtime/index.ts";
import type { RunRecord } from "./record/reading.ts";
import { type Begun, type Item, type Told, isBegun, readScript } from "./record/record.ts";

/** What a view is made of. */
export interface RunParts {
  readonly job: JobRecord;
  readonly record: RunRecord;
  /** Jobs of steps that have not ended, as far as they are kept. */
  readonly jobs: ReadonlyMap<JobId, JobRecord>;
  readonly redactorOf: (type: string) => Redactor;
}

/** The jobs of a record's steps that are not known to have ended, and every type that it names. */
export function openJobs(record: RunRecord): {
  readonly ids: readonly JobId[];
  readonly types: readonly string[];
} {
  const known = new Set(record.facts.map(({ key }) => key));
  const { items } = readScript(record.entries);
  const did = new Set(items.flatMap((item) => (item.kind === "did" ? [item.step] : [])));
  const ids: JobId[] = [];
  const types = new Set<string>();
  for (const item of items) {
    if (item.kind !== "job") continue;
    types.add(item.type);
    if (item.jobId === null || known.has(item.jobId) || did.has(item.step)) continue;
    ids.push(item.jobId);
  }
  return { ids, types: [...types] };
}

/** Shows a run. */
export function viewRun(parts: RunParts): RunView {
  const { job, record, redactorOf } = parts;
  const { items } = readScript(record.entries);
  const start = items.find((item) => item.kind === "start");
  const end = items.findLast((item) => item.kind === "end");
  const redact = redactorOf(job.type);
  const input = JSON.parse(job.input) as unknown;
  const secrets = collectSecrets(input, redact);
  // What the run's input hides is hidden in what its steps got and came to as well, whatever their types say.
  const steps = viewSteps(parts, items).map((step) => hideIn(step, secrets));
  return {
    id: job.id,
    type: job.type,
    version: start?.version ?? null,
    state: job.state,
    input: redact(input),
    result: job.result === null ? null : maskValue(redact(JSON.parse(job.result)), secrets),
    // One that was retried by hand and goes on has left its error behind.
    error: job.error === null || !isTerminal(job.state) ? null : maskError(job.error, secrets),
    worker: job.worker,
    enqueuedAt: iso(job.enqueuedAtMs),
    startedAt: isoOrNull(start?.atMs ?? null),
    endedAt: isoOrNull(job.finishedAtMs),
    deadlineAt: isoOrNull(start?.deadlineAtMs ?? null),
    cancelRequested:
      job.cancelRequest === null
        ? null
        : { at: iso(job.cancelRequest.atMs), reason: job.cancelRequest.reason },
    parent: job.parent ?? null,
    steps,
    undone: end?.undone ?? [],
    notUndone: (end?.notUndone ?? []).map((each) => ({
      ...each,
      error: maskError(each.error, secrets),
    })),
    notUndoneCount: end?.notUndoneCount ?? end?.notUndone.length ?? 0,
  };
}

function hideIn(step: StepView, secrets: readonly string[]): StepView {
  if (secrets.length === 0) return step;
  const { input, output, error } = step;
  return {
    ...step,
    input: maskValue(input, secrets),
    output: maskValue(output, secrets),
    error: error === null ? null : maskError(error, secrets),
  };
}

function viewSteps(parts: RunParts, items: readonly Item[]): StepView[] {
  const endings = new Map<JobId, Ending>();
  for (const { key, kind, body } of parts.record.facts) {
    if (kind === "ended") endings.set(key, JSON.parse(body) as Ending);
  }
  const told = new Map<number, Told>();
  for (const item of items) {
    if (item.kind === "got") for (const step of item.steps) told.set(step, item);
    else if (item.kind === "took" || item.kind === "did") told.set(item.step, item);
  }
  const parents = parentsOf(items);
  const worker = items.find((item) => item.kind === "start")?.worker ?? null;
  return items.filter(isBegun).map((begun) => {
    const ending =
      begun.kind === "job" && begun.jobId !== null ? endings.get(begun.jobId) : undefined;
    const answer = told.get(begun.step);
    const base = {
      step: begun.step,
      name: begun.name,
      kind: begun.kind,
      parents: parents.get(begun.step) ?? [],
      beganAt: iso(begun.atMs),
      undoes: begun.of,
    };
    if (begun.kind === "job") {
      const end = ending ?? (answer?.kind === "did" ? endingOf(answer, worker) : undefined);
      return { ...base, ...viewJob(parts, begun, end) };
    }
    if (begun.kind === "local") return { ...base, ...viewLocal(parts, answer) };
    return { ...base, ...viewWait(parts, begun, answer) };
  });
}

/** What is told of steps of one kind only, where it does not apply. */
const NONE = {
  type: null,
  jobId: null,
  worker: null,
  attempts: 0,
  input: null,
  output: null,
  error: null,
  startedAt: null,
  endedAt: null,
  until: null,
} as const;

type Told_ = Omit<StepView, "step" | "name" | "kind" | "parents" | "beganAt" | "undoes">;

function viewJob(
  { jobs, redactorOf, job: run }: RunParts,
  begun: Extract<Begun, { kind: "job" }>,
  ending: Ending | undefined,
): Told_ {
  const { type, jobId } = begun;
  const redact = redactorOf(type);
  const input = begun.input ?? null;
  const base = { ...NONE, type, jobId, input: redact(input) };
  if (ending !== undefined) {
    return {
      ...base,
      state: ending.state,
      worker: ending.worker,
      attempts: ending.attempts,
      output: ending.state === "succeeded" ? redact(ending.result) : null,
      error: ending.error === undefined ? null : masked(ending.error, input, redact),
      startedAt: isoOrNull(ending.startedAtMs),
      endedAt: iso(ending.finishedAtMs),
    };
  }
  const job = jobId === null ? undefined : jobs.get(jobId);
  const isOver = isTerminal(run.state);
  const isRunning = job !== undefined && (job.state === "running" || job.state === "waiting");
  return {
    ...base,
    state: isOver ? "cancelled" : isRunning ? "running" : "waiting",
    worker: job?.worker ?? null,
    attempts: job?.attempts ?? 0,
    error: job?.error == null ? null : masked(job.error, input, redact),
    startedAt: isoOrNull(job?.startedAtMs ?? null),
  };
}

/** The end of a step that never was a job, as that of one. */
function endingOf(did: Extract<Told, { kind: "did" }>, worker: string | null): Ending {
  const { attempts, startedAtMs, atMs, output, error } = did;
  const base = { worker: did.worker ?? worker, attempts, startedAtMs, finishedAtMs: atMs };
  if (error === undefined) return { state: "succeeded", ...base, result: output };
  const state = error.code === "JOB_CANCELLED" ? "cancelled" : "failed";
  return { state, ...base, error };
}

function masked(error: ErrorRecord, input: unknown, redact: Redactor): ErrorRecord {
  return maskError(error, collectSecrets(input, redact));
}

function viewLocal({ job, redactorOf }: RunParts, answer: Told | undefined): Told_ {
  if (answer?.kind !== "did") {
    return { ...NONE, state: isTerminal(job.state) ? "cancelled" : "running" };
  }
  const state: StepState = answer.error === undefined ? "succeeded" : "failed";
  const redact = redactorOf(job.type);
  return {
    ...NONE,
    state: answer.error?.code === "JOB_CANCELLED" ? "cancelled" : state,
    attempts: answer.attempts,
    output: answer.error === undefined ? redact(answer.output ?? null) : null,
    error: answer.error ?? null,
    startedAt: iso(answer.startedAtMs),
    endedAt: iso(answer.atMs),
  };
}

function viewWait(
  { job, record, redactorOf }: RunParts,
  begun: Extract<Begun, { kind: "sleep" | "signal" }>,
  answer: Told | undefined,
): Told_ {
  const until = isoOrNull(begun.untilMs);
  if (answer === undefined) {
    return { ...NONE, until, state: isTerminal(job.state) ? "cancelled" : "waiting" };
  }
  if (answer.kind !== "took") return { ...NONE, until, state: "succeeded", endedAt: until };
  if (answer.signal === null) return { ...NONE, until, state: "failed", endedAt: until };
  const fact = record.facts.find(({ key }) => key === answer.signal);
  const { payload = null, atMs = 0 } = JSON.parse(fact?.body ?? "{}") as {
    payload?: unknown;
    atMs?: number;
  };
  const output = redactorOf(job.type)(payload);
  return { ...NONE, until, state: "succeeded", output, endedAt: iso(atMs) };
}

/**
 * The steps that had ended when a step began, and that no step taken in an earlier turn had followed; where there is
 * none, those that the steps before it followed.
 */
function parentsOf(items: readonly Item[]): ReadonlyMap<number, readonly number[]> {
  const parents = new Map<number, readonly number[]>();
  let fresh: number[] = [];
  let current: readonly number[] = [];
  for (const item of items) {
    if (item.kind === "got") fresh.push(...item.steps);
    else if (item.kind === "did" || item.kind === "took") fresh.push(item.step);
    else if (isBegun(item)) {
      if (fresh.length > 0) current = fresh;
      fresh = [];
      parents.set(item.step, item.of === null ? current : [item.of]);
    }
  }
  return parents;
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

function isoOrNull(atMs: number | null): string | null {
  return atMs === null ? null : iso(atMs);
}
