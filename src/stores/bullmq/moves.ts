// Writes what a transition makes of a job: BullMQ's own scripts move it, and Millrace's part is written in the same act.
import type { RedisQueueBackend } from "bullmq";
import type { JobChange } from "../../core/events.ts";
import { type JobRecord, isTerminal } from "../../core/job.ts";
import type { NewLogLine } from "../../core/store.ts";
import { entryOf } from "./keys.ts";
import type { Link, Turn, Writes } from "./link.ts";
import { writeLogLine } from "./log-lines.ts";
import { type Extras, type Found, OWN_FIELD } from "./records.ts";
import { type Notice, tell } from "./notices.ts";

/** What becomes of a job. */
export interface Move {
  readonly found: Found;
  /** `null`: it is removed. */
  readonly after: JobRecord | null;
  readonly changes: readonly JobChange[];
  readonly isSuspect?: boolean;
  /** The token whose word it is. */
  readonly settledBy?: string;
  readonly logs?: readonly NewLogLine[];
  /** Back to those that wait, but not handed out again for so long. */
  readonly holdMs?: number;
}

/** How long the lock stands under which a waiting job is ended: the act itself. */
const PULL_LOCK_MS = 30_000;
const PULL_TOKEN = "millrace";
/** Place of the time among the arguments of BullMQ's script that ends a job: after its 14 keys and the id. */
const FINISHED_AT = 15;

/** Writes moves of different jobs. */
export function writeMoves(
  link: Link,
  turn: Turn,
  writes: Writes,
  moves: readonly Move[],
  nowMs: number,
): void {
  // What goes back to the front of a list goes there last first, so that the order stands.
  const back = moves.filter(goesBack);
  const others = moves.filter((move) => !goesBack(move));
  for (const move of [...others, ...back.toReversed()]) writeMove(link, turn, writes, move, nowMs);
}

function goesBack({ found, after }: Move): boolean {
  return found.list === "active" && after?.state === "ready";
}

function writeMove(link: Link, turn: Turn, writes: Writes, move: Move, nowMs: number): void {
  const { found, after } = move;
  const backend = turn.peer.backend(found.queue);
  const key = link.keys.bull(found.queue, found.bullId);
  for (const line of move.logs ?? []) writes.add("RPUSH", `${key}:logs`, writeLogLine(line));
  if (after !== null) writeExtras(writes, key, move, after);
  if (move.changes.length > 0) tell(link.keys, writes, noticeOf(move, nowMs));
  if (after === null) removeJob(link, writes, backend, move);
  else if (isTerminal(after.state)) endJob(link, writes, backend, move, after);
  else if (isTerminal(found.record.state)) reviveJob(link, writes, backend, found);
  else if (found.list === "active" && after.state === "scheduled") {
    const delayMs = after.dueAtMs - nowMs;
    const token = found.lock ?? "0";
    writes.script(
      backend,
      "moveToDelayed",
      backend.moveToDelayedArgs(found.bullId, nowMs, token, delayMs, { skipAttempt: true }),
    );
  } else if (goesBack(move) && (move.holdMs ?? 0) > 0) {
    const token = found.lock ?? "0";
    const holding = backend.moveToDelayedArgs(found.bullId, nowMs, token, move.holdMs ?? 0, {
      skipAttempt: true,
    });
    writes.script(backend, "moveToDelayed", holding);
  } else if (goesBack(move)) {
    const token = found.lock ?? "0";
    writes.script(backend, "retryJob", backend.retryJobArgs(found.bullId, true, token));
  }
  if (after === null) return;
  writes.add("HSET", key, "atm", after.attempts);
  indexJob(link, writes, found, after);
}

function writeExtras(writes: Writes, key: string, move: Move, after: JobRecord): void {
  const { found } = move;
  const extras: Extras = {
    due: after.dueAtMs,
    ...(after.expiresAtMs === found.record.expiresAtMs && found.extras.expires === undefined
      ? {}
      : { expires: after.expiresAtMs }),
    ...(after.crashes === 0 ? {} : { crashes: after.crashes }),
    ...(after.history.length === 0 ? {} : { history: after.history }),
    ...(after.error === null ? {} : { error: after.error }),
    ...(after.cancelRequest === null ? {} : { cancel: after.cancelRequest }),
    ...(after.state === "cancelled" ? { isCancelled: true } : {}),
    ...(after.removeAtMs === null ? {} : { removeAt: after.removeAtMs }),
    ...((move.isSuspect ?? found.extras.isSuspect === true) ? { isSuspect: true } : {}),
    ...(move.settledBy === undefined ? {} : { settledBy: move.settledBy }),
  };
  writes.undo("HSET", key, OWN_FIELD, JSON.stringify(found.extras));
  writes.add("HSET", key, OWN_FIELD, JSON.stringify(extras));
  if (after.progress === null) writes.add("HDEL", key, "progress");
  else if (after.progress !== found.record.progress)
    writes.add("HSET", key, "progress", after.progress);
}

/** Which of BullMQ's own events tells the same, so that followers are not told twice. */
function noticeOf({ found, after, changes }: Move, nowMs: number): Notice {
  const { id, record, queue, bullId, list } = found;
  const isRunning = list === "active";
  const covers =
    after === null
      ? isRunning
        ? changes.some(({ kind }) => kind === "succeeded")
          ? "completed"
          : "failed"
        : "removed"
      : isTerminal(after.state)
        ? after.state === "succeeded"
          ? "completed"
          : "failed"
        : null;
  return { id, queue, bullId, type: record.type, atMs: nowMs, changes, covers };
}

function endJob(
  link: Link,
  writes: Writes,
  backend: RedisQueueBackend,
  { found }: Move,
  after: JobRecord,
): void {
  const { keys } = link;
  if (found.list !== "active") pull(link, writes, found);
  const token = found.list === "active" ? (found.lock ?? "0") : PULL_TOKEN;
  finish(writes, backend, { found, token, after, isKept: true, atMs: after.finishedAtMs ?? 0 });
  const entry = entryOf(found.queue, found.bullId);
  const key = keys.bull(found.queue, found.bullId);
  if (after.state !== "succeeded" && after.error?.stack !== undefined) {
    writes.add("HSET", key, "stacktrace", JSON.stringify([after.error.stack]));
  }
  if (after.removeAtMs !== null && Number.isFinite(after.removeAtMs)) {
    writes.add("ZADD", keys.removals, after.removeAtMs, entry);
  }
  writes.add("ZADD", keys.ended(after.state, after.type), after.finishedAtMs ?? 0, entry);
  if (after.state === "cancelled") writes.add("SADD", keys.cancelled(found.queue), found.bullId);
}

/** BullMQ ends what is active: a job that waits is made so in the same act. */
function pull({ keys }: Link, writes: Writes, { queue, bullId, list }: Found): void {
  if (list === "wait") writes.add("LREM", keys.bull(queue, "wait"), 1, bullId);
  else writes.add("ZREM", keys.bull(queue, list), bullId);
  writes.add("LPUSH", keys.bull(queue, "active"), bullId);
  writes.add("SET", `${keys.bull(queue, bullId)}:lock`, PULL_TOKEN, "PX", PULL_LOCK_MS);
}

function finish(
  writes: Writes,
  backend: RedisQueueBackend,
  end: {
    readonly found: Found;
    readonly token: string;
    readonly after: Pick<JobRecord, "state" | "result" | "error">;
    readonly isKept: boolean;
    readonly atMs: number;
  },
): void {
  const { found, token, after, isKept, atMs } = end;
  // What the script asks of a job: its id, and how its failure touches a parent.
  const job = {
    id: found.bullId,
    opts: {
      attempts: Number(found.options["attempts"] ?? 1),
      failParentOnFailure: found.options["fpof"],
      continueParentOnFailure: found.options["cpof"],
      ignoreDependencyOnFailure: found.options["idof"],
      removeDependencyOnFailure: found.options["rdof"],
    },
  } as never;
  const keep = { count: isKept ? -1 : 0 };
  const args =
    after.state === "succeeded"
      ? backend.moveToCompletedArgs(job, after.result, keep, token, false)
      : backend.moveToFailedArgs(job, after.error?.message ?? "", keep, token, false);
  args[FINISHED_AT] = atMs;
  writes.script(backend, "moveToFinished", args);
}

function removeJob(
  link: Link,
  writes: Writes,
  backend: RedisQueueBackend,
  { found, changes }: Move,
): void {
  const { keys } = link;
  const { queue, bullId, id, record } = found;
  if (found.list === "active") {
    const end = changes.find(({ kind }) => kind !== "log" && kind !== "progress");
    const after = {
      state: end?.kind === "succeeded" ? ("succeeded" as const) : ("failed" as const),
      result: end?.kind === "succeeded" ? end.result : null,
      error: end !== undefined && "error" in end ? end.error : null,
    };
    finish(writes, backend, {
      found,
      token: found.lock ?? "0",
      after,
      isKept: false,
      atMs: Date.now(),
    });
  } else {
    writes.script(backend, "removeJob", [
      keys.bull(queue, bullId),
      keys.bull(queue, "repeat"),
      bullId,
      0,
      keys.bull(queue, ""),
    ]);
  }
  if (isTerminal(record.state)) forgetEnd(link, writes, found);
  writes.add("ZREM", keys.expiries, entryOf(queue, bullId));
  if (bullId !== id) writes.add("HDEL", keys.aliases, id);
}

/** A failed job waits again. */
function reviveJob(link: Link, writes: Writes, backend: RedisQueueBackend, found: Found): void {
  const key = (name: string): string => link.keys.bull(found.queue, name);
  writes.script(backend, "reprocessJob", [
    key(found.bullId),
    key("events"),
    key("failed"),
    key("wait"),
    key("meta"),
    key("active"),
    key("marker"),
    key("prioritized"),
    key("pc"),
    found.bullId,
    "LPUSH",
    "failedReason",
    "failed",
    "0",
    "0",
  ]);
  // The script forgets when it last began.
  const { startedAtMs } = found.record;
  if (startedAtMs !== null) writes.add("HSET", key(found.bullId), "processedOn", startedAtMs);
  forgetEnd(link, writes, found);
}

function forgetEnd({ keys }: Link, writes: Writes, { queue, bullId, record }: Found): void {
  const entry = entryOf(queue, bullId);
  writes.add("ZREM", keys.removals, entry);
  writes.add("ZREM", keys.ended(record.state, record.type), entry);
  if (record.state === "cancelled") writes.add("SREM", keys.cancelled(queue), bullId);
}

function indexJob({ keys }: Link, writes: Writes, found: Found, after: JobRecord): void {
  const entry = entryOf(found.queue, found.bullId);
  if (after.expiresAtMs === null || isTerminal(after.state)) {
    if (found.record.expiresAtMs !== null) writes.add("ZREM", keys.expiries, entry);
  } else if (after.state === "ready" || after.state === "scheduled") {
    writes.add("ZADD", keys.expiries, after.expiresAtMs, entry);
  }
}
