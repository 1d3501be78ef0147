// The public launcher interface: how a job's handler is run.
import type { JobLog, RunningJob } from "../../core/define-job.ts";
import type { JsonText } from "../../core/job.ts";

/** What a launcher gets to run one try of a job. */
export interface LaunchRequest {
  /** What the job type's `launch.options` said. */
  readonly options: unknown;
  /** The input as the type's schema parsed it. */
  readonly input: unknown;
  /** The input as it is stored, for launchers that pass it on as text. */
  readonly inputText: JsonText;
  readonly job: RunningJob;
  /** Longest time of this try in milliseconds, for launchers that can hold it themselves. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the try should end: ask it to. `reason` is a MillraceError that says why. */
  readonly signal: AbortSignal;
  /** Aborted when the grace after `signal` is over: the claim is withdrawn, so end it now, by force. */
  readonly kill: AbortSignal;
  /**
   * Resolves when this claim has ended by someone else's word: a callback that settled the job under its token, whatever
   * it said. Rejects with the reason of `kill`.
   */
  readonly ended: () => Promise<void>;
  readonly log: JobLog;
  readonly progress: (value: unknown) => void;
}

/**
 * A way to run handlers. `launch` settles when nothing of the try runs any more: it gives the job's output or throws
 * what a handler would throw (`fatal`, `retryAfter` and `snooze` included).
 */
export interface Launcher {
  /** What job types call it by: `launch: { launcher: name, options }`. */
  readonly name: string;
  /**
   * `false` where it starts no program and loads no code of this machine. Types of other launchers are registered by
   * administrators with a token alone. Default `true`.
   */
  readonly startsPrograms?: boolean;
  /**
   * Checks a job type's options when the type is registered.
   *
   * @throws MillraceError `INVALID_ARGUMENT` that names the field
   */
  check?(options: unknown, type: string): void;
  /** Called once before the first launch. */
  start?(): Promise<void>;
  launch(request: LaunchRequest): Promise<unknown>;
  /** Its worker takes no more jobs of a type with these options: what waits for others of them waits no longer. */
  hurry?(options: unknown): void;
  /** Ends all that the launcher keeps warm. Called once, after the last launch settled. */
  stop?(): Promise<void>;
}
