// Tells a run's function what its steps came to.
import type { JobId } from "../../core/ids.ts";
import type { Ending } from "../../core/run.ts";
import { answerOf, endOf, signalAnswer } from "./answers.ts";
import type { Answer } from "../record/record.ts";
import type { Inbox } from "../run/inbox.ts";
import { type LocalEnd, type Operation, jobIdOf } from "./operation.ts";
import type { UnderWay } from "../run/under-way.ts";

/** The answers of one run. */
export class Answering {
  /** The time of the latest thing that the function was told. */
  toldAtMs = 0;
  readonly #inbox: Inbox;
  readonly #underWay: UnderWay;

  constructor(inbox: Inbox, underWay: UnderWay) {
    this.#inbox = inbox;
    this.#underWay = underWay;
  }

  /** What the record is to say of steps that ended as jobs, or slept enough, and are told together. */
  got(operations: readonly Operation[]): Extract<Answer, { kind: "got" }> {
    const ends = operations.map((each) => endOf(each, this.#endingOf(each)) ?? 0);
    return { kind: "got", steps: operations.map(({ step }) => step), atMs: Math.max(...ends) };
  }

  /** A step ended: `end` where it ended as a function of this process, `atMs` where the record says when. */
  answer(operation: Operation | undefined, end: LocalEnd | null, atMs?: number): void {
    if (operation === undefined) return;
    const answer = answerOf(operation, end ?? this.#endingOf(operation));
    if (answer !== null) this.#settle(operation, atMs ?? answer.atMs, answer.outcome);
  }

  #endingOf(operation: Operation): Ending | null {
    return this.#inbox.facts.endingOf(jobIdOf(operation)) ?? null;
  }

  /** A wait took a signal; `null`: its time is over. */
  answerSignal(operation: Operation | undefined, signal: JobId | null): void {
    if (operation === undefined) return;
    const body = signal === null ? undefined : this.#inbox.facts.takeSignal(signal);
    const { atMs, outcome } = signalAnswer(operation, body);
    this.#settle(operation, atMs, outcome);
  }

  #settle(operation: Operation, atMs: number, outcome: NonNullable<Operation["outcome"]>): void {
    this.toldAtMs = Math.max(this.toldAtMs, atMs);
    operation.outcome = outcome;
    operation.scope.remove(operation);
    this.#underWay.remove(operation);
    if (operation.state === "open") {
      operation.state = "told";
      operation.settle(outcome);
    }
    operation.unwound?.();
  }
}
