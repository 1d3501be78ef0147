// The engine: owns the connection, runs all calls that are pending in one transaction, and tells who must know.
import { MillraceError } from "../../../core/errors.ts";
import { Attachments } from "./attachments.ts";
import { clockReader } from "../../clock.ts";
import { type Connection, openConnection, reopenConnection } from "./connection.ts";
import { writeGathered } from "../context.ts";
import { isBusy, isFatal, toPlainError, toStoreError } from "./faults.ts";
import { Followers } from "../followers.ts";
import { type Pending, cutGroup } from "./group.ts";
import { detach } from "../leases.ts";
import { lockRetryMs } from "./lock-waits.ts";
import { Lockout } from "./lockout.ts";
import type { Call, EngineOptions, FromEngine, Notice, Reply } from "./messages.ts";
import { answer, isWrite } from "./methods.ts";
import { Transactions } from "./transactions.ts";

/** How often other processes' commits are looked for: a few milliseconds' delay, for 0.1% of a core (3 µs a look). */
const POLL_MS = 5;
/** In memory there are no others: only leases are looked after. */
const MEMORY_POLL_MS = 25;
/** How long a call waits for the write lock before it is answered `STORE_BUSY`. */
const LOCK_DEADLINE_MS = 30_000;
/** Between attempts to open a file again that had failed. */
const REOPEN_MS = 500;
export interface Engine {
  receive(calls: readonly Call[]): void;
}

/**
 * Opens the file and begins to answer.
 *
 * @throws MillraceError `STORE_VERSION`, `STORE_MISCONFIGURED`, `STORE_FAILED`, `STORE_BUSY`
 */
export async function openEngine(
  options: EngineOptions,
  post: (message: FromEngine) => void,
): Promise<Engine> {
  const deadlineMs = performance.now() + LOCK_DEADLINE_MS;
  for (let attempts = 0; ; attempts += 1) {
    let connection: Connection | undefined;
    try {
      connection = openConnection(options.path, options.durability);
      return new SqliteEngine(options, connection, post);
    } catch (error) {
      connection?.close();
      if (!isBusy(error)) throw toStoreError(error, options.path);
      if (performance.now() > deadlineMs) throw busyError(options.path);
      await new Promise((resolve) => setTimeout(resolve, lockRetryMs(attempts)));
    }
  }
}

class SqliteEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #post: (message: FromEngine) => void;
  readonly #now: () => number;
  readonly #attachments = new Attachments((notice) => this.#notices.push(notice));
  readonly #followers = new Followers((notice) => this.#notices.push(notice));
  #connection: Connection;
  #transactions: Transactions;
  #writes: Pending[] = [];
  #reads: Pending[] = [];
  #replies: Reply[] = [];
  #notices: Notice[] = [];
  /** Messages taken since the last one posted. */
  #received = 0;
  #lockTimer: NodeJS.Timeout | undefined;
  /** Attempts since the lock was last had. */
  #lockAttempts = 0;
  #pollTimer: NodeJS.Timeout | undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  readonly #lockout = new Lockout();
  /** Why nothing can be done at present. */
  #failure: MillraceError | null = null;
  #isClosed = false;

  constructor(options: EngineOptions, connection: Connection, post: (message: FromEngine) => void) {
    this.#options = options;
    this.#post = post;
    this.#now = clockReader(options.clock);
    this.#connection = connection;
    this.#transactions = this.#openTransactions();
  }

  receive(calls: readonly Call[]): void {
    this.#received += 1;
    const deadlineMs = performance.now() + LOCK_DEADLINE_MS;
    for (const call of calls) {
      if (call.method === "close") this.#close(call);
      else if (this.#isClosed) this.#reject(call, new MillraceError("STORE_CLOSED"));
      else if (isWrite(call)) this.#writes.push({ call, deadlineMs });
      else this.#reads.push({ call, deadlineMs });
    }
    // While the lock is waited for, the timer tries; reads need no lock and go on.
    if (this.#lockTimer === undefined) this.#runWrites();
    this.#runReads();
    this.#setPolling();
    this.#flush();
  }

  #openTransactions(): Transactions {
    return new Transactions(this.#connection, {
      options: this.#options,
      attachments: this.#attachments,
      followers: this.#followers,
      lockout: this.#lockout,
      now: this.#now,
    });
  }

  #runReads(): void {
    const reads = this.#reads.splice(0);
    for (const pending of reads) {
      if (this.#failure !== null) this.#reject(pending.call, this.#failure);
      else this.#read(pending);
    }
  }

  #read(pending: Pending): void {
    try {
      const { session } = this.#transactions;
      const value = this.#transactions.read(() => answer(session, pending.call));
      this.#replies.push({ no: pending.call.no, value });
    } catch (error) {
      // Only while another process opens or closes the file, for a moment.
      if (isBusy(error)) return this.#waitForLock([pending], this.#reads);
      this.#reject(pending.call, error);
      if (isFatal(error)) this.#fail(error);
    }
  }

  #runWrites(): void {
    while (this.#writes.length > 0) {
      const group = cutGroup(this.#writes);
      this.#runGroup(group);
      // The others wait with those that found the lock taken.
      if (this.#lockTimer !== undefined) return;
    }
  }

  #runGroup(group: readonly Pending[]): void {
    if (this.#failure !== null) return this.#rejectAll(group, this.#failure);
    const calls = group.map(({ call }) => call);
    try {
      this.#replies.push(...this.#transactions.write(calls));
    } catch (error) {
      if (isBusy(error)) this.#waitForLock(group, this.#writes);
      else if (isFatal(error)) {
        this.#rejectAll(group, error);
        this.#fail(error);
      } else if (group.length === 1) this.#rejectAll(group, error);
      // One of them can't be done: each on its own, so that it fails alone.
      else for (const entry of group) this.#runGroup([entry]);
    }
  }

  #waitForLock(waiting: readonly Pending[], queue: Pending[]): void {
    const nowMs = performance.now();
    if (queue === this.#writes) this.#lockout.begin(nowMs);
    const left = waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
    const late = waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    queue.unshift(...left);
    this.#rejectAll(late, busyError(this.#options.path));
    if (left.length === 0) return;
    if (this.#lockTimer !== undefined) return;
    this.#lockAttempts += 1;
    const attempts = this.#lockAttempts;
    this.#lockTimer = setTimeout(() => {
      this.#lockTimer = undefined;
      this.#runWrites();
      this.#runReads();
      if (this.#lockAttempts === attempts) this.#lockAttempts = 0;
      this.#flush();
    }, lockRetryMs(attempts));
  }

  #setPolling(): void {
    const isNeeded = !this.#isClosed && (this.#attachments.size > 0 || this.#followers.hasLocal);
    if (!isNeeded) {
      clearInterval(this.#pollTimer);
      this.#pollTimer = undefined;
    } else {
      const everyMs = this.#options.path === ":memory:" ? MEMORY_POLL_MS : POLL_MS;
      this.#pollTimer ??= setInterval(() => this.#poll(), everyMs);
    }
  }

  #poll(): void {
    if (this.#failure !== null) return;
    try {
      this.#transactions.lookAfterWorkers();
      // Where calls wait for the lock, their transaction renews the leases first.
      if (this.#lockTimer === undefined && this.#transactions.isRenewalDue()) {
        this.#transactions.commit(false, () => undefined);
      }
    } catch (error) {
      // Where the lock is held elsewhere, the next poll tries again.
      if (isBusy(error)) this.#lockout.begin(performance.now());
      else if (isFatal(error)) this.#fail(error);
    }
    this.#setPolling();
    this.#flush();
  }

  #reject(call: Call, error: unknown): void {
    this.#replies.push({
      no: call.no,
      error: toPlainError(toStoreError(error, this.#options.path)),
    });
  }

  #rejectAll(group: readonly Pending[], error: unknown): void {
    for (const { call } of group) this.#reject(call, error);
  }

  #flush(): void {
    if (this.#received + this.#replies.length + this.#notices.length === 0) return;
    const message: FromEngine = {
      received: this.#received,
      replies: this.#replies,
      notices: this.#notices,
    };
    this.#received = 0;
    this.#replies = [];
    this.#notices = [];
    this.#post(message);
  }

  /**
   * The connection is no longer trusted: after a failed write or fsync, what this connection believes and what is on
   * disk may differ. Nothing is acknowledged until the file was opened anew and all of its log was written to the
   * database and synced.
   */
  #fail(error: unknown): void {
    this.#failure = toStoreError(error, this.#options.path);
    this.#rejectAll(this.#writes.splice(0), this.#failure);
    this.#rejectAll(this.#reads.splice(0), this.#failure);
    try {
      this.#connection.close();
    } catch {
      // It is given up anyway.
    }
    // What was in memory only is gone with its connection: nothing may pretend to be the same store.
    if (this.#options.path === ":memory:") return;
    this.#reopenTimer = setTimeout(() => this.#reopen(), REOPEN_MS);
  }

  #reopen(): void {
    try {
      this.#connection = reopenConnection(this.#options.path, this.#options.durability);
      this.#transactions = this.#openTransactions();
      this.#failure = null;
    } catch {
      this.#reopenTimer = setTimeout(() => this.#reopen(), REOPEN_MS);
    }
  }

  #close(call: Call): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      clearTimeout(this.#lockTimer);
      this.#lockTimer = undefined;
      clearTimeout(this.#reopenTimer);
      this.#setPolling();
      this.#runWrites();
      this.#runReads();
      clearTimeout(this.#lockTimer);
      const closed = new MillraceError("STORE_CLOSED");
      this.#rejectAll(this.#writes.splice(0), closed);
      this.#rejectAll(this.#reads.splice(0), closed);
      this.#endLeases();
      try {
        this.#connection.close();
      } catch {
        // A connection that failed before has nothing left to close.
      }
    }
    this.#replies.push({ no: call.no, value: null });
  }

  /** Gives back what is still held. Where the lock is not to be had, the leases end by themselves. */
  #endLeases(): void {
    if (this.#failure !== null) return;
    const { attachments, followers, context } = this.#transactions.session;
    if (attachments.size === 0 && !followers.hasLocal) return;
    try {
      this.#transactions.commit(true, () => {
        for (const key of attachments.keys()) {
          const found = attachments.find(key);
          if (found !== undefined) while (!detach(context, found.workerNo));
        }
        followers.end(context);
        writeGathered(context);
        followers.keep(context);
      });
    } catch {
      // The process ends, or goes on without this store.
    }
  }
}

function busyError(path: string): MillraceError {
  return new MillraceError("STORE_BUSY", {
    message: `another process has held the write lock of ${path} for ${LOCK_DEADLINE_MS / 1_000} s; find it, or close the tool that has the file open`,
  });
}
