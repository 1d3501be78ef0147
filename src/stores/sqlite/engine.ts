// The engine: owns the connection, runs all calls that are pending in one transaction, and tells who must know.
import { MillraceError } from "../../core/errors.ts";
import { Attachments } from "./attachments.ts";
import { clockReader } from "./clock.ts";
import { type Connection, openConnection } from "./connection.ts";
import { forget, namespaceNumber, noEffects, openContext, readSettings } from "./context.ts";
import { isBusy, isFatal, toPlainError, toStoreError } from "./faults.ts";
import { Followers } from "./followers.ts";
import { detach } from "./leases.ts";
import type { Call, EngineOptions, FromEngine, Notice, Reply } from "./messages.ts";
import { type Session, answer, isPromise, isWrite } from "./methods.ts";

/** How often other processes' commits are looked for: a few milliseconds' delay, for 0.1% of a core (3 µs a look). */
const POLL_MS = 5;
/** Waits between attempts for the write lock; drawn evenly, so that processes do not move in step. */
const LOCK_RETRY_MIN_MS = 1;
const LOCK_RETRY_MAX_MS = 20;
/** How long a call waits for the write lock before it is answered `STORE_BUSY`. */
const LOCK_DEADLINE_MS = 30_000;
/** After a time in which nobody could write, everybody renews within this: the keepers try every few milliseconds. */
const RENEWAL_TIME_MS = 1_000;
/** Between attempts to open a file again that had failed. */
const REOPEN_MS = 500;
/** No version of a file. */
const NOTHING_SEEN = -1;

export interface Engine {
  receive(calls: readonly Call[]): void;
}

interface Pending {
  readonly call: Call;
  /** Of the monotonic clock. */
  readonly deadlineMs: number;
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
  const connection = await openPatiently(options);
  return new SqliteEngine(options, connection, post);
}

async function openPatiently(options: EngineOptions): Promise<Connection> {
  const deadlineMs = performance.now() + LOCK_DEADLINE_MS;
  for (;;) {
    try {
      return openNamespace(options);
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadlineMs) {
        throw toStoreError(error, options.path);
      }
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs()));
    }
  }
}

/** The file with the namespace in it, so that what follows only reads and waits for no lock. */
function openNamespace(options: EngineOptions): Connection {
  const connection = openConnection(options.path, options.durability);
  try {
    namespaceNumber(connection, options.namespace);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function retryDelayMs(): number {
  return LOCK_RETRY_MIN_MS + Math.random() * (LOCK_RETRY_MAX_MS - LOCK_RETRY_MIN_MS);
}

class SqliteEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #post: (message: FromEngine) => void;
  readonly #now: () => number;
  readonly #attachments = new Attachments((notice) => this.#notices.push(notice));
  readonly #followers = new Followers((notice) => this.#notices.push(notice));
  #connection: Connection;
  #session: Session;
  /** None as yet: the first look reads what others did before, their wish to follow included. */
  #dataVersion = NOTHING_SEEN;
  #writes: Pending[] = [];
  #replies: Reply[] = [];
  #notices: Notice[] = [];
  /** Messages taken since the last one posted. */
  #received = 0;
  #lockTimer: NodeJS.Timeout | undefined;
  #pollTimer: NodeJS.Timeout | undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  /** Since when the write lock is waited for, by the monotonic clock. */
  #lockedOutAtMs: number | null = null;
  /** The latest such time that ended. */
  #lockout = { lengthMs: 0, endedAtMs: 0 };
  /** Why nothing can be done at present. */
  #failure: MillraceError | null = null;
  #isClosed = false;

  constructor(options: EngineOptions, connection: Connection, post: (message: FromEngine) => void) {
    this.#options = options;
    this.#post = post;
    this.#now = clockReader(options.clock);
    this.#connection = connection;
    this.#session = this.#openSession();
  }

  receive(calls: readonly Call[]): void {
    this.#received += 1;
    const reads: Call[] = [];
    const deadlineMs = performance.now() + LOCK_DEADLINE_MS;
    for (const call of calls) {
      if (call.method === "close") this.#close(call);
      else if (this.#isClosed) this.#reject(call, new MillraceError("STORE_CLOSED"));
      else if (this.#failure !== null) this.#reject(call, this.#failure);
      else if (isWrite(call)) this.#writes.push({ call, deadlineMs });
      else reads.push(call);
    }
    // While the lock is waited for, the timer tries; reads need no lock and go on.
    if (this.#lockTimer === undefined) this.#runWrites();
    for (const call of reads) this.#read(call);
    this.#setPolling();
    this.#flush();
  }

  #openSession(): Session {
    const { path, namespace } = this.#options;
    return {
      context: openContext(this.#connection, path, namespace),
      durability: this.#options.durability,
      attachments: this.#attachments,
      followers: this.#followers,
      afterCommit: [],
    };
  }

  #read(call: Call): void {
    if (this.#failure !== null) return this.#reject(call, this.#failure);
    try {
      const { context } = this.#session;
      context.nowMs = this.#now();
      this.#lookForOthers();
      this.#replies.push({ no: call.no, value: answer(this.#session, call) });
    } catch (error) {
      this.#reject(call, error);
      if (isFatal(error)) this.#fail(error);
    }
  }

  #runWrites(): void {
    if (this.#writes.length > 0) this.#runGroup(this.#writes.splice(0));
  }

  #runGroup(group: readonly Pending[]): void {
    if (this.#failure !== null) return this.#rejectAll(group, this.#failure);
    try {
      this.#replies.push(...this.#transact(group.map(({ call }) => call)));
    } catch (error) {
      if (isBusy(error)) this.#waitForLock(group);
      else if (isFatal(error)) {
        this.#rejectAll(group, error);
        this.#fail(error);
      } else if (group.length === 1) this.#rejectAll(group, error);
      // One of them can't be done: each on its own, so that it fails alone.
      else for (const entry of group) this.#runGroup([entry]);
    }
  }

  /** Runs calls in one transaction: one commit, and one wait for the disk, for all of them. */
  #transact(calls: readonly Call[]): Reply[] {
    const { context, followers } = this.#session;
    const replies = this.#commit(calls.some(isPromise), () => {
      context.isFollowed = followers.isFollowed(context.nowMs);
      const answers = calls.map((call): Reply => ({
        no: call.no,
        value: answer(this.#session, call),
      }));
      context.counts.write();
      followers.keep(context);
      return answers;
    });
    followers.tell(context.effects.events);
    this.#attachments.wakeFor(context);
    context.effects = noEffects();
    return replies;
  }

  /** Nothing is acknowledged, told or remembered before COMMIT has returned. */
  #commit<Result>(isPromised: boolean, body: () => Result): Result {
    const { db } = this.#connection;
    const { context, afterCommit } = this.#session;
    this.#connection.setSynced(isPromised);
    db.exec("BEGIN IMMEDIATE");
    this.#endLockout();
    let result: Result;
    try {
      context.nowMs = this.#now();
      this.#lookForOthers();
      result = body();
      db.exec("COMMIT");
    } catch (error) {
      afterCommit.length = 0;
      if (db.isTransaction) db.exec("ROLLBACK");
      forget(context);
      throw error;
    }
    for (const act of afterCommit.splice(0)) act();
    return result;
  }

  /**
   * A lease that ended while nobody could write is not its keeper's fault: until all have had the time to renew, leases
   * last longer by as long as this connection was locked out.
   */
  #endLockout(): void {
    const nowMs = performance.now();
    if (this.#lockedOutAtMs !== null) {
      this.#lockout = { lengthMs: nowMs - this.#lockedOutAtMs, endedAtMs: nowMs };
      this.#lockedOutAtMs = null;
    }
    const isRenewing = nowMs - this.#lockout.endedAtMs < RENEWAL_TIME_MS;
    this.#session.context.leaseExtensionMs = isRenewing ? this.#lockout.lengthMs : 0;
  }

  #waitForLock(group: readonly Pending[]): void {
    const nowMs = performance.now();
    this.#lockedOutAtMs ??= nowMs;
    for (const entry of group) {
      if (entry.deadlineMs > nowMs) this.#writes.push(entry);
      else this.#reject(entry.call, busyError(this.#options.path));
    }
    if (this.#writes.length === 0) return;
    this.#lockTimer ??= setTimeout(() => {
      this.#lockTimer = undefined;
      this.#runWrites();
      this.#flush();
    }, retryDelayMs());
  }

  /** Whether another connection committed since the last look: then what is remembered of the file is read again. */
  #lookForOthers(): boolean {
    const version = this.#connection.dataVersion();
    if (version === this.#dataVersion) return false;
    this.#dataVersion = version;
    const { context, followers } = this.#session;
    context.lanes.refresh();
    readSettings(context);
    followers.refresh(context);
    return true;
  }

  #setPolling(): void {
    const isNeeded = !this.#isClosed && (this.#attachments.size > 0 || this.#followers.hasLocal);
    if (!isNeeded) {
      clearInterval(this.#pollTimer);
      this.#pollTimer = undefined;
    } else this.#pollTimer ??= setInterval(() => this.#poll(), POLL_MS);
  }

  #poll(): void {
    if (this.#failure !== null) return;
    const { context } = this.#session;
    try {
      context.nowMs = this.#now();
      if (this.#lookForOthers()) this.#attachments.look(context);
      const isDue = this.#attachments.isDue() || this.#followers.isRenewalDue(context.nowMs);
      if (isDue && this.#lockTimer === undefined) this.#keepLeases();
    } catch (error) {
      if (isFatal(error)) this.#fail(error);
    }
    this.#setPolling();
    this.#flush();
  }

  #keepLeases(): void {
    const { context, followers, afterCommit } = this.#session;
    try {
      this.#commit(false, () => {
        afterCommit.push(this.#attachments.keep(context));
        if (followers.isRenewalDue(context.nowMs)) afterCommit.push(followers.renew(context));
      });
    } catch (error) {
      // The lock is held elsewhere: the next poll tries again.
      if (!isBusy(error)) throw error;
      this.#lockedOutAtMs ??= performance.now();
    }
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
    try {
      this.#connection.close();
    } catch {
      // It is given up anyway.
    }
    this.#reopenTimer = setTimeout(() => this.#reopen(), REOPEN_MS);
  }

  #reopen(): void {
    try {
      this.#connection = openConnection(this.#options.path, this.#options.durability);
      const [busy] = this.#connection.first("PRAGMA wal_checkpoint(FULL)") ?? [1];
      if (busy !== 0) throw busyError(this.#options.path);
      this.#session = this.#openSession();
      this.#dataVersion = NOTHING_SEEN;
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
      clearTimeout(this.#lockTimer);
      this.#rejectAll(this.#writes.splice(0), new MillraceError("STORE_CLOSED"));
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
    const { attachments, followers, context } = this.#session;
    if (attachments.size === 0 && !followers.hasLocal) return;
    try {
      this.#commit(true, () => {
        for (const key of attachments.keys()) {
          const found = attachments.find(key);
          if (found !== undefined) while (!detach(context, found.workerNo));
        }
        followers.end(context);
        context.counts.write();
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
