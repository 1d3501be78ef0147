// One try of one job: validate, launch, watch the time, and say how it ended.
import type { AnyJobType, JobLog, RunningJob } from "../../core/define-job.ts";
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { type JsonText, LOG_LEVELS, type LogLevel } from "../../core/job.ts";
import { MAX_PROGRESS_BYTES, toJson } from "../../core/limits.ts";
import { underTerms } from "../../core/terms.ts";
import { collectSecrets, maskText, maskValue } from "../../core/redaction.ts";
import type { ClaimedJob, Retention, RetentionPolicy, SettleOutcome } from "../../core/store.ts";
import { type LargeValues, isReference } from "../blobs/index.ts";
import type { LaunchRequest, Launcher } from "../launchers/launcher.ts";
import { END_LINES, sayOfJob } from "./job-lines.ts";
import { type Logger, isEnabled } from "../logging/logger.ts";
import { decideFailure, unknownLimitOf } from "./outcome.ts";
import type { Try } from "../quick-steps/quick-steps.ts";
import type { Reporter } from "./reporter.ts";
import { validate } from "../validation.ts";
import { maskError } from "../views.ts";
import { startTimer } from "../timer.ts";

/** Why a try was asked to end that took too long. */
export function timeoutMessage(timeoutMs: number): string {
  return `the try took longer than its timeout of ${timeoutMs} ms`;
}

/** Waits for the end of a claim. */
export type ClaimEnded = (id: JobId, token: string, signal: AbortSignal) => Promise<void>;

/** What a try needs of its worker. */
export interface AttemptSurroundings {
  readonly launcherOf: (type: AnyJobType) => {
    readonly launcher: Launcher;
    readonly options: unknown;
  };
  readonly logger: Logger;
  readonly reporter: Reporter;
  readonly values: LargeValues;
  readonly workerId: () => string;
  /** Resolves when a claim has ended, by whomever it was settled; rejects with the signal's reason. */
  readonly ended: ClaimEnded;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly monotonicMs: () => number;
  /** How long the try has run already; absent where it begins here. */
  readonly ranBeforeMs?: number;
  /** The try ended: `null` where the claim is void and nothing may be settled. Called exactly once. */
  readonly onEnd: (attempt: Attempt, outcome: SettleOutcome | null) => void;
}

/** One try. It lives from the claim until it ended, or until its claim was withdrawn. */
export class Attempt {
  readonly claimed: ClaimedJob;
  readonly type: AnyJobType;
  /** When at the latest it must have ended, on the monotonic clock; `undefined` without a timeout. */
  readonly mustEndAtMs: number | undefined;
  /** The step that it tries, as long as that is no job. */
  quick: Try | null = null;
  readonly #around: AttemptSurroundings;
  readonly #startedMs: number;
  readonly #signal = new LazySignal();
  readonly #kill = new LazySignal();
  #abortReason: MillraceError | undefined;
  #secrets: readonly string[] = [];
  #cancelTimer: (() => void) | undefined;
  #isOver = false;

  constructor(claimed: ClaimedJob, type: AnyJobType, around: AttemptSurroundings) {
    this.claimed = claimed;
    this.type = underTerms(type, claimed.terms);
    this.#around = around;
    this.#startedMs = around.monotonicMs() - (around.ranBeforeMs ?? 0);
    this.mustEndAtMs =
      this.type.timeoutMs === undefined
        ? undefined
        : this.#startedMs + this.type.timeoutMs + this.type.graceMs;
  }

  /** Runs the try to its end. Never rejects. */
  async run(): Promise<void> {
    const { type, claimed } = this;
    if (this.#around.ranBeforeMs === undefined) this.#sayStarted();
    if (type.timeoutMs !== undefined) this.#startTimeout(type.timeoutMs);
    try {
      const read = this.#around.values.read(claimed.id, claimed.input);
      const inputText = typeof read === "string" ? read : await read;
      const raw = JSON.parse(inputText) as unknown;
      if (type.redactedPaths.length > 0) this.#secrets = collectSecrets(raw, type.redact);
      const checked = validate(type.inputSchema, raw, "input", "INVALID_INPUT");
      const input = checked instanceof Promise ? await checked : checked;
      const { launcher, options } = this.#around.launcherOf(type);
      const output: unknown = await launcher.launch(
        new Launch(this, this.#around, {
          options,
          input,
          inputText,
          secrets: this.#secrets,
          signal: this.#signal,
          kill: this.#kill,
        }),
      );
      const accepted: unknown = validate(type.outputSchema, output, "output", "INVALID_OUTPUT");
      const result = this.#keepResult(accepted instanceof Promise ? await accepted : accepted);
      this.#succeed(typeof result === "string" ? result : await result);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Asks the try to end, and ends it without its word when the grace is over. The first reason stands. */
  abort(reason: MillraceError): void {
    if (this.#isOver || this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#cancelTimer?.();
    this.#cancelTimer = startTimer(this.type.graceMs, () => {
      this.#kill.abort(reason);
      this.#fail(reason);
    });
    this.#signal.abort(reason);
  }

  /** The claim is void: the handler is told and killed, and nothing that it says counts any more. */
  abandon(reason: MillraceError): void {
    if (this.#isOver) return;
    this.#abortReason = reason;
    this.#signal.abort(reason);
    this.#kill.abort(reason);
    this.#end(null, "warn", "job abandoned", { reason: reason.code });
  }

  /** How long it has run. */
  ranMs(): number {
    return this.#around.monotonicMs() - this.#startedMs;
  }

  get retention(): RetentionPolicy {
    const { retention, parent } = this.claimed;
    if (retention !== undefined || parent === undefined) return retention ?? this.type.retention;
    return { ...this.type.retention, succeeded: NOT_KEPT };
  }

  #startTimeout(timeoutMs: number): void {
    const onTimeout = (): void => {
      this.abort(
        new MillraceError("JOB_TIMEOUT", {
          message: timeoutMessage(timeoutMs),
          details: { jobId: this.claimed.id, timeoutMs },
        }),
      );
    };
    const leftMs = timeoutMs - (this.#around.ranBeforeMs ?? 0);
    if (leftMs > 0) this.#cancelTimer = startTimer(leftMs, onTimeout);
    else onTimeout();
  }

  #keepResult(output: unknown): JsonText | Promise<JsonText> {
    const { id, token, parent } = this.claimed;
    const { values } = this.#around;
    const text = toJson(output, "output", values.maxBytes);
    if (isReference(text)) {
      throw new MillraceError("INVALID_OUTPUT", {
        message:
          "output begins with the field $blob, which stands for a value that was put away; give it another name",
      });
    }
    // By its claim: what a superseded one puts away later is not taken for the result that stands.
    const name = `result-${token}`;
    return parent === undefined
      ? values.putAway(id, name, text)
      : values.putAwayFor(parent, { job: id, name }, text);
  }

  #succeed(result: string): void {
    const outcome = { kind: "succeeded", result, retention: this.retention.succeeded } as const;
    this.#end(outcome, "info", "job succeeded", {});
  }

  #fail(thrown: unknown): void {
    if (this.#isOver) return;
    const { claimed, type } = this;
    const decided = decideFailure(
      type,
      {
        thrown,
        attempt: claimed.attempt,
        abortReason: this.#abortReason,
        retention: this.retention,
      },
      this.#around.random(),
    );
    const outcome =
      decided !== null && "error" in decided
        ? { ...decided, error: maskError(decided.error, this.#secrets) }
        : decided;
    const limit = unknownLimitOf(type, outcome);
    if (limit !== null) {
      const limits = ["queue", ...type.flow.limits.map(({ name }) => name)];
      this.#say("warn", "pushBack names no limit of the job type: nothing is held", {
        pushBack: limit,
        expected: [...new Set(limits)],
      });
    }
    const [level, message] = END_LINES[outcome?.kind ?? "void"];
    this.#end(outcome, level, message, {
      ...(outcome !== null && "error" in outcome ? { error: outcome.error } : {}),
      ...(outcome !== null && "delayMs" in outcome ? { delayMs: outcome.delayMs } : {}),
    });
  }

  #end(outcome: SettleOutcome | null, level: LogLevel, message: string, fields: object): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer?.();
    if (isEnabled(this.#around.logger, level)) {
      this.#say(level, message, { durationMs: Math.round(this.ranMs()), ...fields });
    }
    this.#around.onEnd(this, outcome);
  }

  #sayStarted(): void {
    const isDetailed = isEnabled(this.#around.logger, "debug");
    const input = isDetailed ? this.type.redact(JSON.parse(this.claimed.input)) : undefined;
    this.#say("info", "job started", isDetailed ? { input } : {});
  }

  #say(level: LogLevel, message: string, fields: object): void {
    sayOfJob(this.#around, this.claimed, [level, message], fields);
  }
}

/** A step that succeeded is kept in the record of its run. */
const NOT_KEPT: Retention = { ageMs: 0, count: 0 };

/** An AbortSignal that is made only when someone looks at it: a no-op handler never does, and saves about 1 µs. */
class LazySignal {
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(reason: MillraceError): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }
}

interface LaunchParts {
  readonly options: unknown;
  readonly input: unknown;
  readonly inputText: JsonText;
  readonly secrets: readonly string[];
  readonly signal: LazySignal;
  readonly kill: LazySignal;
}

/** What the launcher and the handler see. Its parts are made when they are first read. */
class Launch implements LaunchRequest {
  readonly options: unknown;
  readonly input: unknown;
  readonly #attempt: Attempt;
  readonly #around: AttemptSurroundings;
  readonly #parts: LaunchParts;
  #job: RunningJob | undefined;
  #log: JobLog | undefined;

  constructor(attempt: Attempt, around: AttemptSurroundings, parts: LaunchParts) {
    this.#attempt = attempt;
    this.#around = around;
    this.#parts = parts;
    this.options = parts.options;
    this.input = parts.input;
  }

  get inputText(): string {
    return this.#parts.inputText;
  }

  get timeoutMs(): number | undefined {
    return this.#attempt.type.timeoutMs;
  }

  get signal(): AbortSignal {
    return this.#parts.signal.signal;
  }

  get kill(): AbortSignal {
    return this.#parts.kill.signal;
  }

  get ended(): () => Promise<void> {
    const { id, token } = this.#attempt.claimed;
    return async () => this.#around.ended(id, token, this.kill);
  }

  get job(): RunningJob {
    const { claimed, type } = this.#attempt;
    this.#job ??= {
      id: claimed.id,
      type: claimed.type,
      queue: claimed.queue,
      attempt: claimed.attempt,
      attempts: type.retry.attempts,
      token: claimed.token,
      tags: claimed.tags,
      enqueuedAt: new Date(claimed.enqueuedAtMs),
    };
    return this.#job;
  }

  get log(): JobLog {
    this.#log ??= createJobLog(this.#attempt, this.#around, this.#parts.secrets);
    return this.#log;
  }

  get progress(): (value: unknown) => void {
    const { claimed, type } = this.#attempt;
    const { reporter, logger } = this.#around;
    return (value) => {
      try {
        // Through JSON first: what is kept is what is masked, whatever `toJSON` a value has.
        const plain = JSON.parse(toJson(value, "progress", MAX_PROGRESS_BYTES)) as unknown;
        const shown = maskValue(type.redact(plain), this.#parts.secrets);
        const text = toJson(shown, "progress", MAX_PROGRESS_BYTES);
        reporter.progress(claimed.id, claimed.token, text);
      } catch (error) {
        logger.warn({ jobId: claimed.id, error: toErrorRecord(error) }, "progress not kept");
      }
    };
  }
}

function createJobLog(
  attempt: Attempt,
  around: AttemptSurroundings,
  secrets: readonly string[],
): JobLog {
  const { claimed } = attempt;
  const write = (
    level: LogLevel,
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): void => {
    const text = maskText(message, secrets);
    const shown = maskFields(fields, attempt, secrets);
    if (isEnabled(around.logger, level)) {
      const { id: jobId, type, attempt: number } = claimed;
      around.logger[level]({ ...shown, jobId, type, attempt: number }, text);
    }
    const kept = Object.keys(shown).length === 0 ? text : `${text} ${JSON.stringify(shown)}`;
    around.reporter.log(claimed.id, claimed.token, level, kept);
  };
  const methods = LOG_LEVELS.map((level) => [
    level,
    (message: string, fields?: Readonly<Record<string, unknown>>) => {
      write(level, message, fields);
    },
  ]);
  return Object.fromEntries(methods) as JobLog;
}

/** Fields of a log line as they may be shown; what can't be written as JSON is told as such, never thrown. */
function maskFields(
  fields: Readonly<Record<string, unknown>>,
  attempt: Attempt,
  secrets: readonly string[],
): Record<string, unknown> {
  if (Object.keys(fields).length === 0) return {};
  try {
    const plain = JSON.parse(toJson(fields, "fields of a log line")) as unknown;
    return maskValue(attempt.type.redact(plain), secrets) as Record<string, unknown>;
  } catch (error) {
    return { fields: `not JSON: ${toErrorRecord(error).message}` };
  }
}
