// Ends of children whose runs speak in the same exchange: kept with what the run says, where that does not end it.
import type { JobId } from "../../../core/ids.ts";
import { JOB_STATES, type JsonText } from "../../../core/job.ts";
import { type Advance, type RunFact, writeEnding } from "../../../core/run.ts";
import { type Context, emit } from "../context.ts";
import { putFact, tellRun } from "./facts.ts";
import { findWorkerNumber } from "../worker-names.ts";

/** How a child succeeded. */
export interface Succeeded {
  readonly child: JobId;
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly result: JsonText;
}

interface Waiting extends Succeeded {
  readonly finishedAtMs: number;
}

const NONE: readonly Waiting[] = [];

/*
 * A fact that is written by itself is a statement that looks at its run first (2.7 µs of the 60 that a run of two steps
 * takes the thread). With the words of its run it needs no look, and the last one of a run that is removed is not written.
 */
/** The ends that wait for the words of their runs, in one exchange of one worker. */
export class Endings {
  readonly #worker: string;
  readonly #speaking: ReadonlySet<JobId>;
  readonly #waiting = new Map<JobId, Waiting[]>();

  constructor(worker: string, advances: readonly Advance[]) {
    this.#worker = worker;
    this.#speaking = new Set(advances.map(({ id }) => id));
  }

  /** Tells a run of the success of a child, now or with its own words. */
  tell(context: Context, run: JobId, succeeded: Succeeded): void {
    const ending = { ...succeeded, finishedAtMs: context.nowMs };
    const known = this.#speaking.has(run) ? context.held.find(run) : undefined;
    if (known === undefined || findWorkerNumber(context, this.#worker) !== known.owner) {
      tellRun(context, run, this.#factOf(ending), this.#worker);
      return;
    }
    const waiting = this.#waiting.get(run);
    if (waiting === undefined) this.#waiting.set(run, [ending]);
    else waiting.push(ending);
    const state = JOB_STATES[known.state] ?? "waiting";
    emit(context, known.lane, run, { kind: "advanced", state });
  }

  /** The run was found as it is remembered, and goes on or is kept: its facts are put beside its words. */
  keep(context: Context, run: JobId): void {
    for (const ending of this.#take(run)) putFact(context, run, this.#factOf(ending));
  }

  /** The run is removed, and its facts with it. */
  drop(run: JobId): void {
    this.#waiting.delete(run);
  }

  /** The run is not as it is remembered: it is told as any other is. */
  tellAfterAll(context: Context, run: JobId): void {
    for (const ending of this.#take(run)) {
      tellRun(context, run, this.#factOf(ending), this.#worker);
    }
  }

  #take(run: JobId): readonly Waiting[] {
    const waiting = this.#waiting.get(run);
    if (waiting === undefined) return NONE;
    this.#waiting.delete(run);
    return waiting;
  }

  #factOf({ child, attempt: attempts, startedAtMs, finishedAtMs, result }: Waiting): RunFact {
    const worker = this.#worker;
    const ending = { state: "succeeded", attempts, worker, startedAtMs, finishedAtMs } as const;
    return { key: child, kind: "ended", body: writeEnding(ending, result) };
  }
}
