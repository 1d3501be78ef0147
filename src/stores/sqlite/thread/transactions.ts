// What is done with one connection: reads in a snapshot, writes in a transaction that keeps the leases as well.
import type { Attachments } from "./attachments.ts";
import type { Connection } from "./connection.ts";
import { forget, noEffects, openContext, refresh, writeGathered } from "../context.ts";
import { isFatal, isFull } from "./faults.ts";
import type { Followers } from "../followers.ts";
import type { Lockout } from "./lockout.ts";
import type { Call, EngineOptions, Reply } from "./messages.ts";
import { type Session, answer, isPromise } from "./methods.ts";
import { checkVersion } from "../schema.ts";

/** No version of a file. */
const NOTHING_SEEN = -1;

/** What the transactions of one connection after another share. */
export interface TransactionParts {
  readonly options: EngineOptions;
  readonly attachments: Attachments;
  readonly followers: Followers;
  readonly lockout: Lockout;
  readonly now: () => number;
}

/** The transactions of one connection. */
export class Transactions {
  readonly session: Session;
  readonly #connection: Connection;
  readonly #lockout: Lockout;
  readonly #now: () => number;
  /** None as yet: the first look reads what others did before, their wish to follow included. */
  #dataVersion = NOTHING_SEEN;
  /** Whether others committed something that the workers attached here have not been looked after for. */
  #hasNews = false;
  /** Whether the disk was full of late. */
  #isTight = false;

  constructor(connection: Connection, parts: TransactionParts) {
    this.#connection = connection;
    this.#lockout = parts.lockout;
    this.#now = parts.now;
    this.session = openSession(connection, parts);
  }

  /** Reads that belong together see one state of the file, whatever other processes commit meanwhile. */
  read<Result>(body: () => Result): Result {
    const { db } = this.#connection;
    this.#connection.run("BEGIN");
    try {
      this.session.context.nowMs = this.#now();
      this.#lookForOthers();
      return body();
    } finally {
      if (db.isTransaction) this.#connection.run("ROLLBACK");
    }
  }

  /** Runs calls in one transaction: one commit, and one wait for the disk, for all of them. */
  write(calls: readonly Call[]): Reply[] {
    const { writeRefusal } = this.session.context;
    try {
      const replies = this.#makeRoom(() => this.#transact(calls));
      writeRefusal.committed();
      return replies;
    } catch (error) {
      if (isFull(error)) writeRefusal.refused(performance.now());
      throw error;
    }
  }

  #transact(calls: readonly Call[]): Reply[] {
    const { context, followers, attachments } = this.session;
    const replies = this.commit(calls.some(isPromise), () => {
      context.isFollowed = followers.isFollowed(context.nowMs);
      const answers = calls.map((call): Reply => ({
        no: call.no,
        value: answer(this.session, call),
      }));
      writeGathered(context);
      followers.keep(context);
      return answers;
    });
    followers.tell(context.effects.events);
    attachments.wakeFor(context);
    context.effects = noEffects();
    return replies;
  }

  /** Where the disk is full, the log may hold what the database has no need of: then it is tried once more. */
  #makeRoom<Result>(body: () => Result): Result {
    try {
      const result = body();
      // The log is emptied as soon as there is room, before it grows into it.
      if (this.#isTight) this.#isTight = !this.#connection.checkpoint();
      return result;
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#isTight = true;
      if (!this.#connection.checkpoint()) throw error;
      return body();
    }
  }

  /** Nothing is acknowledged, told or remembered before COMMIT has returned. */
  commit<Result>(isPromised: boolean, body: () => Result): Result {
    const { context, afterCommit } = this.session;
    this.#connection.setSynced(isPromised);
    this.#connection.run("BEGIN IMMEDIATE");
    context.leaseExtensionMs = this.#lockout.end(performance.now());
    let result: Result;
    try {
      context.nowMs = this.#now();
      this.#lookForOthers();
      this.#keepLeases();
      result = body();
      this.#connection.run("COMMIT");
    } catch (error) {
      afterCommit.length = 0;
      this.#undo(error);
      throw error;
    }
    for (const act of afterCommit.splice(0)) act();
    return result;
  }

  #undo(error: unknown): void {
    const { db } = this.#connection;
    try {
      if (db.isTransaction) db.exec("ROLLBACK");
      forget(this.session.context);
    } catch (second) {
      // A connection that is given up has nothing to be put right.
      if (!isFatal(error)) throw second;
    }
  }

  /** Looks after the workers attached here, if others committed what may concern them. */
  lookAfterWorkers(): void {
    const { attachments, context } = this.session;
    attachments.watch();
    if (!this.#hasNews && this.#connection.dataVersion() === this.#dataVersion) return;
    this.read(() => attachments.look(context));
    this.#hasNews = false;
  }

  /** If another connection committed since the last look, what is remembered of the file is read again. */
  #lookForOthers(): void {
    const version = this.#connection.dataVersion();
    if (version === this.#dataVersion) return;
    const { context, followers } = this.session;
    checkVersion(this.#connection.db, context.path);
    refresh(context);
    followers.refresh(context);
    this.#dataVersion = version;
    this.#hasNews = true;
  }

  isRenewalDue(): boolean {
    const { attachments, followers } = this.session;
    return attachments.isDue() || followers.isRenewalDue(this.#now());
  }

  /** Inside every transaction: whoever holds the lock renews what is due, however busy the lock is. */
  #keepLeases(): void {
    const { attachments, context, followers, afterCommit } = this.session;
    if (attachments.isDue()) afterCommit.push(attachments.keep(context));
    if (followers.isRenewalDue(context.nowMs)) afterCommit.push(followers.renew(context));
  }
}

function openSession(connection: Connection, parts: TransactionParts): Session {
  const { options, attachments, followers } = parts;
  const context = openContext(connection, options.path, options.namespace);
  context.isAttached = (workerNo) => attachments.has(workerNo);
  return { context, durability: options.durability, attachments, followers, afterCommit: [] };
}
