// Retention: finished jobs go when their time is over, or when their type keeps enough others.
import type { TerminalState } from "../../core/job.ts";
import type { Row } from "./thread/connection.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { STATE } from "./counts.ts";
import { tagsOf } from "./rest.ts";
import { dashed, laneOf, removeExtras } from "./rows.ts";

/** What removal must know of a job: neither its input nor its history. */
const COLUMNS = "id, lower(hex(id)), lane, state, extras, rest, finished_at";
const OLD = `SELECT ${COLUMNS} FROM jobs WHERE namespace = ? AND remove_at <= ? AND remove_at IS NOT NULL
  ORDER BY remove_at LIMIT ?`;
const FIRST_FINISHED = `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_finished WHERE lane = ? AND state = ? AND state >= 4
  ORDER BY finished_at, id LIMIT ?`;
const KEPT = `SELECT type, state, sum(n) FROM lanes JOIN counts ON lane = no
  WHERE namespace = ? AND state >= 4 GROUP BY type, state`;

/** Removes jobs whose time is over, at most `limit`. Gives back how many. */
export function removeOld(context: Context, limit: number): number {
  const { connection, namespace, nowMs } = context;
  return drop(context, connection.all(OLD, namespace, nowMs, limit));
}

/** Removes what types keep beyond their count, what finished first first, at most `limit`. Gives back how many. */
export function removeExcess(context: Context, limit: number): number {
  let done = 0;
  // What this transaction has changed so far counts, too.
  context.counts.write();
  for (const [type, state, kept] of context.connection.all(KEPT, context.namespace)) {
    const { retention } = policyOf(context, String(type), undefined);
    const bound = retention[stateName(Number(state))].count;
    const excess = Math.min(Number(kept) - bound, limit - done);
    if (excess > 0) done += drop(context, firstFinished(context, String(type), state, excess));
  }
  return done;
}

function stateName(state: number): TerminalState {
  if (state === STATE.succeeded) return "succeeded";
  return state === STATE.failed ? "failed" : "cancelled";
}

/** A type's lanes each know their order; the first of all are among the first of each. */
function firstFinished(
  context: Context,
  type: string,
  state: Row[number] | undefined,
  limit: number,
): readonly Row[] {
  const lanes = context.lanes.all().filter((lane) => lane.type === type);
  const rows = lanes.flatMap(({ no }) =>
    context.connection.all(FIRST_FINISHED, no, state ?? null, limit),
  );
  rows.sort((left, right) => {
    const apart = Number(left[6]) - Number(right[6]);
    return apart === 0 ? Buffer.compare(left[0] as Uint8Array, right[0] as Uint8Array) : apart;
  });
  return rows.slice(0, limit);
}

function drop(context: Context, rows: readonly Row[]): number {
  const { connection, namespace } = context;
  for (const [key, hex, lane, state, extras, rest] of rows) {
    connection.run("DELETE FROM jobs WHERE namespace = ? AND id = ?", namespace, key ?? null);
    context.counts.add(Number(lane), Number(state), -1);
    if (extras === 0 && !context.isFollowed) continue;
    const id = dashed(String(hex));
    removeExtras(context, id, Number(extras), tagsOf(rest));
    emit(context, laneOf(context, Number(lane)), id, { kind: "removed" });
  }
  return rows.length;
}

/** Forgets idempotency keys whose time is over, at most `limit`. Gives back how many. */
export function forgetKeys(context: Context, limit: number): number {
  return context.connection.run(
    `DELETE FROM keys WHERE (namespace, type, key) IN
       (SELECT namespace, type, key FROM keys WHERE namespace = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    context.namespace,
    context.nowMs,
    limit,
  );
}
