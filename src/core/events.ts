// Events: what followers of a job, a type or everything are told.
import type { ErrorRecord } from "./errors.ts";
import type { JobId } from "./ids.ts";
import type { JobState, JsonText, LogLevel } from "./job.ts";

/** Where a change came from, and which job it is about. Times are the store's. */
interface EventBase {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  readonly atMs: number;
}

/** One change of one job. The kinds are the verbs of a job's life. */
export type JobEvent = EventBase & JobChange;

/** What changed. `result`, `error`, `progress` and log messages are raw: whoever shows them redacts them first. */
export type JobChange =
  | { readonly kind: "enqueued"; readonly state: JobState }
  | { readonly kind: "started"; readonly worker: string; readonly attempt: number }
  | { readonly kind: "progress"; readonly progress: JsonText }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string }
  | { readonly kind: "succeeded"; readonly result: JsonText }
  | { readonly kind: "failed"; readonly error: ErrorRecord }
  | { readonly kind: "cancelled"; readonly error: ErrorRecord }
  | { readonly kind: "retrying"; readonly error: ErrorRecord; readonly delayMs: number }
  | { readonly kind: "snoozed"; readonly delayMs: number }
  /** Back to ready without a counted try: a shutdown, a lost worker, or a retry asked for by hand. */
  | { readonly kind: "readied"; readonly why: "released" | "lost" | "asked" }
  /** The record of a workflow run has grown, or it was told something: look at the run again. */
  | { readonly kind: "advanced"; readonly state: JobState }
  /** Another time to start, or another head start. */
  | { readonly kind: "rearranged" }
  | { readonly kind: "removed" };

/** The kinds of {@link JobEvent}. */
export type JobEventKind = JobEvent["kind"];
