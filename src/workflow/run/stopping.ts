// Why a run is to end before its function has: somebody cancelled it, or its deadline is over.
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { OneTimer } from "./one-timer.ts";
import type { Told } from "../record/record.ts";

/** That a run is to end, as its record says it. */
export type StopItem = Extract<Told, { kind: "stop" }>;

/** The end that is asked of one run. */
export class Stopping {
  /** Why the run ends, once the function was told. */
  error: MillraceError | null = null;
  /** A cancellation that came before the record was gone through. */
  cancelReason: string | null = null;
  readonly #deadline = new OneTimer();

  /** Begins to watch the deadline. */
  watch(
    deadline: { readonly startedAtMs: number; readonly deadlineAtMs: number },
    nowMs: number,
    onOver: (reason: string) => void,
  ): void {
    const { startedAtMs, deadlineAtMs } = deadline;
    const reason = `the run took longer than its deadline of ${deadlineAtMs - startedAtMs} ms`;
    this.#deadline.start(deadlineAtMs - nowMs, () => onOver(reason));
  }

  /** The function is told. Gives the error that ends what it has under way. */
  apply(runId: JobId, { why, reason }: StopItem): MillraceError {
    this.error = new MillraceError(why === "cancel" ? "JOB_CANCELLED" : "JOB_TIMEOUT", {
      message: reason,
      details: { jobId: runId },
    });
    return this.error;
  }

  end(): void {
    this.#deadline.stop();
  }
}
