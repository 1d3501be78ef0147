// The steps as a function takes them: each call becomes an operation of its run.
import { checkOptions, readTime, tellValue } from "../../core/arguments.ts";
import type { AnyJobType } from "../../core/define-job.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { checkName } from "../../core/limits.ts";
import { collectSecrets } from "../../core/redaction.ts";
import { readRetryPolicy } from "../../core/retry.ts";
import { underTerms, writeTerms } from "../../core/terms.ts";
import type { EnqueueOptions } from "../../runtime/index.ts";
import { validate } from "../../runtime/index.ts";
import type { Chance } from "../run/chance.ts";
import { runHere } from "./here.ts";
import type { Draft, Scope, Work } from "./operation.ts";
import type { Telling } from "../run/run-log.ts";
import {
  DEFAULT_MAP_CONCURRENCY,
  JOB_STEP_NAMES,
  type JobStepOptions,
  LOCAL_STEP_NAMES,
  type LocalStep,
  type LocalStepOptions,
  MAP_NAMES,
  type MapOptions,
  SIGNAL_NAMES,
  type SignalOptions,
  type StepOutcome,
  type Steps,
} from "./steps.ts";

type LocalBody = (local: LocalStep) => unknown;
type Branch = (step: Steps) => Promise<unknown>;

/** What taking steps needs of a run. */
export interface StepTaker {
  readonly runId: string;
  readonly chance: Chance;
  /** Whether jobs as steps are called as functions here. */
  readonly isLocal: boolean;
  /** @throws MillraceError where no step can be taken, or not this one */
  take(scope: Scope, draft: Draft): Promise<unknown>;
  /** What a handler that is called here tells on its way. */
  tellingOf(type: AnyJobType, input: unknown, about: object): Telling;
  /** Drops what is open in a scope. */
  cancel(scope: Scope, error: Error): void;
  /** The time of the latest thing that the run was told. */
  nowMs(): number;
  /** The store's time, about. */
  clockMs(): number;
}

/** The steps of a scope. */
export function createSteps(taker: StepTaker, scope: Scope): Steps {
  return new StepCalls(taker, scope) as { readonly [Name in keyof Steps]: unknown } as Steps;
}

/**
 * Whether the function awaits a step is its own affair: one that it began and left fails into its record. Node would end
 * the process for a rejection that nobody looks at, and with it everything that runs beside.
 */
function mayBeLeft<Value>(step: Promise<Value>): Promise<Value> {
  step.catch(ignore);
  return step;
}

const ignore = (): void => {};

/**
 * The calls that a function makes; each can be taken out of it, and is made when it is first looked at: most functions
 * use one or two. A class: see RunEars.
 */
class StepCalls {
  readonly #taker: StepTaker;
  readonly #scope: Scope;
  #run:
    | ((name: string, body: LocalBody, options?: LocalStepOptions<never>) => Promise<unknown>)
    | undefined;
  #job:
    | ((type: AnyJobType, input: unknown, options?: JobStepOptions<never>) => Promise<unknown>)
    | undefined;

  constructor(taker: StepTaker, scope: Scope) {
    this.#taker = taker;
    this.#scope = scope;
  }

  get run() {
    return (this.#run ??= (name, body, options) =>
      this.#take(() => this.#local(name, body, options)));
  }

  get job() {
    return (this.#job ??= (type, input, options) =>
      this.#take(() => this.#draft(type, input, options)));
  }

  get map() {
    return (
      type: AnyJobType,
      inputs: readonly unknown[],
      options?: MapOptions<never>,
    ): Promise<readonly StepOutcome<unknown>[]> => mayBeLeft(this.#map(type, inputs, options));
  }

  get race() {
    return (branches: readonly Branch[]): Promise<unknown> =>
      mayBeLeft(race(this.#taker, this.#scope, branches));
  }

  get sleep() {
    return (duration: Duration): Promise<void> => mayBeLeft(this.#sleep(duration));
  }

  get sleepUntil() {
    return (time: Date | number | string): Promise<void> => mayBeLeft(this.#sleepUntil(time));
  }

  get waitForSignal() {
    return (name: string, options?: SignalOptions<unknown>): Promise<unknown> =>
      mayBeLeft(this.#waitForSignal(name, options));
  }

  get now() {
    return (): number => this.#taker.nowMs();
  }

  get random() {
    return (): number => this.#taker.chance.random();
  }

  get uuid() {
    return (): string => this.#taker.chance.uuid();
  }

  /** Takes a step. No promise but its own: what refuses it rejects one. */
  #take(draftOf: () => Draft): Promise<unknown> {
    try {
      return this.#taker.take(this.#scope, draftOf());
    } catch (error) {
      return mayBeLeft(Promise.reject(error as Error));
    }
  }

  #local(name: string, body: LocalBody, options: LocalStepOptions<never> = {}): Draft {
    const { retry, undo } = checkOptions(options, "options", LOCAL_STEP_NAMES);
    return {
      name: checkStepName(name),
      work: {
        kind: "local",
        body,
        retry: readRetryPolicy(retry ?? { attempts: 1 }),
        isHandedOn: this.#taker.isLocal,
      },
      undo,
    };
  }

  async #map(
    type: AnyJobType,
    inputs: readonly unknown[],
    options: MapOptions<never> | undefined,
  ): Promise<readonly StepOutcome<unknown>[]> {
    if (options !== undefined) checkOptions(options, "options", MAP_NAMES);
    return mapOver(inputs, options, (input) => {
      const draft = this.#draft(type, input, withoutConcurrency(options));
      return this.#take(() => ({ ...draft, isPassive: true }));
    });
  }

  async #sleep(duration: Duration): Promise<void> {
    const durationMs = parseDuration(duration, "sleep");
    await this.#taker.take(this.#scope, sleepUntil("sleep", this.#taker.clockMs() + durationMs));
  }

  async #sleepUntil(time: Date | number | string): Promise<void> {
    await this.#taker.take(this.#scope, sleepUntil("sleep until", readTime(time, "sleepUntil")));
  }

  async #waitForSignal(name: string, options: SignalOptions<unknown> = {}): Promise<unknown> {
    const { timeout, schema } = checkOptions(options, "options", SIGNAL_NAMES);
    const timeoutMs = timeout === undefined ? null : parseDuration(timeout, "timeout");
    return this.#taker.take(this.#scope, {
      name: checkName(name, "signal"),
      work: {
        kind: "signal",
        untilMs: timeoutMs === null ? null : this.#taker.clockMs() + timeoutMs,
        accept: (payload) =>
          validate(schema, payload, `payload of the signal ${name}`, "INVALID_INPUT"),
      },
    });
  }

  #draft(type: AnyJobType, input: unknown, given: JobStepOptions<never> | undefined): Draft {
    if (typeof type !== "object" || type === null) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `a step got ${tellValue(type)} for its job type; expected what defineJob or defineWorkflow gives`,
      });
    }
    if (given === undefined) {
      return { name: checkStepName(type.name), work: jobWork(this.#taker, type, input, undefined) };
    }
    const { name = type.name, undo, ...options } = checkOptions(given, "options", JOB_STEP_NAMES);
    return { name: checkStepName(name), work: jobWork(this.#taker, type, input, options), undo };
  }
}

/** Longest name of a step. */
const MAX_STEP_NAME_LENGTH = 200;

function checkStepName(name: unknown): string {
  if (typeof name === "string" && name.length > 0 && name.length <= MAX_STEP_NAME_LENGTH) {
    return name;
  }
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `a step's name is ${typeof name === "string" ? `${name.length} characters long` : `of type ${typeof name}`}; expected 1 to ${MAX_STEP_NAME_LENGTH} characters`,
  });
}

function jobWork(
  taker: StepTaker,
  type: AnyJobType,
  input: unknown,
  options: EnqueueOptions | undefined,
): Work {
  if (!taker.isLocal) return { kind: "job", type, input, options };
  const own = underTerms(type, options === undefined ? undefined : writeTerms(options));
  return {
    kind: "local",
    body: (local) => {
      const about = { stepType: type.name, stepAttempt: local.attempt };
      return runHere(own, input, local, taker.tellingOf(type, input, about));
    },
    retry: own.retry,
    isHandedOn: true,
    ...(type.redactedPaths.length === 0
      ? {}
      : { secretsOf: () => collectSecrets(input, type.redact) }),
  };
}

function withoutConcurrency<Output>(options: MapOptions<Output> = {}): JobStepOptions<never> {
  const { concurrency: _, ...rest } = options;
  return rest;
}

function sleepUntil(name: string, untilMs: number): Draft {
  return { name, work: { kind: "sleep", untilMs } };
}

/** Takes a step for each input, so many at a time. */
async function mapOver<Input, Output>(
  inputs: readonly Input[],
  { concurrency = DEFAULT_MAP_CONCURRENCY }: MapOptions<Output> = {},
  take: (input: Input) => Promise<unknown>,
): Promise<readonly StepOutcome<Output>[]> {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `concurrency is ${String(concurrency)}; expected a whole number from 1`,
    });
  }
  const outcomes: StepOutcome<Output>[] = Array.from({ length: inputs.length });
  if (inputs.length === 0) return outcomes;
  return new Promise((resolve) => {
    let next = 0;
    let ended = 0;
    const end = (index: number, outcome: StepOutcome<Output>): void => {
      outcomes[index] = outcome;
      ended += 1;
      if (ended === inputs.length) resolve(outcomes);
      else takeNext();
    };
    const takeNext = (): void => {
      if (next >= inputs.length) return;
      const index = next;
      next += 1;
      take(inputs[index] as Input).then(
        (output) => end(index, { ok: true, output: output as Output }),
        (error: unknown) => end(index, { ok: false, error: error as Error }),
      );
    };
    for (let count = Math.min(concurrency, inputs.length); count > 0; count -= 1) takeNext();
  });
}

async function race<Output>(
  taker: StepTaker,
  scope: Scope,
  branches: readonly ((step: Steps) => Promise<Output>)[],
): Promise<Output> {
  if (branches.length === 0) {
    throw new MillraceError("INVALID_ARGUMENT", { message: "a race has no branch" });
  }
  const inner = branches.map(() => scope.inner());
  const running = branches.map(async (branch, index) =>
    branch(createSteps(taker, inner[index] as Scope)),
  );
  try {
    return await Promise.race(running);
  } finally {
    const lost = new MillraceError("JOB_CANCELLED", {
      message: "another branch of the race came first",
    });
    for (const each of inner) taker.cancel(each, lost);
    for (const each of running) each.catch(() => {});
  }
}
