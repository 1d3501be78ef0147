// Upkeep of groups and gates: those of keys that nobody uses any more are forgotten.
import { NO_STARTS, type Starts, roomInWindow } from "../../../core/flow.ts";
import type { Context } from "../context.ts";
import { boundsOf } from "./limits.ts";

/** Groups, and gates, looked at in one step of a sweep. */
const MAX_LOOKED_AT = 1_000;
const GROUPS = `SELECT no, turn, parked_at FROM key_groups WHERE namespace = ? AND no > ? ORDER BY no LIMIT ?`;
const IDLE_GATES = `SELECT no, queue, name, starts FROM gates WHERE namespace = ? AND no > ? AND running = 0
  AND parked = 0 AND (held_until IS NULL OR held_until <= ?)
  AND NOT EXISTS (SELECT 1 FROM standing WHERE gate = gates.no) ORDER BY no LIMIT ?`;

/**
 * Forgets groups of which nothing is ready or runs, and gates of which there is nothing to remember: both are made anew
 * when they are needed. Gives back how many.
 */
export function forgetIdleKeys(context: Context, limit: number): number {
  if (context.lanes.keyed().length === 0) return 0;
  context.gates.write(context);
  const most = Math.min(limit, MAX_LOOKED_AT);
  const done = forgetGroups(context, most) + forgetGates(context, most);
  if (done > 0) context.gates.forget();
  return done;
}

function forgetGroups(context: Context, most: number): number {
  const { connection, namespace, gates, idleFrom } = context;
  const rows = connection.all(GROUPS, namespace, idleFrom.group, most);
  idleFrom.group = rows.length < most ? 0 : Number(rows.at(-1)?.[0]);
  let done = 0;
  for (const [no, turn, parkedAt] of rows) {
    if (turn !== null || parkedAt !== null) continue;
    if (gates.group(context, Number(no)).gates.some(({ running }) => running > 0)) continue;
    done += connection.run("DELETE FROM key_groups WHERE no = ?", Number(no));
  }
  return done;
}

function forgetGates(context: Context, most: number): number {
  const { connection, namespace, idleFrom, nowMs } = context;
  const rows = connection.all(IDLE_GATES, namespace, idleFrom.gate, nowMs, most);
  idleFrom.gate = rows.length < most ? 0 : Number(rows.at(-1)?.[0]);
  let done = 0;
  for (const [no, queue, name, starts] of rows) {
    const { rate } = boundsOf(context, String(queue), String(name));
    const kept = typeof starts === "string" ? (JSON.parse(starts) as Starts) : NO_STARTS;
    const isRecent = rate !== null && roomInWindow(kept, rate, nowMs).room < rate.limit;
    if (!isRecent) done += connection.run("DELETE FROM gates WHERE no = ?", Number(no));
  }
  return done;
}
