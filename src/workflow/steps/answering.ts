// Tells a run's function what its steps came to.
import type { JobId } from "../../core/ids.ts";
import { answerOf, signalAnswer } from "./answers.ts";
import type { Inbox } from "../run/inbox.ts";
import { type LocalEnd, type Operation, jobIdOf } from "./operation.ts";
import type { UnderWay } from "../run/under-way.ts";

/** The answers of one run. */
export class Answering {
  /** The time of the latest thing that the function was told. */
  toldAtMs = 0;
  readonly #inbox: Inbox;
  readonly #underWay: UnderWay;
  readonly #clock: { clockMs(): number };

  constructor(inbox: Inbox, underWay: UnderWay, clock: { clockMs(): number }) {
    this.#inbox = inbox;
    this.#underWay = underWay;
    this.#clock = clock;
  }

  /** A step ended; `end` where it ended as a function of this process. */
  answer(operation: Operation | undefined, end: LocalEnd | null): void {
    if (operation === undefined) return;
    const ended = end ?? this.#inbox.facts.endingOf(jobIdOf(operation)) ?? null;
    const answer = answerOf(operation, ended);
    if (answer !== null) this.#settle(operation, answer.atMs, answer.outcome);
  }

  /** A wait took a signal; `null`: its time is over. */
  answerSignal(operation: Operation | undefined, signal: JobId | null): void {
    if (operation === undefined) return;
    const body = signal === null ? undefined : this.#inbox.facts.takeSignal(signal);
    const { atMs, outcome } = signalAnswer(operation, body, this.#clock.clockMs());
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
