// Workflow runs of the reference model: their records, what they are told, and what an advance makes of them.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import { type JobRecord, isTerminal } from "../../core/job.ts";
import { advance, wake } from "../../core/run-transitions.ts";
import {
  type Advance,
  type AdvanceReply,
  type ChildJob,
  type RunFact,
  type Signal,
  endingOf,
  writeSignal,
} from "../../core/run.ts";
import type { ChangeReply, NewJob, Store } from "../../core/store.ts";
import { claim } from "../../core/transitions.ts";
import type { StoreModel } from "./model.ts";

/** What is kept of a run beside its job: gone with it. */
export interface ModelRun {
  readonly entries: readonly string[];
  readonly facts: ReadonlyMap<JobId, RunFact>;
}

const EMPTY: ModelRun = { entries: [], facts: new Map() };

/** Tells a run something, and wakes it. */
function tell(model: StoreModel, run: JobId, fact: RunFact, nowMs: number): void {
  const job = model.jobs.get(run);
  const known = model.runs.get(run) ?? EMPTY;
  if (job === undefined || isTerminal(job.record.state) || known.facts.has(fact.key)) return;
  model.runs.set(run, { ...known, facts: new Map([...known.facts, [fact.key, fact]]) });
  const transition = wake(job.record, nowMs);
  if (transition.kind === "changed") model.jobs.set(run, { ...job, record: transition.job });
}

/** A job ended: the run that made it is told. */
export function tellParent(model: StoreModel, ended: JobRecord, nowMs: number): void {
  if (ended.parent === undefined) return;
  const body = endingOf(ended, nowMs);
  tell(model, ended.parent, { key: ended.id, kind: "ended", body }, nowMs);
}

/** Keeps signals. */
export function signalModel(
  model: StoreModel,
  signals: readonly Signal[],
  nowMs: number,
): readonly ChangeReply[] {
  return signals.map((signal) => {
    const state = model.jobs.get(signal.run)?.record.state ?? null;
    if (state === null || isTerminal(state)) return { changed: false, state };
    const body = writeSignal(signal, nowMs);
    tell(model, signal.run, { key: signal.id, kind: "signal", body }, nowMs);
    return { changed: true, state: model.jobs.get(signal.run)?.record.state ?? state };
  });
}

/** Keeps an advance. Which of the children its owner was given is the store's choice: `claimed` says it. */
export function advanceModel(
  model: StoreModel,
  worker: string,
  command: Advance,
  {
    refused,
    claimed,
    nowMs,
  }: {
    readonly refused: ReadonlySet<JobId>;
    readonly claimed: readonly JobId[];
    readonly nowMs: number;
  },
): AdvanceReply {
  const job = model.jobs.get(command.id);
  if (job === undefined) return { accepted: false, why: "gone" };
  const run = model.runs.get(command.id) ?? EMPTY;
  const transition = advance(job.record, command, run.facts.size, model.policyOf(job), nowMs);
  if (transition.kind === "rejected") return { accepted: false, why: "stale" };
  if (transition.kind !== "again" && command.after?.some((id) => refused.has(id)) === true) {
    return { accepted: false, why: "refused" };
  }
  if (transition.kind !== "again") {
    model.runs.set(command.id, { ...run, entries: [...run.entries, ...command.entries] });
    const isGoingOn = command.next.kind === "running" || command.next.kind === "waiting";
    model.apply(isGoingOn ? job : { ...job, deaths: 0 }, transition, nowMs);
  }
  keepChildren(model, worker, command, claimed, nowMs);
  return { accepted: true, claimed, nowMs };
}

function keepChildren(
  model: StoreModel,
  worker: string,
  { id: parent, children = [], cancels = [] }: Advance,
  claimed: readonly JobId[],
  nowMs: number,
): void {
  for (const child of children) keepChild(model, worker, { ...child, parent }, claimed, nowMs);
  model.cancel(cancels, "its workflow run has no need of it any more", nowMs);
}

function keepChild(
  model: StoreModel,
  worker: string,
  made: ChildJob & { readonly parent: JobId },
  claimed: readonly JobId[],
  nowMs: number,
): void {
  const { token, isBegun, ...child } = made;
  const [reply] = model.enqueue([child], nowMs);
  const job = model.jobs.get(child.id);
  if (reply?.isNew !== true || job === undefined) return;
  const { record } = job;
  const isClaimed = claimed.includes(child.id);
  if (!isClaimed) {
    // A worker whose lease is over may be found out at any time.
    const isLeased = (model.leases.get(worker) ?? 0) > nowMs;
    if (isBegun && isLeased && isPlain(child)) throw new Error(`${child.id} runs, unclaimed`);
    return;
  }
  const isHeld = model.paused.has(record.queue) || model.whyHeld(record, nowMs) !== null;
  if (isHeld && !isBegun) throw new Error(`${child.id} was handed over, and its queue is held`);
  const taken = claim(record, { worker, token: token ?? "" }, nowMs);
  if (taken.kind !== "changed") throw new Error(`${child.id} was claimed and is not ready`);
  model.startUnderLimits(record, nowMs);
  model.jobs.set(child.id, { ...job, record: taken.job });
}

/** Whether nothing of its own is for a claim to judge. */
function isPlain({ delayMs, runAtMs, expireAfterMs, keys, unique, idempotency }: NewJob): boolean {
  const isTimed = (delayMs ?? 0) > 0 || runAtMs !== undefined || expireAfterMs !== undefined;
  return !isTimed && keys === undefined && unique === undefined && idempotency === undefined;
}

/**
 * Compares the record of every run.
 *
 * @throws AssertionError that shows the difference
 */
export async function compareRuns(store: Store, model: StoreModel): Promise<void> {
  for (const [id, { entries, facts }] of model.runs) {
    const page = await store.readRun({ id, afterEntries: 0, afterFact: null, limit: 1_000 });
    assert.ok(page !== null, `the record of ${id}`);
    assert.deepEqual(page.entries, entries);
    const byKey = [...facts.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
    assert.deepEqual(page.facts.map(comparable), byKey.map(comparable), `what ${id} was told`);
    const wanted = model.jobs.get(id)?.record.cancelRequest?.reason;
    assert.equal(page.cancelRequest?.reason, wanted);
  }
}

/** Of what a run is told, the times are the store's own, and the words of errors that it makes. */
function comparable({ key, kind, body }: RunFact): object {
  const { state, result, name, payload, attempts } = JSON.parse(body) as Record<string, unknown>;
  return { key, kind, state, result, name, payload, attempts };
}
