// Lockouts: how long nobody could write, so that leases which ended meanwhile are not held against their keepers.

/** After a time in which nobody could write, everybody renews within this: the keepers try every few milliseconds. */
const RENEWAL_TIME_MS = 1_000;

/** The times in which this connection waited for the write lock, by the monotonic clock. */
export class Lockout {
  #sinceMs: number | null = null;
  /** The latest one that ended. */
  #lengthMs = 0;
  #endedAtMs = Number.NEGATIVE_INFINITY;

  /** The lock was not to be had. */
  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  /** The lock was had. Gives back by how much leases last longer at present, until all have had the time to renew. */
  end(nowMs: number): number {
    if (this.#sinceMs !== null) {
      this.#lengthMs = nowMs - this.#sinceMs;
      this.#endedAtMs = nowMs;
      this.#sinceMs = null;
    }
    return nowMs - this.#endedAtMs < RENEWAL_TIME_MS ? this.#lengthMs : 0;
  }
}
