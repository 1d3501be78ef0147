// The reference model: what a store does, made only of the transitions of the core, in memory and in plain sight.
import type { LimitTable } from "../../core/flow.ts";
import { type JobId, idInQueue } from "../../core/ids.ts";
import { type JobLogLine, type JobRecord, isTerminal } from "../../core/job.ts";
import { MAX_LOG_LINES } from "../../core/limits.ts";
import type { ScheduleRecord } from "../../core/schedule-record.ts";
import { matches } from "../../core/matching.ts";
import { type JobOrder, mayMove, obey } from "../../core/orders.ts";
import type {
  ChangeReply,
  EnqueueReply,
  JobFilter,
  JobReport,
  NewJob,
  NewLogLine,
  RetentionPolicy,
  SettleReply,
  Settlement,
  TypeRecord,
} from "../../core/store.ts";
import {
  DEFAULT_STORE_POLICY,
  type StorePolicy,
  type Transition,
  cancel,
  createJob,
  expire,
  isExpired,
  isHeld,
  isOverdue,
  lose,
  remove,
  report,
  retryByHand,
  settle,
  withdraw,
} from "../../core/transitions.ts";
import { type ModelRun, tellParent } from "./runs.ts";

import { type Difference, Differences } from "./differences.ts";
import { FlowModel } from "./flow.ts";

/** A job, and what a store keeps of it beside its record. */
export interface ModelJob {
  readonly record: JobRecord;
  /** In place of its type's. */
  readonly retention: RetentionPolicy | undefined;
  /** Workers that died under it since a try of it last ended: such a job may be run apart from others. */
  readonly deaths: number;
}

/** What one sweep, carried on until nothing is left to do, did. */
export interface ModelSweep {
  readonly deadWorkers: readonly string[];
  readonly crashed: number;
  readonly expired: number;
}

/** Whether a job may be claimed, its queue, labels and worker aside: it is ready, or its time has come. */
export function isClaimable(record: JobRecord, nowMs: number): boolean {
  const isReady =
    record.state === "ready" || (record.state === "scheduled" && record.dueAtMs <= nowMs);
  return isReady && !isExpired(record, nowMs);
}

/**
 * One namespace of a store, as plain as can be. Time is passed to every call, in milliseconds since 1970. Which jobs a
 * claim takes is the store's choice within rules: see `claims.ts`.
 */
export class StoreModel {
  readonly jobs: Map<JobId, ModelJob> = new Map();
  readonly logs: Map<JobId, readonly JobLogLine[]> = new Map();
  readonly runs: Map<JobId, ModelRun> = new Map();
  /** Ends of leases, by worker. */
  readonly leases: Map<string, number> = new Map();
  readonly paused: Set<string> = new Set();
  /** See `schedules.ts`. */
  readonly schedules: Map<string, ScheduleRecord> = new Map();
  readonly #keys: Map<string, { readonly id: JobId; readonly untilMs: number }> = new Map();
  readonly #types: Map<string, TypeRecord> = new Map();
  readonly flow: FlowModel = new FlowModel();
  /** Of the store beside it. */
  readonly differences: Differences;

  constructor(differences: readonly Difference[] = []) {
    this.differences = new Differences(differences);
  }

  enqueue(jobs: readonly NewJob[], nowMs: number): readonly EnqueueReply[] {
    return jobs.map((job) => this.#enqueueOne(job, nowMs));
  }

  #enqueueOne(job: NewJob, nowMs: number): EnqueueReply {
    const key = job.idempotency === undefined ? null : `${job.type} ${job.idempotency.key}`;
    const remembered = key === null ? undefined : this.#keys.get(key);
    const standing =
      remembered !== undefined && remembered.untilMs > nowMs
        ? remembered.id
        : this.jobs.has(job.id)
          ? job.id
          : null;
    if (standing !== null) {
      return { id: standing, state: this.jobs.get(standing)?.record.state ?? null, isNew: false };
    }
    const unique = this.flow.standing(job, this.#records());
    if (unique !== null) {
      return { id: unique.id, state: unique.state, isNew: false, because: "unique" };
    }
    this.flow.keepUnique(job);
    const record = createJob(job, nowMs);
    this.jobs.set(job.id, { record, retention: job.retention, deaths: 0 });
    if (key !== null && job.idempotency !== undefined) {
      this.#keys.set(key, { id: job.id, untilMs: nowMs + job.idempotency.rememberMs });
    }
    return { id: job.id, state: record.state, isNew: true };
  }

  #records(): JobRecord[] {
    return [...this.jobs.values()].map(({ record }) => record);
  }

  /** Why a limit holds a job that may be claimed else. */
  whyHeld(record: JobRecord, nowMs: number): { readonly untilMs: number | null } | null {
    const running = this.#records().filter(({ state }) => state === "running");
    return this.flow.whyHeld(record, this.#limits(), running, nowMs);
  }

  /**
   * Whether a limit may hold a job, though no more run than it allows: a run that waits in its owner's memory keeps its
   * place at its keys on some stores, since it goes on without a claim.
   */
  mayBeHeld(record: JobRecord, nowMs: number): boolean {
    const claimed = this.#records().filter(
      ({ state, token }) => state === "running" || (state === "waiting" && token !== null),
    );
    return this.flow.whyHeld(record, this.#limits(), claimed, nowMs) !== null;
  }

  startUnderLimits(record: JobRecord, nowMs: number): void {
    this.flow.start(record, this.#limits(), nowMs);
  }

  #limits(): LimitTable {
    return this.flow.table(this.#types.values());
  }

  settle(settlements: readonly Settlement[], nowMs: number): readonly SettleReply[] {
    return settlements.map((settlement) => this.#settleOne(settlement, nowMs));
  }

  #settleOne({ id, token, outcome, progress, logs }: Settlement, nowMs: number): SettleReply {
    const job = this.jobs.get(id);
    if (job === undefined) return { accepted: false, why: "gone" };
    if (!isHeld(job.record, token)) return { accepted: false, why: "stale" };
    this.#say(job, {
      id,
      token,
      ...(progress === undefined ? {} : { progress }),
      logs: logs ?? [],
    });
    const said = this.jobs.get(id) ?? job;
    const transition = settle(said.record, token, outcome, this.policyOf(said), nowMs);
    if (transition.kind === "rejected") return { accepted: false, why: "stale" };
    if ("pushBack" in outcome) this.flow.hold(said.record, outcome.pushBack, nowMs);
    const deaths = outcome.kind === "release" ? said.deaths : 0;
    this.apply({ ...said, deaths }, transition, nowMs);
    return { accepted: true, state: transition.job.state };
  }

  report(reports: readonly JobReport[]): readonly boolean[] {
    return reports.map((said) => {
      const job = this.jobs.get(said.id);
      return job !== undefined && this.#say(job, said);
    });
  }

  #say(job: ModelJob, { token, progress, logs = [] }: JobReport): boolean {
    const { record } = job;
    const transition = report(record, token, progress ?? record.progress ?? "");
    if (transition.kind !== "changed") return false;
    if (progress !== undefined) this.apply(job, transition, 0);
    if (logs.length > 0) this.#log(record.id, logs);
    return true;
  }

  #log(id: JobId, lines: readonly NewLogLine[]): void {
    const kept = this.logs.get(id) ?? [];
    const added = lines.map((line, index) => ({ ...line, seq: kept.length + index + 1 }));
    this.logs.set(id, [...kept, ...added].slice(0, MAX_LOG_LINES));
  }

  cancel(ids: readonly JobId[], reason: string, nowMs: number): readonly ChangeReply[] {
    return ids.map((id) =>
      this.#change(id, (job) => cancel(job.record, reason, this.policyOf(job), nowMs), nowMs),
    );
  }

  retry(ids: readonly JobId[], nowMs: number): readonly ChangeReply[] {
    return ids.map((id) => this.#change(id, ({ record }) => retryByHand(record, nowMs), nowMs));
  }

  remove(ids: readonly JobId[], nowMs: number): readonly ChangeReply[] {
    return ids.map((id) => this.#change(id, ({ record }) => remove(record), nowMs));
  }

  /** An order, on each job in turn. */
  change(ids: readonly JobId[], order: JobOrder, nowMs: number): readonly ChangeReply[] {
    let place = 0;
    return ids.map((id) => {
      const reply =
        order.kind === "move"
          ? this.#move(id, order.queue)
          : this.#change(
              id,
              (job) => obey(job.record, order, this.policyOf(job), { place, nowMs }),
              nowMs,
            );
      if (reply.changed) place += 1;
      return reply;
    });
  }

  #move(id: JobId, queue: string): ChangeReply {
    const job = this.jobs.get(id);
    if (job === undefined) return { changed: false, state: null };
    const { state } = job.record;
    const movedId = idInQueue(id, queue);
    const isBound = this.runs.has(id) || this.flow.isUnique(id);
    if (isBound || !mayMove(job.record) || job.record.queue === queue || this.jobs.has(movedId)) {
      return { changed: false, state };
    }
    this.jobs.delete(id);
    this.jobs.set(movedId, { ...job, record: { ...job.record, id: movedId, queue } });
    const logs = this.logs.get(id);
    if (logs !== undefined) this.logs.set(movedId, logs);
    this.logs.delete(id);
    for (const [key, kept] of this.#keys) {
      if (kept.id === id) this.#keys.set(key, { ...kept, id: movedId });
    }
    return { changed: true, state, id: movedId };
  }

  #change(id: JobId, decide: (job: ModelJob) => Transition, nowMs: number): ChangeReply {
    const job = this.jobs.get(id);
    if (job === undefined) return { changed: false, state: null };
    const transition = decide(job);
    if (transition.kind === "rejected") return { changed: false, state: job.record.state };
    this.apply(job, transition, nowMs);
    return { changed: true, state: transition.job.state };
  }

  putType(type: TypeRecord): void {
    this.#types.set(type.name, type);
  }

  attach(worker: string, leaseUntilMs: number): void {
    this.leases.set(worker, leaseUntilMs);
  }

  /** A worker leaves: its jobs are given back. */
  detach(worker: string, nowMs: number): void {
    for (const { record } of this.#heldBy(worker)) {
      const { id, token } = record;
      this.#settleOne({ id, token: token ?? "", outcome: { kind: "release" } }, nowMs);
    }
    this.leases.delete(worker);
  }

  runningOf(worker: string): readonly ModelJob[] {
    return [...this.jobs.values()].filter(
      ({ record }) => record.state === "running" && record.worker === worker,
    );
  }

  /** What a worker runs, and the workflow runs that wait in its memory. */
  #heldBy(worker: string): readonly ModelJob[] {
    return [...this.jobs.values()].filter(
      ({ record }) => record.token !== null && record.worker === worker,
    );
  }

  /** Upkeep until nothing is left to do. */
  sweep(nowMs: number): ModelSweep {
    const deadWorkers = [...this.leases]
      .filter(([, untilMs]) => untilMs <= nowMs)
      .map(([worker]) => worker);
    let crashed = 0;
    for (const worker of deadWorkers) crashed += this.#bury(worker, nowMs);
    for (const job of this.jobs.values()) {
      const policy = this.policyOf(job);
      if (isOverdue(job.record, policy, nowMs))
        this.apply(job, withdraw(job.record, policy, nowMs), nowMs);
    }
    let expired = 0;
    for (const job of this.jobs.values()) {
      if (!isExpired(job.record, nowMs)) continue;
      expired += 1;
      this.apply(job, expire(job.record, this.policyOf(job), nowMs), nowMs);
    }
    for (const { record } of this.jobs.values()) {
      if (record.removeAtMs !== null && record.removeAtMs <= nowMs) this.forget(record.id);
    }
    return { deadWorkers, crashed, expired };
  }

  /** The jobs of a dead worker; gives how many failed by it. */
  #bury(worker: string, nowMs: number): number {
    const running = this.runningOf(worker).length;
    let crashed = 0;
    for (const job of this.#heldBy(worker)) {
      const isRunning = job.record.state === "running";
      const isCharged = isRunning && running === 1;
      const transition = lose(job.record, this.policyOf(job), { isCharged }, nowMs);
      this.apply({ ...job, deaths: job.deaths + (isRunning ? 1 : 0) }, transition, nowMs);
      if (transition.kind !== "rejected" && transition.job.state === "failed") crashed += 1;
    }
    this.leases.delete(worker);
    return crashed;
  }

  /** A record is no longer kept. */
  forget(id: JobId): void {
    this.jobs.delete(id);
    this.logs.delete(id);
    this.runs.delete(id);
  }

  /** Newest first. */
  list(filter: JobFilter): readonly JobRecord[] {
    return [...this.jobs.values()]
      .map(({ record }) => record)
      .filter((record) => matches(record, filter))
      .sort((left, right) => (left.id < right.id ? 1 : -1));
  }

  policyOf({ record, retention }: ModelJob): StorePolicy {
    const policy: StorePolicy = this.#types.get(record.type) ?? DEFAULT_STORE_POLICY;
    return retention === undefined ? policy : { ...policy, retention };
  }

  /** Keeps what a transition made of a job, and tells the run that made it of its end. */
  apply(job: ModelJob, transition: Transition, nowMs: number): void {
    if (transition.kind === "rejected") return;
    if (transition.kind === "removed") this.forget(job.record.id);
    else {
      this.jobs.set(job.record.id, { ...job, record: transition.job });
      this.flow.forgetEnded(transition.job);
    }
    const hasEnded = transition.kind === "removed" || isTerminal(transition.job.state);
    if (hasEnded && !isTerminal(job.record.state)) tellParent(this, transition.job, nowMs);
  }
}
