// The worker loop: settles what ended and claims what fits in one exchange at a time, so batches grow with the load.
import { randomBytes } from "node:crypto";
import type { AnyJobType } from "../core/define-job.ts";
import { type ErrorCode, MillraceError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import { MAX_CLAIM_BATCH } from "../core/limits.ts";
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeReply,
  Offer,
  SettleOutcome,
  Settlement,
  Store,
} from "../core/store.ts";
import { Attempt, type AttemptSurroundings, type ClaimEnded } from "./attempt.ts";
import { createBackoff } from "./backoff.ts";
import type { LargeValues } from "./blobs/index.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { LauncherPool } from "./launchers/pool.ts";
import { type Logger, isEnabled } from "./logger.ts";
import { Reporter } from "./reporter.ts";
import { Signal } from "./signal.ts";
import { startTimer } from "./timer.ts";

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
}

/** The worker's options, read and checked. */
export interface WorkerSettings {
  readonly concurrency: number;
  readonly queues: readonly string[] | undefined;
  readonly labels: readonly string[];
  readonly leaseDurationMs: number;
  readonly sweepIntervalMs: number;
  readonly shutdownGraceMs: number;
  readonly pollIntervalMs: number;
}

/** Most settlements in one exchange: bounds the message; the rest go with the next one. */
const MAX_SETTLEMENTS = 1_000;

/** How a job type is offered right now. */
interface ServedType {
  readonly type: AnyJobType;
  running: number;
}

/** A try that ended, until the store has its word. */
interface Ended {
  readonly settlement: Settlement;
  readonly claimed: ClaimedJob;
  readonly runMs: number;
}

/** A worker. `serve` and `withdraw` say which types it takes; it runs until `stop`. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #lease: LeaseKeeper;
  readonly #around: AttemptSurroundings;
  readonly #reporter: Reporter;
  readonly #served = new Map<string, ServedType>();
  readonly #attempts = new Map<JobId, Attempt>();
  readonly #signal = new Signal();
  readonly #tokenNonce = randomBytes(16).toString("base64url");
  #settlements: Ended[] = [];
  #nextToken = 1;
  #free: number;
  #mayHaveWork = true;
  #isClosing = false;
  #loop: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#free = parts.settings.concurrency;
    this.#lease = new LeaseKeeper({
      store: parts.store,
      logger: parts.logger,
      leaseDurationMs: parts.settings.leaseDurationMs,
      describe: () => ({
        concurrency: parts.settings.concurrency,
        labels: parts.settings.labels,
        queues: [...new Set([...this.#served.values()].map(({ type }) => type.queue))],
        types: [...this.#served.keys()],
      }),
      nextDeadlineMs: () => this.#nextDeadlineMs(),
      onWake: () => {
        this.#wake();
      },
      onCancel: (requests) => {
        for (const { id, reason } of requests) this.#abort(id, "JOB_CANCELLED", reason);
      },
      onLost: (reason) => {
        this.#abandonAll(reason);
      },
    });
    this.#reporter = new Reporter({
      store: parts.store,
      now: Date.now,
      onStale: (id, token) => {
        this.#abandonStale(id, token);
      },
    });
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

  /** Takes jobs of a type from now on. */
  serve(type: AnyJobType): void {
    const known = this.#served.get(type.name);
    this.#served.set(type.name, { type, running: known?.running ?? this.#countRunning(type.name) });
    this.#lease.refresh();
    this.#wake();
  }

  /** Attaches to the store and begins to claim. */
  async start(): Promise<void> {
    await this.#lease.start();
    this.#loop ??= this.#run();
  }

  /** Takes no more jobs of a type; resolves when those that run have ended, or were given back after the grace. */
  async withdraw(typeName: string, graceMs: number): Promise<void> {
    this.#served.delete(typeName);
    this.#lease.refresh();
    await this.#drain((attempt) => attempt.type.name === typeName, graceMs);
  }

  /** Takes no more jobs, lets those that run end within the grace, gives back the rest, and lets the lease go. */
  async stop(graceMs: number): Promise<void> {
    this.#served.clear();
    await this.#drain(() => true, graceMs);
    this.#isClosing = true;
    this.#wake();
    await this.#loop;
    this.#signal.stop();
    this.#reporter.stop();
    await this.#lease.stop();
  }

  get servedTypes(): readonly string[] {
    return [...this.#served.keys()];
  }

  async #run(): Promise<void> {
    const backoff = createBackoff();
    for (;;) {
      const batch = this.#settlements.slice(0, MAX_SETTLEMENTS);
      const claim = this.#mayHaveWork ? this.#claimRequest() : undefined;
      if (batch.length === 0 && claim === undefined) {
        if (this.#isClosing) return;
        const isWoken = await this.#signal.wait(this.#parts.settings.pollIntervalMs);
        // A look without a wake-up, in case one was lost.
        if (!isWoken) this.#mayHaveWork = true;
        // Jobs that end in one turn of the loop are settled by one exchange.
        await new Promise(setImmediate);
        continue;
      }
      if (claim !== undefined) this.#mayHaveWork = false;
      try {
        const reply = await this.#parts.store.exchange({
          worker: this.#lease.workerId,
          settlements: batch.map(({ settlement }) => settlement),
          ...(claim === undefined ? {} : { claim }),
        });
        backoff.reset();
        this.#take(batch, claim, reply);
      } catch {
        // The store logged it; the settlements stay, and go out with the next exchange.
        this.#mayHaveWork = true;
        if (this.#isClosing && backoff.attempts >= MAX_CLOSING_FAILURES) return;
        await backoff.wait();
      }
    }
  }

  #claimRequest(): ClaimRequest | undefined {
    const capacity = Math.min(this.#free, MAX_CLAIM_BATCH);
    if (capacity <= 0 || this.#served.size === 0 || !this.#lease.isHeld) return undefined;
    const offers: Offer[] = [];
    for (const { type, running } of this.#served.values()) {
      const free = Math.min(capacity, type.concurrency - running);
      if (free > 0) offers.push({ queue: type.queue, type: type.name, capacity: free });
    }
    if (offers.length === 0) return undefined;
    return {
      capacity,
      offers,
      labels: this.#parts.settings.labels,
      tokenNonce: this.#tokenNonce,
      firstToken: this.#nextToken,
    };
  }

  #take(batch: readonly Ended[], claim: ClaimRequest | undefined, reply: ExchangeReply): void {
    this.#settlements = this.#settlements.slice(batch.length);
    for (const [index, { settlement, claimed, runMs }] of batch.entries()) {
      const answer = reply.settled[index];
      if (answer?.accepted === true) this.#parts.onSettled(claimed, settlement.outcome, runMs);
      else this.#sayRefused(claimed, settlement, answer?.why ?? "gone");
    }
    if (claim !== undefined) {
      this.#nextToken += claim.capacity;
      this.#begin(reply.claimed);
      this.#planNextLook(claim, reply);
    }
    this.#tellIdle();
  }

  #planNextLook(claim: ClaimRequest, reply: ExchangeReply): void {
    // A full reply says that there may be more; a short one that the lanes are empty for now.
    if (reply.claimed.length === claim.capacity) this.#mayHaveWork = true;
    if (reply.claimed.length < claim.capacity && reply.lookAgainInMs !== null) {
      this.#signal.wakeIn(reply.lookAgainInMs, () => {
        this.#mayHaveWork = true;
      });
    }
  }

  #begin(claimed: readonly ClaimedJob[]): void {
    const attempts: Attempt[] = [];
    for (const job of claimed) {
      const served = this.#served.get(job.type);
      if (served === undefined) {
        // Withdrawn while the claim was under way.
        this.#settlements.push({
          claimed: job,
          runMs: 0,
          settlement: { id: job.id, token: job.token, outcome: { kind: "release" } },
        });
        continue;
      }
      const attempt = new Attempt(job, served.type, this.#around);
      this.#attempts.set(job.id, attempt);
      served.running += 1;
      this.#free -= 1;
      attempts.push(attempt);
    }
    // Before any handler runs: one that blocks the loop would keep the keeper from learning its deadline.
    this.#lease.heartbeat();
    for (const attempt of attempts) void attempt.run();
  }

  #end(attempt: Attempt, outcome: SettleOutcome | null): void {
    const { claimed } = attempt;
    if (this.#attempts.get(claimed.id) === attempt) this.#attempts.delete(claimed.id);
    this.#free += 1;
    const served = this.#served.get(claimed.type);
    if (served !== undefined) served.running -= 1;
    const words = this.#reporter.take(claimed.id, claimed.token);
    if (outcome !== null) {
      this.#settlements.push({
        claimed,
        runMs: attempt.ranMs(),
        settlement: { id: claimed.id, token: claimed.token, outcome, ...words },
      });
    }
    this.#wake();
  }

  #sayRefused(claimed: ClaimedJob, settlement: Settlement, why: string): void {
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

  async #drain(concerns: (attempt: Attempt) => boolean, graceMs: number): Promise<void> {
    const left = (): readonly Attempt[] => [...this.#attempts.values()].filter(concerns);
    const isDone = (): boolean => left().length === 0 && this.#settlements.length === 0;
    const cancelGrace = startTimer(graceMs, () => {
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
    while (!isDone() && !isOutOfTime && this.#loop !== undefined) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
    cancelGrace();
    cancelLast();
  }

  #tellIdle(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #wake(): void {
    this.#mayHaveWork = true;
    this.#signal.notify();
    this.#tellIdle();
  }

  #abort(id: JobId, code: ErrorCode, message: string): void {
    this.#attempts.get(id)?.abort(new MillraceError(code, { message, details: { jobId: id } }));
  }

  #abandonStale(id: JobId, token: string): void {
    const attempt = this.#attempts.get(id);
    if (attempt?.claimed.token !== token) return;
    attempt.abandon(new MillraceError("STALE_CLAIM", { details: { jobId: id } }));
  }

  #abandonAll(reason: string): void {
    this.#settlements = [];
    for (const attempt of this.#attempts.values()) {
      attempt.abandon(new MillraceError("LEASE_LOST", { message: reason }));
    }
  }

  #countRunning(typeName: string): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) if (attempt.type.name === typeName) count += 1;
    return count;
  }
}

/** Time for the last settlements to reach a store that is slow or gone, when all else has ended. */
const STOP_MARGIN_MS = 5_000;
/** Tries to hand in the last settlements on the way out, before the store is given up; the lease ends them anyway. */
const MAX_CLOSING_FAILURES = 5;
