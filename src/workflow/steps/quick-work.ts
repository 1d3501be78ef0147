// A step that its run's worker tries before it is a job: what becomes of it.
import type { ChildJob } from "../../core/run.ts";
import type { NewJob } from "../../core/store.ts";
import type { QuickEnd, QuickListener, RunOwner, StopStep } from "../../runtime/index.ts";
import type { LocalWork } from "./local-work.ts";
import type { LocalEnd, Operation } from "./operation.ts";

/** What a quick step needs of its run. */
export interface QuickWorkParts {
  readonly owner: Pick<RunOwner, "try">;
  clockMs(): number;
  /** It ended. Gives whether the run is to be told. */
  onQuickEnd(operation: Operation, end: LocalEnd): boolean;
  /** It is a job from the next word on. */
  onJob(operation: Operation, child: ChildJob): void;
}

/** A quick step in execution. A class: see RunEars. */
export class QuickWork implements LocalWork, QuickListener {
  readonly #operation: Operation;
  readonly #parts: QuickWorkParts;
  readonly #onOver: (operation: Operation) => void;
  readonly #stop: StopStep;

  /** `onOver`: it runs here no more, or is a job. */
  constructor(
    operation: Operation,
    child: NewJob,
    parts: QuickWorkParts,
    onOver: (operation: Operation) => void,
  ) {
    this.#operation = operation;
    this.#parts = parts;
    this.#onOver = onOver;
    this.#stop = parts.owner.try(child, this);
  }

  stop(): void {
    this.#stop();
  }

  onEnd({ attempts, ranMs, result, error }: QuickEnd): boolean {
    const operation = this.#operation;
    this.#onOver(operation);
    const atMs = this.#parts.clockMs();
    return this.#parts.onQuickEnd(operation, {
      kind: "did",
      step: operation.step,
      atMs,
      startedAtMs: atMs - Math.round(ranMs),
      attempts,
      ...(result === undefined ? {} : { output: JSON.parse(result) as unknown }),
      ...(error === undefined ? {} : { error }),
    });
  }

  onJob(child: ChildJob): void {
    const operation = this.#operation;
    operation.quick = null;
    this.#onOver(operation);
    this.#parts.onJob(operation, child);
  }
}
