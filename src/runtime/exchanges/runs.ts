// The seam between the worker loop and the room that drives workflow runs.
import type { AnyJobType } from "../../core/define-job.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JsonText, LogLevel } from "../../core/job.ts";
import type { Advance, AdvanceReply, ChildJob, Ending, RunFact } from "../../core/run.ts";
import type { ClaimedJob, NewJob } from "../../core/store.ts";

/** Drives the workflow runs that a worker claims. */
export interface RunDriver {
  /** Takes a run over. It lives in memory until it says its last word. */
  begin(claimed: ClaimedJob, type: AnyJobType, owner: RunOwner): HeldRun;
}

/** A run in memory, as its worker holds it. None of these throws. */
export interface HeldRun {
  /** Something was told to it; may come more than once. */
  told(fact: RunFact): void;
  /**
   * A child ended in this worker; the store will keep it together with what the run says next, or refuse both. `length`:
   * of its result as JSON.
   */
  childEnded(child: JobId, ending: Ending, length: number): void;
  cancel(reason: string): void;
  /** Asked to leave the memory as soon as it may: at once, or when its local steps have ended. */
  leave(how: "now" | "soon"): void;
  /** Its claim is void: nothing that it says counts any more. */
  abandon(): void;
  /** Since when it has only waited, on the monotonic clock; `null` where something of it runs here. */
  readonly idleSinceMs: number | null;
}

/** A word of a run. */
export type RunWord = Pick<Advance, "from" | "entries" | "children" | "cancels" | "next">;

/** What a run says goes through its worker: in one exchange with everything else. */
export interface RunOwner {
  /**
   * Says how far the run is; one word at a time. A last word (parked, released, ended) that is accepted takes the run out
   * of memory.
   */
  say(word: RunWord): Promise<AdvanceReply>;
  /** Whether {@link try} takes a step that would be this job. */
  accepts(step: NewJob): boolean;
  /**
   * Runs a step here before it is a job; all that it stands on is recorded. It becomes one if it does not end soon, or
   * does not succeed.
   */
  try(step: NewJob, listener: QuickListener): StopStep;
  /** A line for the run's log. */
  log(level: LogLevel, message: string): void;
  /** How far it is. */
  progress(progress: JsonText): void;
  /** Children whose end the store has yet to confirm. */
  readonly unconfirmed: number;
  readonly worker: string;
}

/** Stops a quick step: nobody waits for it any more. Without effect once it is a job. */
export type StopStep = () => void;

/** What a run is told of a quick step: one of the two, once. */
export interface QuickListener {
  /** It ended, and will be no job. Gives whether the next word of the run tells of it. */
  onEnd(end: QuickEnd): boolean;
  /** The next word of the run is to make it a job, this one. */
  onJob(child: ChildJob): void;
}

/** How a quick step ended: with a result, or cancelled. */
export interface QuickEnd {
  readonly attempts: number;
  readonly ranMs: number;
  readonly result?: JsonText;
  readonly error?: ErrorRecord;
}
