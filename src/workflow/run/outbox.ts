// What a run has yet to say, cut into words of bounded size.
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";
import type { ChildJob } from "../../core/run.ts";
import { writeEntry } from "../record/record.ts";

/** Most children in one word. */
const MAX_WORD_CHILDREN = 500;
/**
 * Length, in UTF-16 units, at which a word is full: with three bytes a unit and one result of a local step behind it, it
 * is within what a store takes as one entry (MAX_ENTRY_BYTES).
 */
const MAX_WORD_LENGTH = 192 * 1_024;

const NOBODY: readonly JobId[] = [];

interface Waiting {
  /** `null`: only a child, for a step that is in the record already. */
  readonly text: JsonText | null;
  readonly child: ChildJob | null;
  /** Whether it need not be said by itself: it goes with what comes next. */
  readonly isLight: boolean;
}

/** A part of what a run says. */
export interface Portion {
  readonly entries: readonly JsonText[];
  readonly children: readonly ChildJob[];
  readonly cancels: readonly JobId[];
}

/** Gathers items, in their order, with the jobs that go with them. */
export class Outbox {
  #waiting: Waiting[] = [];
  #cancels: JobId[] = [];
  #heavy = 0;
  #length = 0;

  /** All that was ever added, in UTF-16 units. */
  get length(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#cancels.length === 0;
  }

  /** Whether it must be said now. */
  get isPressing(): boolean {
    return this.#heavy > 0 || this.#cancels.length > 0;
  }

  /** Adds an item. */
  add(text: JsonText, isLight = false): void {
    this.#push({ text, child: null, isLight });
  }

  /** Adds a job, with the item that it begins with. */
  addChild(text: JsonText | null, child: ChildJob): void {
    this.#push({ text, child, isLight: false });
  }

  cancel(job: JobId): void {
    this.#cancels.push(job);
  }

  /** Takes what fits into one word. Jobs are cancelled when all is said: they may have been enqueued by it. */
  take(): Portion {
    const texts: JsonText[] = [];
    const children: ChildJob[] = [];
    let length = 0;
    let taken = 0;
    for (const { text, child } of this.#waiting) {
      const isFull = length >= MAX_WORD_LENGTH || children.length >= MAX_WORD_CHILDREN;
      if (isFull) break;
      taken += 1;
      length += (text?.length ?? 0) + (child?.input.length ?? 0);
      if (text !== null) texts.push(text);
      if (child !== null) children.push(child);
    }
    if (taken === this.#waiting.length) {
      this.#waiting = [];
      this.#heavy = 0;
    } else {
      for (const { isLight } of this.#waiting.splice(0, taken)) if (!isLight) this.#heavy -= 1;
    }
    const mayCancel = this.#waiting.length === 0 && this.#cancels.length > 0;
    const cancels = mayCancel ? this.#cancels.splice(0, MAX_WORD_CHILDREN) : NOBODY;
    return { entries: texts.length === 0 ? [] : [writeEntry(texts)], children, cancels };
  }

  #push(entry: Waiting): void {
    if (!entry.isLight) this.#heavy += 1;
    this.#length += entry.text?.length ?? 0;
    this.#waiting.push(entry);
  }
}
