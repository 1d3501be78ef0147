// Steps that their run's worker begins at once, in memory, and that are jobs only if they do not end soon.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { ChildJob } from "../../core/run.ts";
import type { ClaimedJob, NewJob, SettleOutcome } from "../../core/store.ts";
import type { Attempt } from "../worker/attempt.ts";
import { ClaimTokens } from "../worker/claim-tokens.ts";
import { claimOf } from "../worker/children.ts";
import { CROWDED_FOR_MS, Doors, SLOW_FOR_MS } from "./doors.ts";
import { Line, type Standing } from "./line.ts";
import { isPlain, isShort, isSuited } from "./quick-fit.ts";
import type { LastWords } from "../worker/reporter.ts";
import type { QuickListener, StopStep } from "../exchanges/runs.ts";
import type { Slots } from "../worker/slots.ts";

/** Why a step is cancelled by its own run. */
export const NO_LONGER_WAITED_FOR = "its run does not wait for it any more";
/** How long a step may run before it becomes a job, and those of its type that wait here with it, for others to take. */
const QUICK_MS = 20;
/** How long one may wait for a slot: a worker whose 100 slots end steps within milliseconds ends thousands meanwhile. */
const QUEUED_MS = 100;
/*
 * Why. The record of a step that succeeded is removed as it ends: its run's record says all. So one that begins here and
 * ends within milliseconds need never be kept: a run of two such steps takes one write for each, where it took its job,
 * its claim and its end through the store. What a crash takes with it is done again from the run's record, as a job of
 * the store from then on, so that a step which kills its workers is found; under the same id, for that is made of the
 * run's and the step's number.
 */

/** What is kept of the tries of one run, beside it in memory. */
export interface TriesOfRun {
  readonly id: JobId;
  tries: Set<Try> | null;
}

/** A step from when its run hands it in until it is recorded, or is a job. */
export interface Try extends Standing {
  readonly run: TriesOfRun;
  readonly child: NewJob;
  readonly token: string;
  readonly listener: QuickListener;
  /** When it was handed in; from its beginning on, when it began. */
  sinceMs: number;
  /** While it runs, and from then on. */
  attempt: Attempt | null;
  /** How it ended, while a word is on its way that tells it or makes it a job. */
  ended: TryEnded | null;
  /** It is a job, or recorded, or nobody's. */
  isOver: boolean;
}

/** How a try ended. */
export interface TryEnded {
  readonly outcome: SettleOutcome;
  readonly words: LastWords;
  readonly runMs: number;
}

/** What it needs of its worker. */
export interface QuickStepsParts {
  readonly slots: Slots;
  /** Free slots for which the store has answered. */
  readonly room: () => number;
  /** Makes tries of claims; their slots are taken already. */
  readonly prepare: (claimed: readonly ClaimedJob[]) => readonly Attempt[];
  /** Settles a try with the store, as any other. */
  readonly settle: (attempt: Attempt, ended: TryEnded) => void;
  /** The store has what a try came to, in the word of its run. */
  readonly onRecorded: (attempt: Attempt, ended: TryEnded) => void;
  /** Gives back a claim that the store may have made, and that nobody here will make use of. */
  readonly giveBack: (claimed: ClaimedJob) => void;
  /** A slot was given back. */
  readonly onFree: () => void;
  readonly isInProcess: (type: AnyJobType) => boolean;
  readonly monotonicMs: () => number;
}

/** The quick steps of one worker. */
export class QuickSteps {
  readonly #parts: QuickStepsParts;
  readonly #tokens = new ClaimTokens();
  readonly #doors = new Doors();
  readonly #suited = new WeakMap<AnyJobType, boolean>();
  /** Waiting for a slot, the longest first. */
  readonly #queue = new Line<Try>();
  /** Running, and neither ended nor about to be jobs; the longest first. */
  readonly #running = new Line<Try>();
  /** Those that a word on its way makes jobs. */
  readonly #becoming = new Map<JobId, Try>();
  #isBeginning = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: QuickStepsParts) {
    this.#parts = parts;
  }

  /** The store handed over a child at once. */
  noteOpen(child: NewJob): void {
    if (!isPlain(child)) return;
    this.#doors.open(child.type, this.#parts.monotonicMs());
    this.wake();
  }

  /** It did not: others of its type wait, or something holds its queue. */
  noteClosed(type: string): void {
    this.#close(type, CROWDED_FOR_MS);
  }

  /** No slot was free for a child, by which the store would have been asked. */
  noteUnasked(type: string): void {
    this.#doors.unask(type);
  }

  /** Whether a step can be tried before it is a job. */
  accepts(child: NewJob): boolean {
    const type = this.#parts.slots.find(child.type);
    if (type === undefined || type.queue !== child.queue || !this.#suits(type)) return false;
    return isPlain(child) && !this.#doors.isClosed(child.type, this.#parts.monotonicMs());
  }

  #suits(type: AnyJobType): boolean {
    let isKnown = this.#suited.get(type);
    if (isKnown === undefined) {
      isKnown = isSuited(type) && this.#parts.isInProcess(type);
      this.#suited.set(type, isKnown);
    }
    return isKnown;
  }

  /** Tries a step of a run as soon as a slot is free. */
  try(run: TriesOfRun, child: NewJob, listener: QuickListener): StopStep {
    const each: Try = {
      run,
      child,
      token: this.#tokens.next(),
      listener,
      sinceMs: this.#parts.monotonicMs(),
      attempt: null,
      ended: null,
      isOver: false,
      line: null,
    };
    this.#queue.add(each);
    run.tries ??= new Set();
    run.tries.add(each);
    this.wake();
    this.#watch();
    return () => this.#stop(each);
  }

  /** Slots may be free. What is handed in together begins together: the keeper is told of deadlines once. */
  wake(): void {
    if (this.#isBeginning || this.#queue.size === 0) return;
    this.#isBeginning = true;
    queueMicrotask(() => {
      this.#isBeginning = false;
      this.#begin();
    });
  }

  #begin(): void {
    const nowMs = this.#parts.monotonicMs();
    const beginning = this.#takeBeginning(nowMs);
    if (beginning.length === 0) return;
    const atMs = Date.now();
    const attempts = this.#parts.prepare(
      beginning.map(({ run, child, token }) => claimOf(child, token, run.id, atMs)),
    );
    for (const [index, each] of beginning.entries()) {
      const attempt = attempts[index] as Attempt;
      attempt.quick = each;
      each.attempt = attempt;
      each.sinceMs = nowMs;
      this.#queue.remove(each);
      this.#running.add(each);
    }
    this.#watch();
    for (const attempt of attempts) void attempt.run();
  }

  /** Those that have a slot now. The store is asked by one of those whose queue may be open. */
  #takeBeginning(nowMs: number): readonly Try[] {
    const { slots } = this.#parts;
    const taken: Try[] = [];
    // Who asks is to find a slot too, when its run's word is sent.
    let room = this.#parts.room() - this.#doors.countAsking(nowMs);
    if (room <= 0) return taken;
    for (const each of this.#queue.members()) {
      if (room <= 0) break;
      // One of its type may have closed the door for all.
      if (!this.#queue.has(each)) continue;
      const { type } = each.child;
      if (slots.isCrowded(type)) this.#close(type, CROWDED_FOR_MS);
      else if (this.#doors.isToBeAsked(type, nowMs)) {
        this.#doors.ask(type, nowMs);
        room -= 1;
        this.#toJob(each);
      } else if (this.#doors.isOpen(type, nowMs) && slots.reserve(each.child)) {
        room -= 1;
        taken.push(each);
      }
    }
    return taken;
  }

  /** A try ended. `false`: it is none of these, and is to be settled. */
  ended(attempt: Attempt, outcome: SettleOutcome | null, words: LastWords): boolean {
    const each = attempt.quick;
    if (each === null) return false;
    this.#running.remove(each);
    if (outcome === null) {
      this.#free(each);
      return true;
    }
    const runMs = attempt.ranMs();
    each.ended = { outcome, words, runMs };
    if (runMs > QUICK_MS) this.#close(each.child.type, SLOW_FOR_MS);
    if (this.#isBecoming(each)) return true;
    if (outcome.kind === "release") {
      this.#free(each);
      each.listener.onJob(each.child);
    } else if (isShort(outcome, words)) this.#tell(each, each.ended);
    else this.#become(each);
    return true;
  }

  #tell(each: Try, { outcome, runMs }: TryEnded): void {
    const isToBeTold = each.listener.onEnd({
      attempts: 1,
      ranMs: runMs,
      ...(outcome.kind === "succeeded" ? { result: outcome.result } : {}),
      ...("error" in outcome ? { error: outcome.error } : {}),
    });
    if (!isToBeTold) this.#free(each);
  }

  /** It is to be a job, and runs already. */
  #become(each: Try): void {
    this.#running.remove(each);
    this.#becoming.set(each.child.id, each);
    each.listener.onJob({ ...each.child, token: each.token, isBegun: true });
  }

  /** The store answered a word that made it a job. */
  became({ id, token }: ChildJob, isClaimed: boolean): void {
    const each = this.#becoming.get(id);
    if (each === undefined || each.token !== token) return;
    const { attempt, ended } = each;
    if (!isClaimed) this.#drop(each);
    else {
      this.#forget(each);
      if (attempt !== null && ended !== null) this.#parts.settle(attempt, ended);
    }
  }

  #isBecoming(each: Try): boolean {
    return this.#becoming.size > 0 && this.#becoming.get(each.child.id) === each;
  }

  /** Those of a run that ended, and that its next word tells of. */
  takeEnded({ tries }: TriesOfRun): readonly QuickEnded[] {
    if (tries === null || tries.size === 0) return NONE;
    const taken: QuickEnded[] = [];
    for (const each of tries) {
      if (each.ended === null || this.#isBecoming(each)) continue;
      this.#forget(each);
      taken.push(each as QuickEnded);
    }
    return taken;
  }

  /** The store answered the word that told of them. */
  recorded(taken: readonly QuickEnded[], isAccepted: boolean): void {
    for (const each of taken) {
      this.#parts.slots.give(each.child.type);
      if (isAccepted) this.#parts.onRecorded(each.attempt, each.ended);
    }
    if (taken.length > 0) this.#parts.onFree();
  }

  /** A run has left the memory. */
  leave({ tries }: TriesOfRun): void {
    for (const each of tries ?? []) this.#drop(each);
  }

  /** What it comes to is told to nobody. */
  #drop(each: Try): void {
    const { attempt, ended, child } = each;
    const isBecoming = this.#isBecoming(each);
    if (attempt !== null && ended === null) {
      attempt.abandon(new MillraceError("STALE_CLAIM", { details: { jobId: child.id } }));
    } else this.#free(each);
    // An exchange may have failed by which the store made it a job of this worker.
    if (attempt !== null && isBecoming) this.#parts.giveBack(attempt.claimed);
  }

  /** Nobody waits for it any more. */
  #stop(each: Try): void {
    if (each.isOver) return;
    const reason = new MillraceError("JOB_CANCELLED", { message: NO_LONGER_WAITED_FOR });
    if (each.attempt === null) {
      this.#forget(each);
      each.listener.onEnd({ attempts: 0, ranMs: 0, error: toErrorRecord(reason) });
    } else {
      // It ends within its grace, and will be no job.
      this.#running.remove(each);
      each.attempt.abort(reason);
    }
  }

  /** Those that take too long become jobs. */
  #watch(): void {
    if (this.#timer !== undefined) return;
    const queued = this.#queue.first;
    const running = this.#running.first;
    if (queued === undefined && running === undefined) return;
    const dueAtMs = Math.min(
      (queued?.sinceMs ?? Infinity) + QUEUED_MS,
      (running?.sinceMs ?? Infinity) + QUICK_MS,
    );
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#endPatience();
        this.#watch();
      },
      // One that finds a slot meanwhile is looked after from then on.
      Math.min(Math.max(1, dueAtMs - this.#parts.monotonicMs()), QUICK_MS),
    );
  }

  #endPatience(): void {
    const nowMs = this.#parts.monotonicMs();
    for (const each of this.#running.members()) {
      if (each.sinceMs + QUICK_MS > nowMs) break;
      this.#become(each);
      this.#close(each.child.type, SLOW_FOR_MS);
    }
    for (const each of this.#queue.members()) {
      if (each.sinceMs + QUEUED_MS > nowMs) break;
      if (this.#queue.has(each)) this.#close(each.child.type, CROWDED_FOR_MS);
    }
  }

  /** Steps of a type are jobs for a while; those that wait for a slot, at once. */
  #close(type: string, forMs: number): void {
    this.#doors.close(type, this.#parts.monotonicMs() + forMs);
    if (this.#queue.size === 0) return;
    for (const each of this.#queue.members()) if (each.child.type === type) this.#toJob(each);
  }

  /** One that waits for a slot is to be a job. */
  #toJob(each: Try): void {
    this.#forget(each);
    each.listener.onJob(each.child);
  }

  #free(each: Try): void {
    this.#forget(each);
    if (each.attempt !== null) this.#give(each);
  }

  #give(each: Try): void {
    this.#parts.slots.give(each.child.type);
    this.#parts.onFree();
  }

  #forget(each: Try): void {
    each.isOver = true;
    this.#queue.remove(each);
    this.#running.remove(each);
    if (this.#isBecoming(each)) this.#becoming.delete(each.child.id);
    if (each.attempt !== null) each.attempt.quick = null;
    each.run.tries?.delete(each);
  }
}

/** One that ended, and whose end is on its way with its run's word. */
export type QuickEnded = Try & { readonly attempt: Attempt; readonly ended: TryEnded };

const NONE: readonly QuickEnded[] = [];
