// Jobs claimed ahead of free slots: how many, and for how long they may be held before others get them.
import type { JobId } from "../../core/ids.ts";
import type { ClaimedJob } from "../../core/store.ts";

/** As many are claimed ahead as end here in this time: they begin before it is over. */
const AHEAD_MS = 20;
/**
 * So many times its slots a worker holds or has asked for, where its jobs end fast: what begins next, and what the store
 * claims while that is begun. Measured on SQLite and on Redis (disk of 0.1 ms, real-time priority): with one time the
 * store had nothing to do for a fifth of the time, from the answer to a settlement until the next claim came; with two
 * it processed 79,000 jobs/s instead of 65,000 and 134,000 instead of 115,000.
 */
export const FURTHER_TIMES = 2;
/** Longest time that a job is held before it begins; then it is given back, so that an idle worker can have it. */
export const LONGEST_HOLD_MS = 50;
/** After jobs had to be given back nothing is claimed ahead for so long: the handlers have become slow. */
const PAUSE_MS = 1_000;
/** Fewer are not worth a call of their own, nor are fewer than this share of the slots. */
const LEAST_AHEAD = 16;
const LEAST_SHARE = 0.5;

interface Batch {
  readonly jobs: ClaimedJob[];
  readonly sinceMs: number;
}

/** The jobs that one worker holds and has not begun. Times are of a monotonic clock. */
export class AheadJobs {
  #batches: Batch[] = [];
  #size = 0;
  /** Jobs that ended per millisecond, smoothed. */
  #pace = 0;
  #countedAtMs = 0;
  #pausedUntilMs = 0;

  get size(): number {
    return this.#size;
  }

  /** Jobs ended: the pace follows it, by half at each count. */
  noteEnded(count: number, nowMs: number): void {
    const passedMs = Math.max(nowMs - this.#countedAtMs, 0.01);
    this.#pace = (this.#pace + count / passedMs) / 2;
    this.#countedAtMs = nowMs;
  }

  /**
   * How many more a worker with so many slots should claim in one call, when so many that it holds begin now, in order to
   * hold so many times its slots; 0: none.
   */
  wanted(slots: number, beginning: number, nowMs: number, times = 1): number {
    if (nowMs < this.#pausedUntilMs) return 0;
    const most = Math.min(times * slots, Math.floor(this.#pace * AHEAD_MS));
    const wanted = Math.min(slots, most - (this.#size - beginning));
    return wanted >= Math.max(LEAST_AHEAD, slots * LEAST_SHARE) ? wanted : 0;
  }

  hold(jobs: readonly ClaimedJob[], nowMs: number): void {
    if (jobs.length === 0) return;
    this.#batches.push({ jobs: [...jobs], sinceMs: nowMs });
    this.#size += jobs.length;
  }

  /** Takes those that were claimed first, at most so many. */
  take(most: number): readonly ClaimedJob[] {
    const [first] = this.#batches;
    if (first === undefined || most <= 0) return [];
    if (first.jobs.length <= most) {
      this.#batches.shift();
      this.#size -= first.jobs.length;
      return [...first.jobs, ...this.take(most - first.jobs.length)];
    }
    this.#size -= most;
    return first.jobs.splice(0, most);
  }

  /** Takes those that were held too long, and pauses if there are any. */
  takeOverdue(nowMs: number): readonly ClaimedJob[] {
    const overdue = this.#takeWhere(({ sinceMs }) => nowMs - sinceMs >= LONGEST_HOLD_MS);
    if (overdue.length > 0) this.#pausedUntilMs = nowMs + PAUSE_MS;
    return overdue;
  }

  /** Takes those of a type, or all. */
  takeOf(type?: string): readonly ClaimedJob[] {
    return this.#takeWhere((_, job) => type === undefined || job.type === type);
  }

  /** Takes one job, where it is held. */
  takeJob(id: JobId): ClaimedJob | undefined {
    return this.#takeWhere((_, job) => job.id === id)[0];
  }

  /** Time until the first of them is overdue; `undefined`: none is held. */
  overdueInMs(nowMs: number): number | undefined {
    const [first] = this.#batches;
    return first && Math.max(0, first.sinceMs + LONGEST_HOLD_MS - nowMs);
  }

  #takeWhere(isTaken: (batch: Batch, job: ClaimedJob) => boolean): readonly ClaimedJob[] {
    const taken: ClaimedJob[] = [];
    const left: Batch[] = [];
    for (const batch of this.#batches) {
      const kept = batch.jobs.filter((job) => !isTaken(batch, job));
      if (kept.length === batch.jobs.length) left.push(batch);
      else {
        taken.push(...batch.jobs.filter((job) => isTaken(batch, job)));
        if (kept.length > 0) left.push({ ...batch, jobs: kept });
      }
    }
    this.#batches = left;
    this.#size -= taken.length;
    return taken;
  }
}
