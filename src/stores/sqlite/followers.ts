// Followers: events go to those of this process directly after the commit, to other processes through a bounded table.
import { randomUUID } from "node:crypto";
import type { JobEvent } from "../../core/events.ts";
import type { Subscribe } from "../../core/store.ts";
import type { Context } from "./context.ts";
import type { Notice } from "./thread/messages.ts";

/** Events kept for other processes; a follower further behind is told of a gap. */
const MAX_KEPT_EVENTS = 10_000;
/** Events read at a time. */
const MAX_READ_EVENTS = 1_000;
/** How long other processes write for a follower that is not heard of again; it is renewed at a third of it. */
const FOLLOWER_LEASE_MS = 15_000;

/** The followers of one store object. Methods that write are called inside a transaction. */
export class Followers {
  readonly #local = new Map<number, Subscribe["filter"]>();
  readonly #writer: string = randomUUID();
  readonly #tell: (notice: Notice) => void;
  /** The row that says that someone here follows. */
  #row: number | null = null;
  #leaseUntilMs = 0;
  #lastSeen = 0;
  #foreignUntilMs = 0;

  constructor(tell: (notice: Notice) => void) {
    this.#tell = tell;
  }

  get hasLocal(): boolean {
    return this.#local.size > 0;
  }

  /** Makes it known to other processes that someone follows. Gives back what is to be done after the commit. */
  join(context: Context, key: number, filter: Subscribe["filter"]): () => void {
    if (this.#row !== null) return () => void this.#local.set(key, filter);
    const row = insertFollower(context);
    const lastSeen = lastEventNo(context);
    const leaseUntilMs = context.nowMs + FOLLOWER_LEASE_MS;
    return () => {
      this.#local.set(key, filter);
      this.#row = row;
      this.#lastSeen = lastSeen;
      this.#leaseUntilMs = leaseUntilMs;
    };
  }

  /** Gives back what is to be done after the commit. */
  leave(context: Context, key: number): () => void {
    const isLast = this.#local.size === 1 && this.#local.has(key);
    if (isLast) this.end(context);
    return () => {
      this.#local.delete(key);
      if (isLast) this.#row = null;
    };
  }

  /** Another process committed: whether it follows, and what it did. */
  refresh(context: Context): void {
    this.#foreignUntilMs = readForeign(context, this.#row);
    if (this.#local.size === 0) return;
    const found = readEvents(context, this.#lastSeen, this.#writer);
    this.#lastSeen = found.lastSeen;
    if (found.hasGap) this.#tellGap("more happened than is kept for followers");
    this.tell(found.events);
  }

  /** Whether anyone anywhere follows now. */
  isFollowed(nowMs: number): boolean {
    return this.#local.size > 0 || this.#foreignUntilMs > nowMs;
  }

  /** Before the commit: writes the events of the transaction for other processes. */
  keep(context: Context): void {
    if (this.#foreignUntilMs <= context.nowMs || context.effects.events.length === 0) return;
    keepEvents(context, this.#writer);
  }

  /** After the commit: tells the followers of this process. */
  tell(events: readonly JobEvent[]): void {
    for (const event of events) {
      for (const [key, { id, type }] of this.#local) {
        if (id !== undefined && id !== event.id) continue;
        if (type !== undefined && type !== event.type) continue;
        this.#tell({ kind: "event", key, event });
      }
    }
  }

  isRenewalDue(nowMs: number): boolean {
    if (this.#row === null) return false;
    return this.#leaseUntilMs - nowMs <= FOLLOWER_LEASE_MS * (2 / 3);
  }

  /** Gives back what is to be done after the commit. */
  renew(context: Context): () => void {
    if (this.#row === null) return () => undefined;
    const { nowMs } = context;
    const leaseUntilMs = nowMs + FOLLOWER_LEASE_MS;
    context.connection.run(
      "INSERT INTO subscribers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET lease_until = excluded.lease_until",
      this.#row,
      context.namespace,
      leaseUntilMs,
    );
    return () => {
      // Others wrote nothing for a follower whose lease was over.
      if (nowMs >= this.#leaseUntilMs) this.#tellGap("it was held up for too long to be told all");
      this.#leaseUntilMs = leaseUntilMs;
    };
  }

  #tellGap(reason: string): void {
    for (const key of this.#local.keys()) this.#tell({ kind: "gap", key, reason });
  }

  /** Nobody of this process follows any longer. */
  end(context: Context): void {
    if (this.#row !== null) {
      context.connection.run("DELETE FROM subscribers WHERE no = ?", this.#row);
    }
  }
}

function insertFollower(context: Context): number {
  const row = context.connection.first(
    "INSERT INTO subscribers (namespace, lease_until) VALUES (?, ?) RETURNING no",
    context.namespace,
    context.nowMs + FOLLOWER_LEASE_MS,
  );
  return Number(row?.[0]);
}

/** Until when other processes follow; 0 when none does. */
function readForeign(context: Context, ownRow: number | null): number {
  const row = context.connection.first(
    "SELECT max(lease_until) FROM subscribers WHERE namespace = ? AND no <> ?",
    context.namespace,
    ownRow ?? 0,
  );
  return Number(row?.[0] ?? 0);
}

function lastEventNo(context: Context): number {
  const row = context.connection.first("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
  return Number(row?.[0] ?? 0);
}

function keepEvents(context: Context, writer: string): void {
  const { connection, namespace, effects } = context;
  for (const event of effects.events) {
    connection.run(
      "INSERT INTO events (namespace, writer, event) VALUES (?, ?, ?)",
      namespace,
      writer,
      JSON.stringify(event),
    );
  }
  connection.run("DELETE FROM events WHERE no <= ?", lastEventNo(context) - MAX_KEPT_EVENTS);
}

function readEvents(
  context: Context,
  after: number,
  writer: string,
): { readonly events: readonly JobEvent[]; readonly lastSeen: number; readonly hasGap: boolean } {
  const newest = lastEventNo(context);
  if (newest <= after) return { events: [], lastSeen: after, hasGap: false };
  // Numbers have no holes but at the old end, where events were dropped.
  const first = context.connection.first("SELECT min(no) FROM events")?.[0];
  const hasGap = first === null || first === undefined || Number(first) > after + 1;
  const events: JobEvent[] = [];
  let lastSeen = after;
  while (lastSeen < newest) {
    const rows = context.connection.all(
      "SELECT no, namespace, writer, event FROM events WHERE no > ? ORDER BY no LIMIT ?",
      lastSeen,
      MAX_READ_EVENTS,
    );
    for (const [no, namespace, by, event] of rows) {
      lastSeen = Number(no);
      if (namespace === context.namespace && by !== writer) {
        events.push(JSON.parse(String(event)) as JobEvent);
      }
    }
    // Others may have committed since `newest` was read: what was seen beyond it is not seen again.
    if (rows.length < MAX_READ_EVENTS) lastSeen = Math.max(lastSeen, newest);
  }
  return { events, lastSeen, hasGap };
}

/** Drops followers that are gone, and events that nobody will read. Gives back how many rows went. */
export function sweepFollowers(context: Context, limit: number): number {
  const { connection, nowMs } = context;
  connection.run("DELETE FROM subscribers WHERE lease_until <= ?", nowMs);
  if (connection.first("SELECT 1 FROM subscribers LIMIT 1") !== undefined) return 0;
  return connection.run(
    "DELETE FROM events WHERE no IN (SELECT no FROM events ORDER BY no LIMIT ?)",
    limit,
  );
}
