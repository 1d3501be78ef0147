// The worker loop: settles what ended and claims what fits in one exchange at a time, so batches grow with the load.
import { randomBytes } from "node:crypto";
import type { AnyJobType } from "../core/define-job.ts";
import { type ErrorCode, MillraceError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import type { AdvanceReply, ChildJob } from "../core/run.ts";
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeReply,
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
import type { WorkerSettings } from "./settings.ts";
import { Signal } from "./signal.ts";
import type { RunDriver } from "./runs.ts";
import { HELD_BACK_LOOK_MS, HeldRuns, type Sent, claimOf } from "./held-runs.ts";
import { Slots } from "./slots.ts";
import { startTimer } from "./timer.ts";
import { Unanswered } from "./unanswered.ts";

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
  /** What drives workflow runs, where something does. */
  readonly runs: RunDriver | undefined;
}

/** Most settlements in one exchange: bounds the message; the rest go with the next one. */
const MAX_SETTLEMENTS = 1_000;

/** A try that ended, until the store has its word. */
interface Ended {
  readonly settlement: Settlement;
  readonly claimed: ClaimedJob;
  readonly runMs: number;
}

/** What went into one exchange. */
interface Exchanged {
  readonly batch: readonly Ended[];
  readonly words: readonly Sent[];
  readonly claim: ClaimRequest | undefined;
}

/** A worker. `serve` and `withdraw` say which types it takes; it runs until `stop`. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #lease: LeaseKeeper;
  readonly #around: AttemptSurroundings;
  readonly #reporter: Reporter;
  readonly #runs: HeldRuns;
  readonly #slots: Slots;
  readonly #attempts = new Map<JobId, Attempt>();
  readonly #signal = new Signal();
  readonly #tokenNonce = randomBytes(16).toString("base64url");
  #settlements: Ended[] = [];
  /** Settled, and without an answer: they are settled again. */
  readonly #unanswered = new Unanswered<Ended>((again) => {
    this.#settlements.push(...again);
    this.#signal.notify();
  });
  #nextToken = 1;
  /** Fewer runs were asked for than the memory holds: some may only wait by and by. */
  #isHeldBack = false;
  #mayHaveWork = true;
  #isClosing = false;
  #loop: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.settings);
    this.#lease = this.#createLease(parts);
    this.#reporter = new Reporter({
      store: parts.store,
      now: Date.now,
      onStale: (id, token) => {
        this.#abandonStale(id, token);
      },
    });
    this.#runs = new HeldRuns({
      driver: parts.runs,
      logger: parts.logger,
      reporter: this.#reporter,
      workerId: () => this.#lease.workerId,
      wake: () => {
        this.#signal.notify();
      },
      giveBack: (claimed) => {
        this.#giveBack(claimed);
      },
      onEnded: parts.onSettled,
      onLeft: (type) => {
        this.#slots.giveRun(type);
        this.#wake();
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
          if (!this.#runs.cancel(id, reason)) this.#abort(id, "JOB_CANCELLED", reason);
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
    this.#slots.serve(type, this.#countRunning(type.name));
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
    this.#slots.withdraw(typeName);
    this.#lease.refresh();
    this.#runs.leave("soon", typeName);
    await this.#drain(typeName, graceMs);
  }

  /** Takes no more jobs, lets those that run end within the grace, gives back the rest, and lets the lease go. */
  async stop(graceMs: number): Promise<void> {
    this.#slots.clear();
    this.#runs.leave("soon");
    await this.#drain(undefined, graceMs);
    this.#isClosing = true;
    this.#wake();
    await this.#loop;
    this.#unanswered.clear();
    this.#signal.stop();
    this.#reporter.stop();
    await this.#lease.stop();
  }

  get servedTypes(): readonly string[] {
    return this.#slots.served.map(({ name }) => name);
  }

  async #run(): Promise<void> {
    const backoff = createBackoff();
    for (;;) {
      const batch = this.#settlements.slice(0, MAX_SETTLEMENTS);
      const words = this.#runs.take(batch, (child) => this.#reserve(child));
      const claim = this.#mayHaveWork ? this.#claimRequest() : undefined;
      if (batch.length === 0 && words.length === 0 && claim === undefined) {
        if (this.#isClosing) return;
        const { pollIntervalMs } = this.#parts.settings;
        const waitMs = this.#isHeldBack
          ? Math.min(HELD_BACK_LOOK_MS, pollIntervalMs)
          : pollIntervalMs;
        const isWoken = await this.#signal.wait(waitMs);
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
          ...(words.length === 0 ? {} : { advances: words.map(({ advance }) => advance) }),
          ...(claim === undefined ? {} : { claim }),
        });
        backoff.reset();
        this.#take({ batch, words, claim }, reply);
      } catch {
        this.#runs.putBack(words);
        this.#unreserve(words, null);
        // The store logged it; the settlements stay, and go out with the next exchange.
        this.#mayHaveWork = true;
        if (this.#isClosing && backoff.attempts >= MAX_CLOSING_FAILURES) return;
        await backoff.wait();
      }
    }
  }

  #claimRequest(): ClaimRequest | undefined {
    if (!this.#lease.isHeld) return undefined;
    const nowMs = performance.now();
    this.#runs.makeRoom(nowMs);
    const runs = this.#runs.room(this.#parts.settings.concurrency, nowMs);
    this.#isHeldBack = runs.isHeldBack && this.#runs.size > 0;
    const room = this.#slots.offers(runs.room);
    if (room === undefined) return undefined;
    return {
      ...room,
      labels: this.#parts.settings.labels,
      tokenNonce: this.#tokenNonce,
      firstToken: this.#nextToken,
    };
  }

  #take({ batch, words, claim }: Exchanged, reply: ExchangeReply): void {
    this.#settlements = this.#settlements.slice(batch.length);
    for (const [index, ended] of batch.entries()) {
      const { settlement, claimed, runMs } = ended;
      const answer = reply.settled[index];
      if (this.#unanswered.keeps(ended, answer)) continue;
      this.#runs.childSettled(claimed, answer?.accepted === true);
      if (answer?.accepted === true) this.#parts.onSettled(claimed, settlement.outcome, runMs);
      else this.#sayRefused(claimed, settlement, answer?.why ?? "gone");
    }
    this.#begin(this.#unreserve(words, reply.advanced ?? []));
    for (const [index, word] of words.entries()) {
      this.#runs.answered(word, reply.advanced?.[index] ?? { accepted: false, why: "stale" });
    }
    if (claim !== undefined) {
      this.#nextToken += claim.capacity;
      this.#begin(reply.claimed);
      this.#planNextLook(claim, reply);
    }
    this.#tellIdle();
  }

  /** Reserves a slot for a child that a run would hand to this worker. */
  #reserve(child: ChildJob): string | null {
    if (!this.#slots.reserve(child)) return null;
    this.#nextToken += 1;
    return `${this.#tokenNonce}.${this.#nextToken - 1}`;
  }

  /** Gives up the reserved slots, and gives back the children that were handed over. */
  #unreserve(words: readonly Sent[], replies: readonly AdvanceReply[] | null): ClaimedJob[] {
    const handedOver: ClaimedJob[] = [];
    for (const [index, { advance }] of words.entries()) {
      const reply = replies?.[index];
      for (const child of advance.children ?? []) {
        if (child.token === undefined) continue;
        this.#slots.give(child.type);
        if (reply?.accepted === true && reply.claimed.includes(child.id)) {
          handedOver.push(claimOf(child, advance.id, reply.nowMs));
        } else {
          // It waits in its lane like any other, and the slot that was kept for it was not offered to that lane.
          this.#mayHaveWork = true;
        }
      }
    }
    return handedOver;
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
      const type = this.#slots.find(job.type);
      if (type === undefined) {
        // Withdrawn while the claim was under way.
        this.#giveBack(job);
        continue;
      }
      this.#slots.take(type);
      if (type.workflow !== undefined) {
        this.#runs.begin(job, type);
        continue;
      }
      const attempt = new Attempt(job, type, this.#around);
      this.#attempts.set(job.id, attempt);
      attempts.push(attempt);
    }
    // Before any handler runs: one that blocks the loop would keep the keeper from learning its deadline.
    this.#lease.heartbeat();
    for (const attempt of attempts) void attempt.run();
  }

  #end(attempt: Attempt, outcome: SettleOutcome | null): void {
    const { claimed } = attempt;
    if (this.#attempts.get(claimed.id) === attempt) this.#attempts.delete(claimed.id);
    this.#slots.give(claimed.type);
    const words = this.#reporter.take(claimed.id, claimed.token);
    if (outcome !== null) {
      if (claimed.parent !== undefined) {
        this.#runs.childEnded(claimed, outcome, this.#lease.workerId);
      }
      this.#settlements.push({
        claimed,
        runMs: attempt.ranMs(),
        settlement: { id: claimed.id, token: claimed.token, outcome, ...words },
      });
    }
    this.#wake();
  }

  #giveBack(claimed: ClaimedJob): void {
    const { id, token } = claimed;
    this.#settlements.push({
      claimed,
      runMs: 0,
      settlement: { id, token, outcome: { kind: "release" } },
    });
    this.#signal.notify();
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

  #runsLeft(typeName: string | undefined): number {
    return typeName === undefined ? this.#runs.size : this.#runs.countOf(typeName);
  }

  async #drain(typeName: string | undefined, graceMs: number): Promise<void> {
    const concerns = (attempt: Attempt): boolean =>
      typeName === undefined || attempt.type.name === typeName;
    const left = (): readonly Attempt[] => [...this.#attempts.values()].filter(concerns);
    const isDone = (): boolean =>
      left().length === 0 &&
      this.#settlements.length + this.#unanswered.size === 0 &&
      this.#runsLeft(typeName) === 0;
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
    this.#runs.abandon(id, token);
    const attempt = this.#attempts.get(id);
    if (attempt?.claimed.token !== token) return;
    attempt.abandon(new MillraceError("STALE_CLAIM", { details: { jobId: id } }));
  }

  #abandonAll(reason: string): void {
    this.#settlements = [];
    this.#unanswered.clear();
    this.#runs.abandonAll();
    for (const attempt of this.#attempts.values()) {
      attempt.abandon(new MillraceError("LEASE_LOST", { message: reason }));
    }
  }

  #countRunning(typeName: string): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) if (attempt.type.name === typeName) count += 1;
    return count + this.#runs.countOf(typeName);
  }
}

/** Time for the last settlements to reach a store that is slow or gone, when all else has ended. */
const STOP_MARGIN_MS = 5_000;
/** Tries to hand in the last settlements on the way out, before the store is given up; the lease ends them anyway. */
const MAX_CLOSING_FAILURES = 5;
