// The steps that a run's function has taken: begun, or found in the record; put to work, dropped, waited for.
import { MillraceError } from "../../core/errors.ts";
import { type ChildrenParts, addLate, makeJob, recover } from "./children.ts";
import type { NewJob } from "../../core/store.ts";
import type { RunOwner } from "../../runtime/index.ts";
import type { WorkflowType } from "../define-workflow.ts";
import { tooLargeRecord, tooManySteps } from "../errors.ts";
import { beginItem } from "../record/matching.ts";
import { type Draft, Operation, type Scope, jobIdOf } from "./operation.ts";
import { type Begun, writeItem } from "../record/record.ts";
import { MAX_RECORD_LENGTH, MAX_RUN_STEPS } from "../run/run-parts.ts";
import type { Script } from "../record/script.ts";
import type { UnderWay } from "../run/under-way.ts";

/** What the steps need of their run. */
export interface RunStepsParts extends ChildrenParts {
  readonly owner: Pick<RunOwner, "accepts">;
  readonly type: WorkflowType;
  readonly script: Script;
  readonly underWay: UnderWay;
  /** The function takes another step than the record has. */
  onChanged(error: MillraceError): void;
}

/** The steps of one run. */
export class RunSteps {
  /** In the order in which they were taken: the first is step 1. */
  readonly all: Operation[] = [];
  /** Of the record that the run was taken up with, in UTF-16 units. */
  recordedLength = 0;
  /** Whether what the function takes is new: the record has been gone through. */
  isLive = false;
  /** Dropped when the run was last in memory. Whether the store has jobs of them is not known: they may have been tried. */
  #unsure: Set<Operation> | null = null;
  readonly #parts: RunStepsParts;

  constructor(parts: RunStepsParts) {
    this.#parts = parts;
  }

  /**
   * The function takes a step.
   *
   * @throws MillraceError `WORKFLOW_CHANGED` where the record has another; `WORKFLOW_MISUSED` for one too many
   */
  take(scope: Scope, draft: Draft): Operation {
    const step = this.all.length + 1;
    return this.#parts.script.next === undefined
      ? this.#begin(step, draft, scope)
      : this.#beginAgain(step, draft, scope);
  }

  #open(step: number, draft: Draft, scope: Scope, begun: Begun): Operation {
    const operation = new Operation(step, draft, begun, scope);
    this.all.push(operation);
    scope.add(operation);
    this.#parts.underWay.add(operation);
    return operation;
  }

  #beginAgain(step: number, draft: Draft, scope: Scope): Operation {
    const begun = this.#parts.script.takeStep(step, draft);
    if (begun instanceof MillraceError) {
      this.#parts.onChanged(begun);
      throw begun;
    }
    const operation = this.#open(step, draft, scope, begun);
    this.#parts.inbox.index(jobIdOf(operation), operation);
    operation.isRecorded = true;
    return operation;
  }

  #begin(step: number, draft: Draft, scope: Scope): Operation {
    this.#checkRoom(step, draft);
    const { work } = draft;
    const { speech } = this.#parts;
    const child = work.kind === "job" ? makeJob(this.#parts, step, work) : undefined;
    const jobId = child === undefined || child instanceof Promise ? null : child.id;
    const begun = beginItem(step, draft, this.#parts.clockMs(), jobId);
    const operation = this.#open(step, draft, scope, begun);
    if (child instanceof Promise) addLate(this.#parts, operation, child);
    else if (child !== undefined && this.#mayBeQuick(draft, child)) {
      operation.quick = child;
      speech.addLightText(writeItem(begun, child.input));
    } else if (child !== undefined) {
      this.#parts.inbox.index(child.id, operation);
      speech.addChild(writeItem(begun, child.input), child);
    } else if (work.kind === "local") speech.addLight(begun);
    else speech.add(begun);
    if (this.isLive) this.#activate(operation);
    return operation;
  }

  /** What undoes, or is undone, is a job from the start: that it was begun must be known, whatever happens to its run. */
  #mayBeQuick({ undo, of }: Draft, child: NewJob): boolean {
    if (undo !== undefined || of !== undefined) return false;
    const { type, owner } = this.#parts;
    return type.workflow.hasQuickSteps && owner.accepts(child);
  }

  /** Whatever was done can be undone, however much it was. */
  #checkRoom(step: number, draft: Draft): void {
    if (draft.of !== undefined) return;
    if (step > MAX_RUN_STEPS) throw tooManySteps(MAX_RUN_STEPS);
    const { speech, inbox } = this.#parts;
    const length = this.recordedLength + speech.length + inbox.facts.length;
    if (length > MAX_RECORD_LENGTH) throw tooLargeRecord(length, MAX_RECORD_LENGTH);
  }

  /** Puts a step to work that the function has just taken, or had under way when it was last in memory. */
  #activate(operation: Operation): void {
    this.#parts.inbox.endKnown(operation);
    if (operation.draft.work.kind === "signal" && this.#parts.inbox.fill(operation)) return;
    this.#parts.underWay.start(operation);
  }

  /** The record has been gone through: what it left under way goes on. */
  goOn(): void {
    this.isLive = true;
    const { speech } = this.#parts;
    for (const operation of this.all) {
      if (operation.outcome !== null || operation.isQueued) continue;
      const isWanted = operation.state === "open" || operation.unwound !== null;
      if (isWanted && operation.isRecorded) recover(this.#parts, operation);
      const jobId = jobIdOf(operation);
      if (operation.state === "open") this.#activate(operation);
      else if (this.#mayBeJob(operation) && jobId !== null) {
        if (!isWanted) (this.#unsure ??= new Set()).add(operation);
        speech.cancel(jobId);
      } else if (isWanted) this.#unwind(operation);
    }
  }

  /** Whether the store may have a job of a step, and it is not known to have ended. */
  #mayBeJob(operation: Operation): boolean {
    const jobId = jobIdOf(operation);
    if (jobId === null || operation.quick !== null) return false;
    return this.#parts.inbox.facts.endingOf(jobId) === undefined;
  }

  /** Nobody waits for a step any more. */
  drop(operation: Operation, error: Error): void {
    operation.state = "dropped";
    operation.settle({ ok: false, error });
    this.#parts.underWay.drop(operation);
    const jobId = jobIdOf(operation);
    const isJob = jobId !== null && operation.quick === null;
    if (this.isLive && isJob && operation.ended === null) this.#parts.speech.cancel(jobId);
  }

  /** Resolves when a step that nobody waits for any more has ended, as the record knows it. */
  async whenUnwound(operation: Operation): Promise<void> {
    if (operation.outcome !== null) return;
    await new Promise<void>((resolve) => {
      operation.unwound = resolve;
      this.#parts.underWay.add(operation);
      if (this.isLive) this.#unwind(operation);
    });
  }

  #unwind(operation: Operation): void {
    const { inbox, underWay, speech } = this.#parts;
    const jobId = jobIdOf(operation);
    if (this.#unsure?.delete(operation) === true && jobId !== null) {
      recover(this.#parts, operation);
      speech.cancel(jobId);
    }
    if (operation.ended !== null) inbox.put({ kind: "ended", operation });
    else if (!inbox.endKnown(operation)) underWay.endIdle(operation);
  }
}
