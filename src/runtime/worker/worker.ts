// A worker: begins what its exchanges claim, ends it, and keeps its lease.
import type { AnyJobType } from "../../core/define-job.ts";
import { type ErrorCode, MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { SlidingMap } from "../../core/sliding-map.ts";
import type { ClaimedJob, SettleOutcome, Store } from "../../core/store.ts";
import { Attempt, type AttemptSurroundings, type ClaimEnded } from "./attempt.ts";
import { tellBatchRoom } from "./batch-room.ts";
import type { LargeValues } from "../blobs/index.ts";
import { ExchangeLoop } from "../exchanges/exchange-loop.ts";
import type { Ended } from "../exchanges/exchange-parts.ts";
import { inProcessLauncher } from "../launchers/in-process.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { LauncherPool } from "../launchers/pool.ts";
import { type Logger, isEnabled } from "../logging/logger.ts";
import { NO_LONGER_WAITED_FOR, QuickSteps, type TryEnded } from "../quick-steps/quick-steps.ts";
import { Reporter } from "./reporter.ts";
import type { WorkerSettings } from "./settings.ts";
import type { RunDriver } from "../exchanges/runs.ts";
import { HeldRuns } from "../exchanges/held-runs.ts";
import { Slots } from "./slots.ts";
import { startTimer } from "../timer.ts";

/** What a worker is made of. */
export interface WorkerParts {
  readonly store: Store;
  readonly logger: Logger;
  readonly launchers: LauncherPool;
  readonly settings: WorkerSettings;
  readonly values: LargeValues;
  readonly ended: ClaimEnded;
  /** A settlement was accepted: who waits in this process is told without a round trip. */
  readonly onSettled: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
  /** A step ended that never was a job: nobody but its run can wait for it. */
  readonly onRecorded: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
  /** What drives workflow runs, where something does. */
  readonly runs: RunDriver | undefined;
}

/** A worker. `serve` and `withdraw` say which types it takes; it runs until `stop`. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #lease: LeaseKeeper;
  readonly #around: AttemptSurroundings;
  readonly #reporter: Reporter;
  readonly #runs: HeldRuns;
  readonly #slots: Slots;
  readonly #quick: QuickSteps;
  readonly #attempts = new SlidingMap<JobId, Attempt>();
  readonly #exchanges: ExchangeLoop;
  #idle: (() => void)[] = [];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.settings);
    this.#lease = this.#createLease(parts);
    this.#reporter = new Reporter({
      store: parts.store,
      now: Date.now,
      mayTell: (id) => this.#attempts.get(id)?.quick == null,
      onStale: (id, token) => {
        this.#abandonStale(id, token);
      },
    });
    this.#quick = this.#createQuickSteps(parts);
    this.#runs = new HeldRuns({
      driver: parts.runs,
      quick: this.#quick,
      logger: parts.logger,
      reporter: this.#reporter,
      workerId: () => this.#lease.workerId,
      wake: () => {
        this.#exchanges.notify();
      },
      giveBack: (claimed) => {
        this.#exchanges.giveBack(claimed);
      },
      onEnded: parts.onSettled,
      onLeft: (type) => {
        this.#slots.giveRun(type);
        this.#wake();
      },
    });
    this.#exchanges = this.#createExchanges(parts);
    this.#around = {
      launcherOf: (type) => parts.launchers.of(type),
      logger: parts.logger,
      reporter: this.#reporter,
      values: parts.values,
      ended: parts.ended,
      workerId: () => this.#lease.workerId,
      random: Math.random,
      monotonicMs: () => performance.now(),
      onEnd: (attempt, outcome) => {
        this.#end(attempt, outcome);
      },
    };
  }

  #createExchanges({ store, settings, onSettled }: WorkerParts): ExchangeLoop {
    return new ExchangeLoop({
      ...settings,
      store,
      slots: this.#slots,
      runs: this.#runs,
      quick: this.#quick,
      workerId: () => this.#lease.workerId,
      isAttached: () => this.#lease.isHeld,
      monotonicMs: () => performance.now(),
      begin: (claimed) => {
        this.#begin(claimed);
      },
      cancel: (id) => {
        this.#abort(id, "JOB_CANCELLED", NO_LONGER_WAITED_FOR);
      },
      onSettled: (ended, reply) => {
        const { claimed, settlement, runMs } = ended;
        if (reply.accepted) onSettled(claimed, settlement.outcome, runMs);
        else this.#sayRefused(ended, reply.why);
      },
      onProgress: () => {
        this.#quick.wake();
        this.#tellIdle();
      },
    });
  }

  #createQuickSteps({ launchers, onRecorded }: WorkerParts): QuickSteps {
    return new QuickSteps({
      slots: this.#slots,
      room: () => this.#exchanges.room,
      prepare: (claimed) => {
        const attempts = claimed.map((job) =>
          this.#prepare(job, this.#slots.find(job.type) as AnyJobType),
        );
        this.#lease.heartbeat();
        return attempts;
      },
      settle: ({ claimed }, ended) => {
        this.#settle(claimed, ended);
      },
      onRecorded: ({ claimed }, { outcome, runMs }) => {
        onRecorded(claimed, outcome, runMs);
      },
      giveBack: (claimed) => {
        this.#exchanges.giveBack(claimed);
      },
      onFree: () => {
        this.#wake();
      },
      isInProcess: (type) => launchers.of(type).launcher === inProcessLauncher,
      monotonicMs: () => performance.now(),
    });
  }

  #createLease(parts: WorkerParts): LeaseKeeper {
    return new LeaseKeeper({
      store: parts.store,
      logger: parts.logger,
      leaseDurationMs: parts.settings.leaseDurationMs,
      describe: () => ({
        concurrency: parts.settings.concurrency,
        labels: parts.settings.labels,
        queues: [...new Set(this.#slots.served.map(({ queue }) => queue))],
        types: this.#slots.served.map(({ name }) => name),
      }),
      nextDeadlineMs: () => this.#nextDeadlineMs(),
      onWake: () => {
        this.#wake();
      },
      onCancel: (requests) => {
        for (const { id, reason } of requests) {
          if (this.#runs.cancel(id, reason) || this.#exchanges.cancelHeld(id)) continue;
          this.#abort(id, "JOB_CANCELLED", reason);
        }
      },
      onNews: (news) => {
        this.#runs.news(news);
      },
      onLost: (reason) => {
        this.#abandonAll(reason);
      },
    });
  }

  /** Takes jobs of a type from now on. */
  serve(type: AnyJobType): void {
    const { settings, logger } = this.#parts;
    if (this.#slots.find(type.name) === undefined) {
      tellBatchRoom(type, settings.concurrency, logger);
    }
    this.#slots.serve(type);
    this.#lease.refresh();
    this.#wake();
  }

  /** Attaches to the store and begins to claim. */
  async start(): Promise<void> {
    await this.#lease.start();
    this.#exchanges.start();
  }

  /** Takes no more jobs of a type; resolves when those that run have ended, or were given back after the grace. */
  async withdraw(typeName: string, graceMs: number): Promise<void> {
    this.#slots.withdraw(typeName);
    this.#lease.refresh();
    this.#runs.leave("soon", typeName);
    this.#exchanges.giveBackHeld(typeName);
    await this.#drain(typeName, graceMs);
  }

  /** Takes no more jobs, lets those that run end within the grace, gives back the rest, and lets the lease go. */
  async stop(graceMs: number): Promise<void> {
    this.#slots.clear();
    this.#runs.leave("soon");
    this.#exchanges.giveBackHeld();
    await this.#drain(undefined, graceMs);
    await this.#exchanges.stop();
    this.#reporter.stop();
    await this.#lease.stop();
  }

  get servedTypes(): readonly string[] {
    return this.#slots.served.map(({ name }) => name);
  }

  #begin(claimed: readonly ClaimedJob[]): void {
    const attempts: Attempt[] = [];
    for (const job of claimed) {
      const type = this.#slots.find(job.type);
      if (type === undefined) {
        // Withdrawn while the claim was under way.
        this.#exchanges.giveBack(job);
        continue;
      }
      this.#slots.take(type);
      if (type.workflow !== undefined) {
        this.#runs.begin(job, type);
        continue;
      }
      attempts.push(this.#prepare(job, type));
    }
    // Before any handler runs: one that blocks the loop would keep the keeper from learning its deadline.
    this.#lease.heartbeat();
    for (const attempt of attempts) void attempt.run();
  }

  #prepare(claimed: ClaimedJob, type: AnyJobType): Attempt {
    const attempt = new Attempt(claimed, type, this.#around);
    this.#attempts.set(claimed.id, attempt);
    return attempt;
  }

  #end(attempt: Attempt, outcome: SettleOutcome | null): void {
    const { claimed } = attempt;
    if (this.#attempts.get(claimed.id) === attempt) this.#attempts.delete(claimed.id);
    const words = this.#reporter.take(claimed.id, claimed.token);
    if (this.#quick.ended(attempt, outcome, words)) return;
    if (outcome === null) {
      this.#slots.give(claimed.type);
      this.#wake();
    } else this.#settle(claimed, { outcome, words, runMs: attempt.ranMs() });
  }

  /** Hands in what a try came to, and gives its slot back. */
  #settle(claimed: ClaimedJob, { outcome, words, runMs }: TryEnded): void {
    this.#slots.give(claimed.type);
    if (claimed.parent !== undefined) {
      this.#runs.childEnded(claimed, outcome, this.#lease.workerId);
    }
    this.#exchanges.settle({
      claimed,
      runMs,
      settlement: { id: claimed.id, token: claimed.token, outcome, ...words },
    });
    this.#wake();
  }

  #sayRefused({ claimed, settlement }: Ended, why: string): void {
    if (!isEnabled(this.#parts.logger, "warn")) return;
    this.#parts.logger.warn(
      { jobId: claimed.id, type: claimed.type, outcome: settlement.outcome.kind, why },
      "late word refused: the claim was superseded",
    );
  }

  #nextDeadlineMs(): number | null {
    let nextMs: number | undefined;
    for (const { mustEndAtMs } of this.#attempts.values()) {
      if (mustEndAtMs !== undefined && (nextMs === undefined || mustEndAtMs < nextMs)) {
        nextMs = mustEndAtMs;
      }
    }
    return nextMs === undefined ? null : Math.max(0, nextMs - performance.now());
  }

  #runsLeft(typeName: string | undefined): number {
    return typeName === undefined ? this.#runs.size : this.#runs.countOf(typeName);
  }

  async #drain(typeName: string | undefined, graceMs: number): Promise<void> {
    const concerns = (attempt: Attempt): boolean =>
      typeName === undefined || attempt.type.name === typeName;
    const left = (): readonly Attempt[] => [...this.#attempts.values()].filter(concerns);
    for (const type of new Set(left().map((each) => each.type))) this.#parts.launchers.hurry(type);
    const isDone = (): boolean =>
      left().length === 0 && this.#exchanges.unsettled === 0 && this.#runsLeft(typeName) === 0;
    const cancelGrace = startTimer(graceMs, () => {
      this.#runs.leave("now", typeName);
      for (const { claimed } of left()) {
        this.#abort(claimed.id, "STOPPED", "the worker is stopping; the job is given back");
      }
    });
    let isOutOfTime = false;
    const longestGraceMs = Math.max(0, ...left().map(({ type }) => type.graceMs));
    const cancelLast = startTimer(graceMs + longestGraceMs + STOP_MARGIN_MS, () => {
      isOutOfTime = true;
      this.#tellIdle();
    });
    this.#wake();
    while (!isDone() && !isOutOfTime && this.#exchanges.isRunning) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
    cancelGrace();
    cancelLast();
  }

  #tellIdle(): void {
    if (this.#idle.length === 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #wake(): void {
    this.#exchanges.wake();
    this.#tellIdle();
  }

  #abort(id: JobId, code: ErrorCode, message: string): void {
    this.#attempts.get(id)?.abort(new MillraceError(code, { message, details: { jobId: id } }));
  }

  #abandonStale(id: JobId, token: string): void {
    this.#runs.abandon(id, token);
    const attempt = this.#attempts.get(id);
    if (attempt?.claimed.token !== token) return;
    attempt.abandon(new MillraceError("STALE_CLAIM", { details: { jobId: id } }));
  }

  #abandonAll(reason: string): void {
    this.#exchanges.forget();
    this.#runs.abandonAll();
    for (const attempt of this.#attempts.values()) {
      attempt.abandon(new MillraceError("LEASE_LOST", { message: reason }));
    }
  }
}

/** Time for the last settlements to reach a store that is slow or gone, when all else has ended. */
const STOP_MARGIN_MS = 5_000;
