// What a run has under way: local functions, timers, waits, jobs elsewhere; and whether it may leave the memory.
import { startTimer } from "../../runtime/index.ts";
import { type LocalWork, startLocalWork } from "../steps/local-work.ts";
import { OneTimer } from "./one-timer.ts";
import type { LocalEnd, Operation } from "../steps/operation.ts";
import { QuickWork, type QuickWorkParts } from "../steps/quick-work.ts";

/** A run that need not look at anything for so long leaves the memory. */
const PARK_AFTER_MS = 60_000;
/** Local steps that take longer are written down as begun. */
const LIGHT_FOR_MS = 250;

/** What it needs of its run. */
export interface UnderWayParts extends QuickWorkParts {
  readonly runId: string;
  /** A local function has ended. */
  onEnd(operation: Operation, end: LocalEnd): void;
  /** A sleep is over, or the time of a wait. */
  onTimeout(operation: Operation): void;
  /** A local function takes its time. */
  onSlow(): void;
}

/** The steps of one run that have not ended. */
export class UnderWay {
  /** Since when the run has only waited, on the monotonic clock. */
  idleSinceMs: number | null = null;
  readonly #parts: UnderWayParts;
  readonly #all = new Set<Operation>();
  #waits: Set<Operation> | null = null;
  /** Those at work in this process. */
  #locals = 0;
  #unstarted: Operation[] = [];
  #sleeping = 0;
  readonly #slow = new OneTimer();
  readonly #onOver = (operation: Operation): void => {
    if (operation.local === null) return;
    operation.local = null;
    this.#locals -= 1;
  };

  constructor(parts: UnderWayParts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Whether a function of it runs here. */
  get isBusyHere(): boolean {
    return this.#locals > 0;
  }

  get hasUnstarted(): boolean {
    return this.#unstarted.length > 0;
  }

  /** Whether it only waits, for others or for time. */
  get isWaiting(): boolean {
    return this.#all.size > 0 && this.#locals + this.#unstarted.length === 0;
  }

  /** The waits for signals that are open. */
  waits(): Iterable<Operation> {
    return this.#waits ?? NOTHING;
  }

  add(operation: Operation): void {
    if (this.#all.has(operation)) return;
    this.#all.add(operation);
    if (operation.begun.kind === "sleep") this.#sleeping += 1;
  }

  remove(operation: Operation): void {
    operation.cancelTimer?.();
    this.#waits?.delete(operation);
    if (this.#all.delete(operation) && operation.begun.kind === "sleep") this.#sleeping -= 1;
  }

  /** Nobody waits for a step any more. */
  drop(operation: Operation): void {
    this.remove(operation);
    this.#unstarted = this.#unstarted.filter((each) => each !== operation);
    operation.local?.stop();
  }

  /** Puts a step to work. A local one waits until all before it is recorded. */
  start(operation: Operation): void {
    const { begun, draft } = operation;
    if (draft.work.kind === "local" || operation.quick !== null) {
      if (operation.ended === null) this.#unstarted.push(operation);
      return;
    }
    if (draft.work.kind === "signal") (this.#waits ??= new Set()).add(operation);
    const untilMs = "untilMs" in begun ? begun.untilMs : null;
    if (untilMs === null) return;
    const leftMs = Math.max(0, untilMs - this.#parts.clockMs());
    operation.cancelTimer = startTimer(leftMs, () => this.#parts.onTimeout(operation));
  }

  /** A local step that was dropped before it was started, or whose process died, has ended without a result. */
  endIdle(operation: Operation): void {
    const isHere = operation.draft.work.kind === "local" || operation.quick !== null;
    if (!isHere || operation.local !== null) return;
    const atMs = this.#parts.clockMs();
    const error = {
      name: "MillraceError",
      code: "JOB_CANCELLED",
      message: "it was cancelled before it had a result",
    };
    const base = { kind: "did", atMs, startedAtMs: atMs, attempts: 0 } as const;
    this.#parts.onEnd(operation, { ...base, step: operation.step, error });
  }

  /** Starts the local steps that wait: all before them is recorded. */
  startLocals(): void {
    if (this.#unstarted.length === 0) return;
    const starting = this.#unstarted;
    this.#unstarted = [];
    for (const operation of starting) this.#startLocal(operation);
  }

  #startLocal(operation: Operation): void {
    const { work } = operation.draft;
    this.idleSinceMs = null;
    if (operation.quick !== null) {
      this.#work(operation, new QuickWork(operation, operation.quick, this.#parts, this.#onOver));
      return;
    }
    if (work.kind !== "local") return;
    const local = startLocalWork({
      step: operation.step,
      runId: this.#parts.runId,
      work,
      nowMs: () => this.#parts.clockMs(),
      onEnd: (end, value) => {
        this.#onOver(operation);
        if (end.error === undefined) operation.value = { value };
        this.#parts.onEnd(operation, end);
      },
    });
    this.#work(operation, local);
    this.#slow.start(LIGHT_FOR_MS, () => {
      if (this.#locals > 0) this.#parts.onSlow();
    });
  }

  #work(operation: Operation, local: LocalWork): void {
    // A function that throws before its first await has ended by now.
    if (operation.ended !== null) return;
    operation.local = local;
    this.#locals += 1;
  }

  /** Ends all that runs and waits here. */
  stop(): void {
    this.#slow.stop();
    // One that nobody waits for was stopped when it was dropped.
    for (const operation of this.#all) {
      operation.cancelTimer?.();
      operation.local?.stop();
    }
  }

  /**
   * Time until the run must look again, where it may leave the memory: it sleeps for long, or is asked to. `null`: it
   * waits for others alone. `undefined`: it stays.
   */
  mayPark(deadlineAtMs: number | null, isAsked: boolean): number | null | undefined {
    const isAsleep = this.#sleeping === this.#all.size;
    if (!isAsked && !isAsleep) return undefined;
    const times = [...this.#all].flatMap(({ begun }) =>
      "untilMs" in begun && begun.untilMs !== null ? [begun.untilMs] : [],
    );
    if (deadlineAtMs !== null) times.push(deadlineAtMs);
    if (times.length === 0) return isAsked ? null : undefined;
    const dueInMs = Math.max(0, Math.min(...times) - this.#parts.clockMs());
    return isAsked || dueInMs > PARK_AFTER_MS ? dueInMs : undefined;
  }
}

const NOTHING: readonly Operation[] = [];
