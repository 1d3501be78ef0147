// What the thread launcher and its threads say to each other.
import type { RunningJob } from "../../core/define-job.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { LogLevel } from "../../core/job.ts";

/** To a thread. */
export type ToThread =
  | {
      readonly kind: "run";
      readonly module: string;
      readonly exportName: string;
      readonly input: unknown;
      readonly job: RunningJob;
    }
  | { readonly kind: "abort"; readonly reason: ErrorRecord };

/** From a thread. */
export type FromThread =
  | { readonly kind: "progress"; readonly value: unknown }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "threw"; readonly error: ThrownInThread };

/** What a handler threw, as data: `outcome` where it was thrown on purpose. */
export interface ThrownInThread {
  readonly record: ErrorRecord;
  readonly outcome?: "fatal" | "retry-after" | "snooze";
  readonly delayMs?: number;
  /** The limit that is held for as long. */
  readonly pushBack?: string | undefined;
}
