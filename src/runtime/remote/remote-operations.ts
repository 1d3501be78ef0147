// What can be done on behalf of a worker elsewhere: claim, report, settle. Plain data in, plain data out.
import type { RunningJob } from "../../core/define-job.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobState, JsonText, LogLevel } from "../../core/job.ts";

/** What a remote worker asks for. */
export interface RemoteClaimRequest {
  /** Who vouches for the worker: the name of its token. Workers of one holder can't speak for another's. */
  readonly holder: string;
  /** As an earlier claim named it; absent in a worker's first claim. */
  readonly worker?: string;
  /** Names of the job types that it runs. */
  readonly types: readonly string[];
  /** Labels that it offers. */
  readonly labels?: readonly string[];
  /** Most jobs to be given. Default 1. */
  readonly max?: number;
  /** How long to wait for the first job, in milliseconds. Default: not at all. */
  readonly waitMs?: number;
  /** Jobs that it still works on; others that it was given are given back. Default: none. */
  readonly holding?: readonly JobId[];
  /** Aborted when the asker is gone. */
  readonly signal?: AbortSignal;
}

/** A job as a remote worker gets it. */
export interface RemoteJob {
  readonly job: RunningJob;
  /** Longest time of this try; `undefined` without a bound. */
  readonly timeoutMs: number | undefined;
  readonly inputText: JsonText;
}

/** What a claim gives. */
export interface RemoteClaim {
  /** The worker's name, to be sent with its next claim. */
  readonly worker: string;
  /** Time after which a worker that was not heard of is held to be dead, in milliseconds. */
  readonly leaseDurationMs: number;
  readonly jobs: readonly RemoteJob[];
}

/** A log line of a remote worker. */
export interface RemoteLogLine {
  /** Default `info`. */
  readonly level?: LogLevel | undefined;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** What a remote worker tells of a job that it works on; told alone, it says that the worker lives. */
export interface RemoteReport {
  readonly token: string;
  readonly progress?: unknown;
  readonly logs?: readonly RemoteLogLine[] | undefined;
}

/** How a try ended, in the words of the process protocol; `release` gives the job back unfinished. */
export type RemoteOutcome =
  | { readonly kind: "result"; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly message: string;
      readonly fatal?: boolean | undefined;
      readonly retryAfterMs?: number | undefined;
      /** With `retryAfterMs`: the limit that is held for as long, `"queue"` for the whole queue. */
      readonly pushBack?: string | undefined;
    }
  | {
      readonly kind: "snooze";
      readonly delayMs: number;
      readonly pushBack?: string | undefined;
    }
  | { readonly kind: "release" };

/** Why a remote worker should end a job: what a handler in process finds in its signal. */
export interface RemoteCancel {
  readonly code: string;
  readonly message: string;
}

/** The operations of workers elsewhere: the same claim, lease and token as inside. */
export interface RemoteOperations {
  /**
   * Gives jobs to a remote worker. A claim ends the worker's claim before it, should that one still wait.
   *
   * @throws MillraceError `UNKNOWN_TYPE`, `INVALID_ARGUMENT`, `TOO_MANY`, `STOPPED` and the store's
   */
  claim(request: RemoteClaimRequest): Promise<RemoteClaim>;
  /**
   * Keeps what a worker tells of a job, and says whether the job should end.
   *
   * @throws MillraceError `STALE_CLAIM` when the job is not this claim's any more, `JOB_NOT_FOUND` and the store's
   */
  report(id: JobId, report: RemoteReport): Promise<{ readonly cancel: RemoteCancel | null }>;
  /**
   * Settles a job under its claim's token, whoever holds it: a remote worker, or a service that was called over HTTP.
   *
   * @throws MillraceError `STALE_CLAIM` when the job is not this claim's any more, `JOB_NOT_FOUND` and the store's
   */
  settle(
    id: JobId,
    settlement: RemoteReport & { readonly outcome: RemoteOutcome },
  ): Promise<{ readonly state: JobState }>;
}
