// Tells a function again what its record says that it was told.
import type { Answering } from "../steps/answering.ts";
import type { LocalEnd, Operation } from "../steps/operation.ts";
import type { Answer } from "./record.ts";
import type { Script } from "./script.ts";

/** What is told again of. */
export interface Retold {
  readonly script: Script;
  /** In their order: the first is step 1. */
  readonly operations: readonly Operation[];
  readonly answering: Answering;
}

/** Tells an item that the script gave as its next. */
export function retell(retold: Retold, item: Answer): void {
  const { operations, answering } = retold;
  if (item.kind === "got") {
    for (const step of item.steps) answering.answer(operations[step - 1], null, item.atMs);
  } else if (item.kind === "took") {
    answering.answerSignal(operations[item.step - 1], item.signal);
  } else retellEnds(retold, item);
}

/** What ended in this process, with what was told together with it. */
function retellEnds({ script, operations, answering }: Retold, first: LocalEnd): void {
  answering.answer(operations[first.step - 1], first);
  for (let { next } = script; next?.kind === "did" && next.isBeside === true; { next } = script) {
    script.nextTold();
    answering.answer(operations[next.step - 1], next);
  }
}
