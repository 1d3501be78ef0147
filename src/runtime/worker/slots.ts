// The slots of a worker: which job types it serves, what of each runs, and what it can still take.
import type { AnyJobType } from "../../core/define-job.ts";
import { MAX_CLAIM_BATCH } from "../../core/limits.ts";
import type { ChildJob } from "../../core/run.ts";
import type { Offer } from "../../core/store.ts";

/** How a job type is offered right now. */
interface ServedType {
  readonly type: AnyJobType;
  running: number;
  /** Claimed, and not begun. */
  held: number;
  /** The last claim ahead of free slots was given as many as it asked for, and some of them were of this type. */
  hasMore: boolean;
}

/** The slots of one worker. A workflow run takes none: only so many are held in memory. */
export class Slots {
  readonly #served = new Map<string, ServedType>();
  /** Types that are served no longer: what of them runs still counts when one is served again. */
  readonly #withdrawn = new Map<string, ServedType>();
  readonly #labels: readonly string[];
  #free: number;
  #held = 0;

  constructor({ concurrency, labels }: { concurrency: number; labels: readonly string[] }) {
    this.#free = concurrency;
    this.#labels = labels;
  }

  get served(): readonly AnyJobType[] {
    return [...this.#served.values()].map(({ type }) => type);
  }

  /** Serves a type from now on. */
  serve(type: AnyJobType): void {
    const { running = 0, held = 0, hasMore = false } = this.#known(type.name) ?? {};
    this.#withdrawn.delete(type.name);
    this.#served.set(type.name, { type, running, held, hasMore });
  }

  /** Slots in which nothing runs. */
  get free(): number {
    return this.#free;
  }

  /** Slots that nothing has: not even a job that was claimed ahead. At most 0: there are none. */
  get unheld(): number {
    return this.#free - this.#held;
  }

  withdraw(type: string): void {
    const served = this.#served.get(type);
    if (served === undefined) return;
    this.#served.delete(type);
    this.#withdrawn.set(type, { ...served, hasMore: false });
  }

  clear(): void {
    for (const type of this.#served.keys()) this.withdraw(type);
  }

  #known(type: string): ServedType | undefined {
    return this.#served.get(type) ?? this.#withdrawn.get(type);
  }

  find(type: string): AnyJobType | undefined {
    return this.#served.get(type)?.type;
  }

  /** Whether jobs of a type are taken that need a slot each. */
  isServed(type: string): boolean {
    const served = this.#served.get(type);
    return served !== undefined && served.type.workflow === undefined;
  }

  /** Jobs were claimed, and will begin or be given back. */
  hold(jobs: readonly { readonly type: string }[]): void {
    this.#addHeld(jobs, 1);
  }

  unhold(jobs: readonly { readonly type: string }[]): void {
    this.#addHeld(jobs, -1);
  }

  #addHeld(jobs: readonly { readonly type: string }[], by: number): void {
    this.#held += jobs.length * by;
    for (const { type } of jobs) {
      const known = this.#known(type);
      if (known !== undefined) known.held += by;
    }
  }

  /** More may wait behind these, that were claimed ahead; none: the store had no more. */
  noteMore(behind: readonly { readonly type: string }[]): void {
    for (const served of this.#served.values()) served.hasMore = false;
    for (const { type } of behind) {
      const served = this.#served.get(type);
      if (served !== undefined) served.hasMore = true;
    }
  }

  /** Something of a type begins to run. */
  take(type: AnyJobType): void {
    const known = this.#known(type.name);
    if (known !== undefined) known.running += 1;
    if (type.workflow === undefined) this.#free -= 1;
  }

  /** A job of a type runs no more. */
  give(type: string): void {
    this.giveRun(type);
    this.#free += 1;
  }

  /** A workflow run of a type is no longer held. */
  giveRun(type: string): void {
    const known = this.#known(type);
    if (known !== undefined) known.running -= 1;
  }

  /**
   * Takes a slot for a child that a run would hand to this worker; `false`: there is none for it, or others of its type
   * come first: of a fan-out most wait in the queue, and slots kept for what is not handed over stood empty meanwhile.
   */
  reserve({ type, queue, labels }: ChildJob): boolean {
    const served = this.#served.get(type);
    if (served === undefined || this.#free <= 0 || served.type.workflow !== undefined) return false;
    if (this.isCrowded(type)) return false;
    if (served.type.queue !== queue || served.running >= served.type.concurrency) return false;
    if (labels?.every((label) => this.#labels.includes(label)) === false) return false;
    this.take(served.type);
    return true;
  }

  /** Whether others of a type, claimed or not, are known to wait for a slot. */
  isCrowded(type: string): boolean {
    const served = this.#served.get(type);
    return served === undefined || served.held > 0 || served.hasMore;
  }

  /** What can be claimed, with so much room for workflow runs; `undefined`: nothing. */
  offers(roomForRuns: number): Offered | undefined {
    const slots = this.unheld;
    const capacity = Math.min(slots > 0 ? slots : roomForRuns, MAX_CLAIM_BATCH);
    return this.#offersOf(capacity, (type) => (type.workflow === undefined ? slots : roomForRuns));
  }

  /** What can be claimed ahead of free slots; of types with limits where these have slack (`slack.ts`). */
  offersAhead(most: number, hasSlack: boolean): Offered | undefined {
    return this.#offersOf(Math.min(most, MAX_CLAIM_BATCH), (type) =>
      isAhead(type, hasSlack) ? most : 0,
    );
  }

  /** Whether some of the types are not claimed ahead. */
  servesOthers(hasSlack: boolean): boolean {
    return [...this.#served.values()].some(({ type }) => !isAhead(type, hasSlack));
  }

  /** How many of these jobs are of types with limits. */
  countLimited(jobs: readonly { readonly type: string }[]): number {
    let count = 0;
    for (const { type } of jobs) {
      const limits = this.#served.get(type)?.type.flow.limits;
      if (limits !== undefined && limits.length > 0) count += 1;
    }
    return count;
  }

  #offersOf(capacity: number, roomOf: (type: AnyJobType) => number): Offered | undefined {
    if (capacity <= 0) return undefined;
    const offers: Offer[] = [];
    for (const { type, running, held } of this.#served.values()) {
      const free = Math.min(capacity, roomOf(type), type.concurrency - running - held);
      if (free > 0) offers.push({ queue: type.queue, type: type.name, capacity: free });
    }
    return offers.length === 0 ? undefined : { capacity, offers };
  }
}

/** What a worker offers to take. */
export interface Offered {
  readonly capacity: number;
  readonly offers: readonly Offer[];
}

function isAhead({ workflow, flow }: AnyJobType, hasSlack: boolean): boolean {
  return workflow === undefined && (flow.limits.length === 0 || hasSlack);
}
