// What a run says to the store, one word at a time.
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";
import type { AdvanceOutcome, ChildJob } from "../../core/run.ts";
import type { RunOwner } from "../../runtime/index.ts";
import { Outbox } from "./outbox.ts";
import { type Item, writeItem } from "../record/record.ts";

/** What it needs of its run. */
export interface SpeechParts {
  readonly owner: Pick<RunOwner, "say">;
  onReply(isAccepted: boolean): void;
}

/** The speech of one run. */
export class Speech {
  /** Entries that the record has. */
  entries = 0;
  readonly #parts: SpeechParts;
  readonly #outbox = new Outbox();
  #isSaying = false;
  #isStopped = false;

  constructor(parts: SpeechParts) {
    this.#parts = parts;
  }

  /** What it said and has yet to say, in UTF-16 units. */
  get length(): number {
    return this.#outbox.length;
  }

  get isSaying(): boolean {
    return this.#isSaying;
  }

  add(item: Item): void {
    this.#outbox.add(writeItem(item));
  }

  /** An item that need not be said by itself. */
  addLight(item: Item): void {
    this.#outbox.add(writeItem(item), true);
  }

  addLightText(text: JsonText): void {
    this.#outbox.add(text, true);
  }

  addChild(text: JsonText | null, child: ChildJob): void {
    this.#outbox.addChild(text, child);
  }

  cancel(jobId: JobId): void {
    this.#outbox.cancel(jobId);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Says what there is, with the last word once all is said. `false`: there is nothing. */
  say(last: AdvanceOutcome | null, state: "running" | "waiting"): boolean {
    if (this.#isSaying || this.#isStopped) return true;
    if (!this.#outbox.isPressing && last === null) return false;
    this.#send(last, state);
    return true;
  }

  /** A local step takes its time: that it began is written down. */
  sayLight(): void {
    if (this.#isSaying || this.#isStopped || this.#outbox.isEmpty) return;
    this.#send(null, "running");
  }

  /** Leaves the memory, with nothing more to say. */
  async letGo(next: AdvanceOutcome): Promise<void> {
    if (this.#isSaying || this.#isStopped) return;
    this.#isSaying = true;
    const reply = await this.#parts.owner.say({ from: this.entries, entries: [], next });
    this.#isSaying = false;
    this.#parts.onReply(reply.accepted);
  }

  #send(last: AdvanceOutcome | null, state: "running" | "waiting"): void {
    const { entries, children, cancels } = this.#outbox.take();
    const next = last !== null && this.#outbox.isEmpty ? last : ({ kind: state } as const);
    this.#isSaying = true;
    const word = { from: this.entries, entries, children, cancels, next };
    void this.#parts.owner.say(word).then(({ accepted }) => this.#hear(accepted, entries.length));
  }

  #hear(isAccepted: boolean, entries: number): void {
    this.#isSaying = false;
    if (isAccepted) this.entries += entries;
    this.#parts.onReply(isAccepted);
  }
}
