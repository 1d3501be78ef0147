// Limits of the reference model: what a claim may take and must not leave behind, and which jobs stand for new ones.
import {
  type LimitBounds,
  type LimitChange,
  type LimitKey,
  type LimitTable,
  type PushBack,
  QUEUE_LIMIT,
  UNLIMITED,
  isStandingFor,
  limitTable,
} from "../../core/flow.ts";
import type { JobId } from "../../core/ids.ts";
import { type JobRecord, isTerminal } from "../../core/job.ts";
import type { NewJob, TypeRecord } from "../../core/store.ts";

/** Something that limits count: a whole queue, or a key in it. */
interface Counted extends LimitKey {
  readonly queue: string;
}

/** What the model keeps of limits: the starts of each window, plainly. */
export class FlowModel {
  readonly changes: Map<string, { queue: string; name: string; change: LimitChange }> = new Map();
  readonly #starts: Map<string, number[]> = new Map();
  readonly #held: Map<string, number> = new Map();
  readonly #uniques: Map<JobId, NonNullable<NewJob["unique"]>["key"]> = new Map();

  set(queue: string, name: string, bounds: LimitBounds | null): void {
    if (bounds === null) this.changes.delete(`${queue} ${name}`);
    else {
      this.changes.set(`${queue} ${name}`, {
        queue,
        name,
        change: { bounds, by: "ops", atMs: 0 },
      });
    }
  }

  table(types: Iterable<TypeRecord>): LimitTable {
    return limitTable(types, this.changes.values());
  }

  /** A handler pushed back. */
  hold(job: JobRecord, { limit, delayMs }: PushBack, nowMs: number): void {
    const counted = countedBy(job).find((each) => each.limit === limit);
    if (counted === undefined) return;
    const name = nameOf(counted);
    this.#held.set(name, Math.max(nowMs + delayMs, this.#held.get(name) ?? 0));
  }

  /** What a handler holds of a queue is lifted: all of it, or a key. */
  release(queue: string, key: LimitKey | undefined, nowMs: number): number | null {
    const name = nameOf({ queue, limit: QUEUE_LIMIT, key: "", ...key });
    const heldUntilMs = this.#held.get(name) ?? 0;
    this.#held.delete(name);
    return heldUntilMs > nowMs ? heldUntilMs : null;
  }

  /** A job starts: what has a rate counts it. */
  start(job: JobRecord, table: LimitTable, nowMs: number): void {
    for (const counted of countedBy(job)) {
      const rate = table.get(counted.queue)?.get(counted.limit)?.bounds.rate;
      if (rate === null || rate === undefined) continue;
      const name = nameOf(counted);
      const recent = (this.#starts.get(name) ?? []).filter((atMs) => atMs > nowMs - rate.perMs);
      this.#starts.set(name, [...recent, nowMs]);
    }
  }

  /** Whether a job stands for others of its queue, as it does until it is over. */
  isUnique(id: JobId): boolean {
    return this.#uniques.has(id);
  }

  /**
   * Why a limit holds a job: until when, where only time is needed; `null`: none does. Whether a start at the very edge
   * of a window counts depends on the moment at which the store reads its clock: windows are chosen so that none is.
   */
  whyHeld(
    job: JobRecord,
    table: LimitTable,
    running: readonly JobRecord[],
    nowMs: number,
  ): { readonly untilMs: number | null } | null {
    let untilMs = 0;
    let isFull = false;
    for (const counted of countedBy(job)) {
      const { concurrency, rate } =
        table.get(counted.queue)?.get(counted.limit)?.bounds ?? UNLIMITED;
      const name = nameOf(counted);
      const count = running.filter((each) =>
        countedBy(each).some((other) => nameOf(other) === name),
      ).length;
      isFull ||= concurrency !== null && count >= concurrency;
      const heldUntilMs = this.#held.get(name) ?? 0;
      if (heldUntilMs > nowMs) untilMs = Math.max(untilMs, heldUntilMs);
      if (rate === null) continue;
      const recent = (this.#starts.get(name) ?? []).filter((atMs) => atMs > nowMs - rate.perMs);
      const leaves = recent[recent.length - rate.limit];
      if (leaves !== undefined) untilMs = Math.max(untilMs, leaves + rate.perMs);
    }
    if (isFull) return { untilMs: null };
    return untilMs > nowMs ? { untilMs } : null;
  }

  keepUnique(job: NewJob): void {
    if (job.unique !== undefined) this.#uniques.set(job.id, job.unique.key);
  }

  /** The job that stands for a new one. */
  standing(job: NewJob, jobs: Iterable<JobRecord>): JobRecord | null {
    const { unique } = job;
    if (unique === undefined) return null;
    for (const record of jobs) {
      const isSame =
        record.queue === job.queue &&
        record.type === job.type &&
        this.#uniques.get(record.id) === unique.key;
      if (isSame && isStandingFor(record.state, unique)) return record;
    }
    return null;
  }

  /** A job that is over stands for no other, also when it is retried by hand. */
  forgetEnded(record: JobRecord): void {
    if (isTerminal(record.state)) this.#uniques.delete(record.id);
  }
}

function countedBy({ queue, keys }: JobRecord): Counted[] {
  return [{ queue, limit: QUEUE_LIMIT, key: "" }, ...keys.map((key) => ({ queue, ...key }))];
}

function nameOf({ queue, limit, key }: Counted): string {
  return JSON.stringify([queue, limit, key]);
}
