// Tells a function again what its record says that it was told.
import type { Answering } from "../steps/answering.ts";
import type { LocalEnd, Operation } from "../steps/operation.ts";
import type { Told } from "./record.ts";
import type { Script } from "./script.ts";

/** What is told again of. */
export interface Retold {
  readonly script: Script;
  readonly operations: ReadonlyMap<number, Operation>;
  readonly answering: Answering;
}

/** Tells an item that the script gave as its next. */
export function retell(retold: Retold, item: Exclude<Told, { kind: "stop" }>): void {
  const { operations, answering } = retold;
  if (item.kind === "got") {
    for (const step of item.steps) answering.answer(operations.get(step), null);
  } else if (item.kind === "took") {
    answering.answerSignal(operations.get(item.step), item.signal);
  } else retellEnds(retold, item);
}

/** What ended in this process, with what was told together with it. */
function retellEnds({ script, operations, answering }: Retold, first: LocalEnd): void {
  answering.answer(operations.get(first.step), first);
  for (let { next } = script; next?.kind === "did" && next.isBeside === true; { next } = script) {
    script.nextTold();
    answering.answer(operations.get(next.step), next);
  }
}
