// The seam for rooms above the runtime (schedules, workflows): what they are given, and how they live with it.
import type { AnyJobType } from "../core/define-job.ts";
import type { JobId } from "../core/ids.ts";
import type { Redactor } from "../core/redaction.ts";
import type { OpenStep } from "../core/why.ts";
import type { ClaimedJob, NewJob, SettleOutcome, Store } from "../core/store.ts";
import type { LargeValues } from "./blobs/index.ts";
import type { Logger } from "./logging/logger.ts";
import type { RunDriver } from "./exchanges/runs.ts";
import type { EnqueueOptions, Receipt } from "./millrace.ts";

/** An open Millrace from the inside. */
export interface RoomParts {
  /** Its failures are logged already. */
  readonly store: Store;
  readonly logger: Logger;
  /** Where large inputs and results are. */
  readonly values: LargeValues;
  /** Makes a job of a type, with every check of an enqueue, without keeping it. */
  createJob(type: AnyJobType | string, input: unknown, options?: EnqueueOptions): Promise<NewJob>;
  /** The same at once, where its schema answers at once and its type is known here. */
  prepareJob(
    type: AnyJobType,
    input: unknown,
    options?: EnqueueOptions,
    makeId?: (queue: string) => JobId,
  ): NewJob | Promise<NewJob>;
  /** A fresh id for a job of a queue. */
  makeId(queue: string): JobId;
  keepJobs(jobs: readonly NewJob[]): Promise<readonly Receipt[]>;
  /** How values of types may be shown, those of other processes included. */
  redactorsOf(types: readonly string[]): Promise<(type: string) => Redactor>;
}

/** A room that lives with an open Millrace. */
export interface Room {
  /** Job types became known here. Throws where what they say to this room is wrong. */
  register(types: readonly AnyJobType[]): void;
  /** This process begins to work on these types; called again for more. */
  start(types: readonly AnyJobType[]): Promise<void>;
  /** A try of this process ended and the store took its word; it ran this long. */
  settled?(claimed: ClaimedJob, outcome: SettleOutcome, runMs: number): void;
  /** This process works no more. Harmless where it never did. */
  stop(): Promise<void>;
  /** After `stop`, when the last try has ended too. */
  finish?(): Promise<void>;
}

/** The rooms of an open Millrace, and the calls that they add to it. */
export interface Rooms<Calls extends object> {
  readonly rooms: readonly Room[];
  readonly calls: Calls;
  /** The steps of a run that have not ended. */
  readonly openSteps?: (id: JobId) => Promise<readonly OpenStep[]>;
  /** What drives workflow runs. */
  readonly runs?: RunDriver;
}
