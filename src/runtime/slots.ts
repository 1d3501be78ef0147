// The slots of a worker: which job types it serves, what of each runs, and what it can still take.
import type { AnyJobType } from "../core/define-job.ts";
import { MAX_CLAIM_BATCH } from "../core/limits.ts";
import type { ChildJob } from "../core/run.ts";
import type { Offer } from "../core/store.ts";

/** How a job type is offered right now. */
interface ServedType {
  readonly type: AnyJobType;
  running: number;
}

/** The slots of one worker. A workflow run takes none: only so many are held in memory. */
export class Slots {
  readonly #served = new Map<string, ServedType>();
  readonly #labels: readonly string[];
  #free: number;

  constructor({ concurrency, labels }: { concurrency: number; labels: readonly string[] }) {
    this.#free = concurrency;
    this.#labels = labels;
  }

  get served(): readonly AnyJobType[] {
    return [...this.#served.values()].map(({ type }) => type);
  }

  /** Serves a type from now on; `running`: what of it runs already, where it was not served before. */
  serve(type: AnyJobType, running: number): void {
    const known = this.#served.get(type.name);
    this.#served.set(type.name, { type, running: known?.running ?? running });
  }

  withdraw(type: string): void {
    this.#served.delete(type);
  }

  clear(): void {
    this.#served.clear();
  }

  find(type: string): AnyJobType | undefined {
    return this.#served.get(type)?.type;
  }

  /** Something of a type begins to run. */
  take(type: AnyJobType): void {
    const served = this.#served.get(type.name);
    if (served !== undefined) served.running += 1;
    if (type.workflow === undefined) this.#free -= 1;
  }

  /** A job of a type runs no more. */
  give(type: string): void {
    this.giveRun(type);
    this.#free += 1;
  }

  /** A workflow run of a type is no longer held. */
  giveRun(type: string): void {
    const served = this.#served.get(type);
    if (served !== undefined) served.running -= 1;
  }

  /** Takes a slot for a child that a run would hand to this worker; `false`: there is none for it. */
  reserve({ type, queue, labels }: ChildJob): boolean {
    const served = this.#served.get(type);
    if (served === undefined || this.#free <= 0 || served.type.workflow !== undefined) return false;
    if (served.type.queue !== queue || served.running >= served.type.concurrency) return false;
    if (labels?.every((label) => this.#labels.includes(label)) === false) return false;
    this.take(served.type);
    return true;
  }

  /** What can be claimed, with so much room for workflow runs; `undefined`: nothing. */
  offers(roomForRuns: number): { capacity: number; offers: readonly Offer[] } | undefined {
    const capacity = Math.min(this.#free > 0 ? this.#free : roomForRuns, MAX_CLAIM_BATCH);
    if (capacity <= 0) return undefined;
    const offers: Offer[] = [];
    for (const { type, running } of this.#served.values()) {
      const room = type.workflow === undefined ? this.#free : roomForRuns;
      const free = Math.min(capacity, room, type.concurrency - running);
      if (free > 0) offers.push({ queue: type.queue, type: type.name, capacity: free });
    }
    return offers.length === 0 ? undefined : { capacity, offers };
  }
}
