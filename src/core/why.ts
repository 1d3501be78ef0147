// Why a job is not running: the reasons, from what is known of it, its queue, the workers and the limits.
import { formatDuration } from "./duration.ts";
import type { JobId } from "./ids.ts";
import type { JobRecord } from "./job.ts";
import { type LimitRecord, QUEUE_LIMIT } from "./flow.ts";
import type { JobPlace, QueueRecord, WorkerRecord } from "./store.ts";

/** A step of a run that has not ended. */
export interface OpenStep {
  readonly step: number;
  readonly name: string;
  readonly kind: "job" | "local" | "sleep" | "signal";
  /** Of a job: ask why it waits itself. */
  readonly jobId: JobId | null;
  /** Of a sleep or a wait with a timeout: until when, in milliseconds since 1970. */
  readonly untilMs: number | null;
}

/** Open steps told of one run. */
const MAX_TOLD_STEPS = 10;
/** Of these, in the sentence. */
const MAX_SAID_STEPS = 3;

/** What holds a job back. Data for programs; {@link sentenceOf} says it in words. */
export type WaitReason =
  /** It runs, or was asked to stop. */
  | {
      readonly kind: "running";
      readonly worker: string;
      readonly forMs: number;
      readonly isCancelling: boolean;
    }
  /** A workflow run that waits for its steps, for time or for a signal: the first ten, of `count`. */
  | {
      readonly kind: "waiting-for-steps";
      readonly steps: readonly OpenStep[];
      readonly count: number;
    }
  | {
      readonly kind: "paused";
      readonly queue: string;
      readonly by: string;
      readonly reason: string;
      readonly atMs: number;
    }
  /** `again`: it was tried before, and waits for its next try. */
  | {
      readonly kind: "not-before";
      readonly atMs: number;
      readonly inMs: number;
      readonly isAgain: boolean;
    }
  /** Nobody alive takes jobs of its queue and type. */
  | {
      readonly kind: "no-worker";
      readonly queue: string;
      readonly type: string;
      readonly workers: number;
    }
  /** Workers take its type, and none of them offers all labels that it requires. */
  | {
      readonly kind: "no-labels";
      readonly labels: readonly string[];
      readonly workers: number;
      /** Labels that none of them offers. */
      readonly missing: readonly string[];
    }
  /** Workers died under it: it runs only in an idle worker, with few others. */
  | { readonly kind: "held-apart"; readonly company: number }
  | {
      readonly kind: "limit";
      readonly limit: string;
      readonly key: string | null;
      readonly because: "concurrency" | "rate" | "push-back";
      readonly running: number;
      readonly concurrency: number | null;
      /** Time until the rate, or who pushed back, lets the next one start; 0: not by time. */
      readonly opensInMs: number;
    }
  /** Others come first. `estimateMs` is by the pace of the last minutes; `null`: nothing of the queue ended in them. */
  | { readonly kind: "behind"; readonly ahead: number; readonly estimateMs: number | null }
  /** Every worker that could take it runs as many jobs as it may, or as many of its type: `ofType` at once each. */
  | {
      readonly kind: "workers-full";
      readonly workers: number;
      readonly running: number;
      readonly ofType: number | null;
    }
  /** Nothing holds it back: the next claim takes it. */
  | { readonly kind: "next" };

/** What is known. */
export interface WaitFacts {
  readonly job: JobRecord;
  readonly queue: QueueRecord | undefined;
  readonly workers: readonly WorkerRecord[];
  /** Limits of its queue and of its keys. */
  readonly limits: readonly LimitRecord[];
  readonly place: JobPlace | null;
  /** Most jobs of its type that one worker runs at once, and how many each of them runs; `null`: any number. */
  readonly perWorker: {
    readonly most: number;
    readonly running: ReadonlyMap<string, number>;
  } | null;
  /** Of a run that waits: its steps that have not ended. */
  readonly openSteps: readonly OpenStep[];
  /** Tries of the queue that ended in the last minutes, per millisecond; 0 where that is not known. */
  readonly pace: number;
  readonly nowMs: number;
}

/** The reasons, in the order in which they hold the job back; none for a job that ended. */
export function explainWait(facts: WaitFacts): readonly WaitReason[] {
  const { job, nowMs } = facts;
  if (job.state === "running") {
    const forMs = Math.max(0, nowMs - (job.startedAtMs ?? nowMs));
    const isCancelling = job.cancelRequest !== null;
    return [{ kind: "running", worker: job.worker ?? "unknown", forMs, isCancelling }];
  }
  if (job.state === "waiting") {
    const { openSteps } = facts;
    const steps = openSteps.slice(0, MAX_TOLD_STEPS);
    return [{ kind: "waiting-for-steps", steps, count: openSteps.length }];
  }
  const isDue = job.state === "ready" || (job.state === "scheduled" && job.dueAtMs <= nowMs);
  if (!isDue && job.state !== "scheduled") return [];
  const reasons: WaitReason[] = [];
  if (!isDue) {
    const { dueAtMs: atMs } = job;
    const isAgain = job.attempts > 0 || job.history.length > 0;
    reasons.push({ kind: "not-before", atMs, inMs: atMs - nowMs, isAgain });
  }
  const paused = facts.queue?.paused ?? null;
  if (paused !== null) reasons.push({ kind: "paused", queue: job.queue, ...paused });
  const able = explainWorkers(facts, reasons);
  if (!isDue) return reasons;
  const company = facts.place?.company ?? null;
  if (company !== null) reasons.push({ kind: "held-apart", company });
  for (const limit of facts.limits) addLimit(limit, reasons);
  addQueue(facts, able, reasons);
  return reasons.length === 0 ? [{ kind: "next" }] : reasons;
}

/** The workers that could take it. */
function explainWorkers(
  { job, workers }: WaitFacts,
  reasons: WaitReason[],
): readonly WorkerRecord[] {
  const { queue, type, labels } = job;
  const serving = workers.filter(
    (worker) => worker.queues.includes(queue) && worker.types.includes(type),
  );
  if (serving.length === 0) {
    reasons.push({ kind: "no-worker", queue, type, workers: workers.length });
    return [];
  }
  const able = serving.filter((worker) => labels.every((label) => worker.labels.includes(label)));
  if (able.length === 0) {
    const offered = new Set(serving.flatMap((worker) => worker.labels));
    const missing = labels.filter((label) => !offered.has(label));
    reasons.push({ kind: "no-labels", labels, workers: serving.length, missing });
  }
  return able;
}

function addLimit(limit: LimitRecord, reasons: WaitReason[]): void {
  const { name, key, running, concurrency, opensInMs } = limit;
  // A limit of keys holds nobody by itself: what holds a job is that of its own key, which is told as well.
  if (key === null && name !== QUEUE_LIMIT) return;
  const common = { kind: "limit", limit: name, key, running, concurrency, opensInMs } as const;
  if (concurrency !== null && running >= concurrency) {
    reasons.push({ ...common, because: "concurrency" });
  }
  // Beside it: where a place becomes free, this one still holds the job back.
  if (opensInMs > 0) {
    const because = limit.pushedBackUntilMs === null ? "rate" : "push-back";
    reasons.push({ ...common, because });
  }
}

function isFull(worker: WorkerRecord): boolean {
  return worker.running >= worker.concurrency;
}

function addQueue(facts: WaitFacts, able: readonly WorkerRecord[], reasons: WaitReason[]): void {
  const ahead = facts.place?.ahead ?? 0;
  if (ahead > 0) {
    const estimateMs = facts.pace > 0 ? Math.round((ahead + 1) / facts.pace) : null;
    reasons.push({ kind: "behind", ahead, estimateMs });
  }
  if (able.length === 0) return;
  const { perWorker } = facts;
  const runs = ({ id }: WorkerRecord): number => perWorker?.running.get(id) ?? 0;
  if (able.every(isFull)) {
    const running = able.reduce((sum, worker) => sum + worker.running, 0);
    reasons.push({ kind: "workers-full", workers: able.length, running, ofType: null });
  } else if (
    perWorker !== null &&
    able.every((worker) => isFull(worker) || runs(worker) >= perWorker.most)
  ) {
    const running = able.reduce((sum, worker) => sum + runs(worker), 0);
    reasons.push({
      kind: "workers-full",
      workers: able.length,
      running,
      ofType: perWorker.most,
    });
  }
}

const ENDED: Readonly<Partial<Record<JobRecord["state"], string>>> = {
  succeeded: "succeeded",
  failed: "failed for good",
  cancelled: "was cancelled",
};

/** The reasons in words. */
export function sentenceOf(
  { job, nowMs }: Pick<WaitFacts, "job" | "nowMs">,
  reasons: readonly WaitReason[],
): string {
  if (reasons.length === 0) return `It has ended: it ${ENDED[job.state] ?? "is over"}.`;
  const [first = "", ...others] = reasons.map((reason) => clauseOf(reason, job.queue, nowMs));
  return `${[first.charAt(0).toUpperCase() + first.slice(1), ...others].join("; ")}.`;
}

function stepsClause({
  steps,
  count: all,
}: Extract<WaitReason, { kind: "waiting-for-steps" }>): string {
  if (all === 0) return "for its steps, for time or for a signal";
  const said = steps.slice(0, MAX_SAID_STEPS).map(stepClause);
  const others = all > said.length ? [count(all - said.length, "other step")] : [];
  return [...said, ...others].join(", and ");
}

function stepClause({ step, name, kind, jobId, untilMs }: OpenStep): string {
  const until = untilMs === null ? "" : ` until ${new Date(untilMs).toISOString()}`;
  if (kind === "sleep") return until.trimStart();
  if (kind === "signal") return `for the signal ${name}${until}`;
  return `for step ${step} (${name}${jobId === null ? "" : `, job ${jobId}`})`;
}

function clauseOf(reason: WaitReason, queue: string, nowMs: number): string {
  switch (reason.kind) {
    case "running": {
      const asked = reason.isCancelling ? ", and was asked to stop" : "";
      return `it has run on ${reason.worker} for ${formatDuration(reason.forMs)}${asked}`;
    }
    case "waiting-for-steps":
      return `it is a workflow run that waits ${stepsClause(reason)}`;
    case "paused": {
      const why = reason.reason === "" ? "" : ` (${reason.reason})`;
      const since = formatDuration(Math.max(0, nowMs - reason.atMs));
      return `the queue ${reason.queue} was paused by ${reason.by} ${since} ago${why}`;
    }
    case "not-before": {
      const what = reason.isAgain ? "its next try is due" : "it is due";
      return `${what} in ${formatDuration(reason.inMs)}, at ${new Date(reason.atMs).toISOString()}`;
    }
    case "no-worker":
      return reason.workers === 0
        ? "no worker is alive"
        : `none of ${count(reason.workers, "worker")} takes jobs of type ${reason.type} from the queue ${reason.queue}`;
    case "no-labels":
      return `it requires the labels ${reason.labels.join(", ")}, and of ${count(reason.workers, "worker")} that ${reason.workers === 1 ? "takes" : "take"} its type none offers ${reason.missing.length === 0 ? "them together" : reason.missing.join(", ")}`;
    case "held-apart":
      return `workers died under it, so it waits for an idle worker that has run for a while, and runs beside at most ${count(reason.company - 1, "other")}`;
    case "limit":
      return limitClause(reason, queue);
    case "behind": {
      const more = reason.ahead >= 100_000 ? " or more" : "";
      const estimate =
        reason.estimateMs === null
          ? "nothing of the queue ended in the last minutes"
          : `about ${formatDuration(reason.estimateMs)} at the pace of the last minutes`;
      return `${count(reason.ahead, "job")}${more} of its queue ${reason.ahead === 1 ? "comes" : "come"} first, ${estimate}`;
    }
    case "workers-full":
      return fullClause(reason);
    case "next":
      return "nothing holds it back: the next free worker takes it";
  }
}

function fullClause(reason: Extract<WaitReason, { kind: "workers-full" }>): string {
  const { workers, running, ofType } = reason;
  const able = `${workers === 1 ? "the worker" : `all ${workers} workers`} that could take it`;
  const be = workers === 1 ? "is" : "are";
  if (ofType === null) return `${able} ${be} full, with ${count(running, "job")}`;
  return `${able} ${be} full for its type, with ${count(running, "job")} of it: at most ${ofType} at once on each worker`;
}

function limitClause(reason: Extract<WaitReason, { kind: "limit" }>, queue: string): string {
  const of = reason.key === null ? "the queue" : `the key ${reason.key} (${reason.limit})`;
  if (reason.because === "concurrency") {
    if (reason.concurrency === 0) return `the limit of ${of} lets none run`;
    return `${of} is at its limit: ${reason.running} of ${reason.concurrency ?? 0} run`;
  }
  const opens = formatDuration(reason.opensInMs);
  return reason.because === "rate"
    ? `the rate of ${of} lets the next one start in ${opens}`
    : `a handler pushed back: ${of} goes on in ${opens} (at once with: ${releaseCommand(queue, reason)})`;
}

/** The command that lifts a push-back. */
function releaseCommand(
  queue: string,
  { limit, key }: Pick<Extract<WaitReason, { kind: "limit" }>, "limit" | "key">,
): string {
  const of = key === null ? "" : ` --name ${limit} --key ${quoted(key)}`;
  return `millrace limits release ${queue}${of}`;
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w.:@%+=,/][\w.:@%+=,/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
