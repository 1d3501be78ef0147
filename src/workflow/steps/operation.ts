// A step under way, and the scope that it belongs to: what is cancelled together.
import type { AnyJobType } from "../../core/define-job.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { Ending } from "../../core/run.ts";
import type { NewJob } from "../../core/store.ts";
import type { EnqueueOptions } from "../../runtime/index.ts";
import type { RetryPolicy } from "../../core/retry.ts";
import type { LocalWork } from "./local-work.ts";
import type { Begun, Told } from "../record/record.ts";
import type { LocalStep, Undo } from "./steps.ts";

/** What a step does. */
export type Work =
  | {
      readonly kind: "job";
      readonly type: AnyJobType;
      readonly input: unknown;
      readonly options: EnqueueOptions | undefined;
    }
  | {
      readonly kind: "local";
      readonly body: (local: LocalStep) => unknown;
      readonly retry: RetryPolicy;
      /** Whether its result is handed on as it is, and not as JSON gives it back. */
      readonly isHandedOn: boolean;
      /** What its errors must not show, where it is a job type's handler. */
      readonly secretsOf?: () => readonly string[];
    }
  | { readonly kind: "sleep"; readonly untilMs: number }
  | {
      readonly kind: "signal";
      readonly untilMs: number | null;
      readonly accept: (payload: unknown) => unknown;
    };

/** A step as the function takes it. */
export interface Draft {
  readonly name: string;
  readonly work: Work;
  readonly undo?: Undo<never> | undefined;
  /** The step that it undoes. */
  readonly of?: number;
  /** Whether what follows its end is the engine's own doing, so that several may end in one turn. */
  readonly isPassive?: boolean;
}

/** What became of a step. */
export type Outcome =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: Error };

/** How a local step ended. */
export type LocalEnd = Extract<Told, { kind: "did" }>;

/** A step that the function took. It is open until it is told what it came to. */
export class Operation {
  readonly step: number;
  readonly draft: Draft;
  readonly begun: Begun;
  readonly scope: Scope;
  readonly promise: Promise<unknown>;
  /** `dropped`: nobody waits for it any more. */
  state: "open" | "told" | "dropped" = "open";
  /** How it ended, once the function or the unwinding was told. */
  outcome: Outcome | null = null;
  /** It ended before anyone asked. */
  ended: Ending | LocalEnd | null = null;
  /** The unwinding waits for its end. */
  unwound: (() => void) | null = null;
  cancelTimer: (() => void) | null = null;
  /** While it is at work in this process. */
  local: LocalWork | null = null;
  /** What a local function came to, where it is handed on as it is. */
  value: { readonly value: unknown } | null = null;
  /** The job that it would be, where it is tried before it is one. */
  quick: NewJob | null = null;
  /** Whether its end is on the way to be told. */
  isQueued = false;
  /** Whether it was in the record when its run was taken up. */
  isRecorded = false;
  #resolve: (output: unknown) => void = ignore;
  #reject: (error: Error) => void = ignore;

  constructor(step: number, draft: Draft, begun: Begun, scope: Scope) {
    this.step = step;
    this.draft = draft;
    this.begun = begun;
    this.scope = scope;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whether the function looks at it is its own affair.
    this.promise.catch(ignore);
  }

  settle(outcome: Outcome): void {
    if (outcome.ok) this.#resolve(outcome.output);
    else this.#reject(outcome.error);
  }
}

const ignore = (): void => {};

/** Steps that are cancelled together: those of a run, of a branch of a race, of the unwinding. */
export class Scope {
  readonly #operations = new Set<Operation>();
  #inner: Set<Scope> | null = null;
  #error: Error | null = null;

  /** Why no step may be taken in it any more. */
  get error(): Error | null {
    return this.#error;
  }

  inner(): Scope {
    const scope = new Scope();
    scope.#error = this.#error;
    (this.#inner ??= new Set()).add(scope);
    return scope;
  }

  add(operation: Operation): void {
    this.#operations.add(operation);
  }

  remove(operation: Operation): void {
    this.#operations.delete(operation);
  }

  /** Whether anything that was taken in it is still open. */
  get hasOpen(): boolean {
    for (const { state } of this.#operations) if (state === "open") return true;
    for (const scope of this.#inner ?? []) if (scope.hasOpen) return true;
    return false;
  }

  /** Drops what is open in it, and refuses more. */
  cancel(error: Error, drop: (operation: Operation, error: Error) => void): void {
    this.#error ??= error;
    for (const operation of this.#operations)
      if (operation.state === "open") drop(operation, error);
    this.#operations.clear();
    for (const scope of this.#inner ?? []) scope.cancel(error, drop);
    this.#inner = null;
  }
}

/** The job of a step; `null` for one that is none, or is to be made anew. */
export function jobIdOf({ begun }: Operation): JobId | null {
  return begun.kind === "job" ? begun.jobId : null;
}

/** The error of an ending, in its words. */
export function errorOf(ending: Pick<Ending, "error" | "state">): ErrorRecord {
  return ending.error ?? { name: "Error", message: `the job ended as ${ending.state}` };
}
