// One job in the hands of a worker elsewhere: a try like any other, whose launcher waits for what the worker says.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { fatal, pushingBack, retryAfter, snooze } from "../../core/outcomes.ts";
import type { ClaimedJob, SettleOutcome, SettleReply } from "../../core/store.ts";
import { Attempt, type AttemptSurroundings } from "../worker/attempt.ts";
import type { LaunchRequest } from "../launchers/launcher.ts";
import type { RemoteCancel, RemoteJob, RemoteOutcome, RemoteReport } from "./remote-operations.ts";

/** What a held job needs around it. */
export interface HeldJobSurroundings extends Pick<
  AttemptSurroundings,
  "logger" | "reporter" | "values" | "workerId" | "ended" | "ranBeforeMs"
> {
  /** Keeps the end of the try; `null` where the claim is void. */
  readonly onEnd: (held: HeldJob, outcome: SettleOutcome | null) => Promise<SettleReply>;
}

/** A job that a remote worker works on. Made for a claim of this process, or anew from the record of another's. */
export class HeldJob {
  readonly claimed: ClaimedJob;
  readonly type: AnyJobType;
  readonly #attempt: Attempt;
  readonly #handed: PromiseWithResolvers<boolean> = Promise.withResolvers<boolean>();
  readonly #said: PromiseWithResolvers<unknown> = Promise.withResolvers<unknown>();
  readonly #settled: PromiseWithResolvers<SettleReply> = Promise.withResolvers<SettleReply>();
  #request: LaunchRequest | undefined;
  #told: MillraceError | undefined;

  constructor(claimed: ClaimedJob, type: AnyJobType, around: HeldJobSurroundings) {
    this.claimed = claimed;
    this.type = type;
    // Looked at only where someone settles: a try that ends by its timeout has nobody who waits.
    this.#settled.promise.catch(() => {});
    // A try can end before its launcher is asked, and then nobody hears what is said of it.
    this.#said.promise.catch(() => {});
    this.#attempt = new Attempt(claimed, type, {
      ...around,
      random: Math.random,
      monotonicMs: () => performance.now(),
      launcherOf: () => ({
        options: undefined,
        launcher: {
          name: "remote",
          launch: async (request) => {
            this.#request = request;
            this.#handed.resolve(true);
            return this.#said.promise;
          },
        },
      }),
      onEnd: (_attempt, outcome) => {
        this.#handed.resolve(false);
        around.onEnd(this, outcome).then(this.#settled.resolve, this.#settled.reject);
      },
    });
  }

  get id(): JobId {
    return this.claimed.id;
  }

  /** How long it was held by this process. */
  ranMs(): number {
    return this.#attempt.ranMs();
  }

  /** Begins the try; `null` when it ended before a worker could be told (an input that does not fit, for instance). */
  async begin(): Promise<RemoteJob | null> {
    void this.#attempt.run();
    await this.#handed.promise;
    const request = this.#request;
    if (request === undefined) return null;
    return { job: request.job, timeoutMs: request.timeoutMs, inputText: request.inputText };
  }

  /** Why the worker should end the job, if it should. */
  get cancel(): RemoteCancel | null {
    const isAborted = this.#request?.signal.aborted === true;
    const reason = isAborted ? (this.#request?.signal.reason as MillraceError) : this.#told;
    return reason === undefined ? null : { code: reason.code, message: reason.message };
  }

  /** Says that the job should end, where someone else will see to it that it does. */
  tell(reason: MillraceError): void {
    this.#told = reason;
  }

  report({ progress, logs = [] }: RemoteReport): void {
    if (progress !== undefined) this.#request?.progress(progress);
    for (const { level = "info", message, fields } of logs) {
      this.#request?.log[level](message, fields);
    }
  }

  /** Ends the try as the worker says; resolves when that is kept, or refused. */
  async settle(outcome: RemoteOutcome): Promise<SettleReply> {
    // One that was told to end, and did, has ended for that reason; a result is as good as ever.
    if (this.#told !== undefined && outcome.kind !== "result") this.#attempt.abort(this.#told);
    switch (outcome.kind) {
      case "result":
        this.#said.resolve(outcome.value);
        break;
      case "error":
        this.#said.reject(errorOf(outcome));
        break;
      case "snooze":
        this.#said.reject(snooze(outcome.delayMs, pushingBack(outcome.pushBack)));
        break;
      case "release":
        this.giveBack();
    }
    return this.#settled.promise;
  }

  giveBack(): void {
    const reason = new MillraceError("STOPPED", { message: "the worker gave the job back" });
    this.#attempt.abort(reason);
    this.#said.reject(reason);
  }

  abort(reason: MillraceError): void {
    this.#attempt.abort(reason);
  }

  abandon(reason: MillraceError): void {
    this.#attempt.abandon(reason);
  }
}

function errorOf(outcome: Extract<RemoteOutcome, { kind: "error" }>): Error {
  const { message } = outcome;
  const error =
    outcome.fatal === true
      ? fatal(message)
      : outcome.retryAfterMs === undefined
        ? new Error(message)
        : retryAfter(outcome.retryAfterMs, message, pushingBack(outcome.pushBack));
  // The stack is this process's, and says nothing of what went wrong elsewhere.
  delete error.stack;
  return error;
}
