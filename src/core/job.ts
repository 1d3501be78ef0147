// The job: its states and the record that a store keeps of it.
import type { ErrorRecord } from "./errors.ts";
import type { LimitKey } from "./flow.ts";
import type { JobId } from "./ids.ts";

/**
 * The states of a job, in the order of its life. `scheduled`: not before a time, or waiting for a retry; `ready`: may
 * be claimed; `running`: claimed; `waiting`: a workflow run that waits for steps, time or a signal (one that sleeps for
 * long and was put out of memory is `scheduled`); the others are terminal.
 */
export const JOB_STATES = [
  "scheduled",
  "ready",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
] as const;

/** One of {@link JOB_STATES}. */
export type JobState = (typeof JOB_STATES)[number];

/** The states that a job never leaves by itself. */
export type TerminalState = "succeeded" | "failed" | "cancelled";

/** Whether a state is one that a job never leaves by itself. */
export function isTerminal(state: JobState): state is TerminalState {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** JSON text. Stores keep inputs, results and progress as the text that was made once, at the edge. */
export type JsonText = string;

/** How an attempt ended. `lost`: its worker died or lost its lease; `released`: given back unfinished, by a shutdown. */
export type AttemptOutcome = "succeeded" | "failed" | "cancelled" | "snoozed" | "released" | "lost";

/** One try, as it is kept with a job. */
export interface AttemptRecord {
  /** 1 for the first try that counted. */
  readonly attempt: number;
  readonly worker: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: AttemptOutcome;
  readonly error?: ErrorRecord;
}

/** A wish that a job be cancelled, kept while it runs. */
export interface CancelRequest {
  readonly atMs: number;
  readonly reason: string;
}

/** All that a store keeps of a job. Times are the store's, in milliseconds since 1970. */
export interface JobRecord {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly state: JobState;
  /** Labels that a worker must offer to claim it, sorted. */
  readonly labels: readonly string[];
  readonly tags: readonly string[];
  readonly input: JsonText;
  /** Seconds of head start over jobs of priority 0, in milliseconds: what its priority means. */
  readonly headStartMs: number;
  /** Tries that ended and count: failures, and the success. */
  readonly attempts: number;
  /** Times that its worker died under it. */
  readonly crashes: number;
  readonly enqueuedAtMs: number;
  /** Not before this time. */
  readonly dueAtMs: number;
  /** Not worth starting after this time. */
  readonly expiresAtMs: number | null;
  /** Start of the latest try. */
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** When the record will be removed; `null` while the job is not finished. */
  readonly removeAtMs: number | null;
  /** Worker of the latest try. */
  readonly worker: string | null;
  /** Token of the claim under which it runs. */
  readonly token: string | null;
  readonly progress: JsonText | null;
  readonly result: JsonText | null;
  /** Error of the latest try that failed, or why the job was cancelled. */
  readonly error: ErrorRecord | null;
  readonly cancelRequest: CancelRequest | null;
  /** The latest tries that ended other than by success, at most {@link MAX_KEPT_ATTEMPTS}. */
  readonly history: readonly AttemptRecord[];
  readonly idempotencyKey: string | null;
  /** What it counts under, one key a limit, sorted by limit. */
  readonly keys: readonly LimitKey[];
  /** What it is tried by in place of its type's, where its enqueue said so. */
  readonly terms?: JsonText;
  /** The workflow run that made it as a step, where one did. */
  readonly parent?: JobId;
  /** Texts in its record, where it is a workflow run that has begun. */
  readonly entries?: number;
}

/** Tries kept in a job's history; the oldest are dropped, the counters stay exact. */
export const MAX_KEPT_ATTEMPTS = 10;

/** One line that a handler logged, kept with its job. */
export interface JobLogLine {
  /** Counts the lines of a job, from 1, over all its tries, up to the bound on lines kept. */
  readonly seq: number;
  readonly atMs: number;
  readonly level: LogLevel;
  readonly message: string;
}

/** The levels of logging, least grave first. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];
