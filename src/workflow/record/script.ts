// The record of a run while it is gone through again: what it says next, and whether the function does the same.
import type { MillraceError } from "../../core/errors.ts";
import { checkRecorded } from "./matching.ts";
import type { Draft } from "../steps/operation.ts";
import { type Begun, type Item, isBegun } from "./record.ts";

/** A place in a record. */
export class Script {
  #items: readonly Item[] = [];
  #at = 0;

  /** Begins with a record. Gives its first item, where it says how the run started. */
  load(items: readonly Item[]): Extract<Item, { kind: "start" }> | null {
    this.#items = items;
    const [first] = items;
    if (first?.kind !== "start") return null;
    this.#at = 1;
    return first;
  }

  /** What it says next; `undefined`: all was gone through. */
  get next(): Item | undefined {
    return this.#items[this.#at];
  }

  /** The next item, where it is something that the function is told; `null`: it is a step that the function must take. */
  nextTold(): Exclude<Item, Begun> | null {
    const item = this.next;
    if (item === undefined || isBegun(item)) return null;
    this.#at += 1;
    return item;
  }

  /** The step that the function takes, as it is recorded; or why it is another. */
  takeStep(step: number, draft: Draft): Begun | MillraceError {
    const item = this.next as Item;
    const mismatch = checkRecorded(item, step, draft);
    if (mismatch !== null) return mismatch;
    this.#at += 1;
    return item as Begun;
  }

  /** What the function did not do that is recorded; `null`: nothing. `step`: the number of the next one. */
  missed(step: number): MillraceError | null {
    const item = this.next;
    return item === undefined ? null : checkRecorded(item, step, null);
  }
}
