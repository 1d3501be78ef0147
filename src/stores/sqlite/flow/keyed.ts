// Jobs with keys between their states: when they enter a group, leave their gates, and what else ends with them.
import { isTerminal } from "../../../core/job.ts";
import type { Context } from "../context.ts";
import { EXTRA } from "../extras.ts";
import { enterGroup, leaveGates } from "./gates.ts";
import type { Lane } from "../lanes.ts";
import type { StoredJob } from "../rows.ts";

/** Bits of what is kept of a job only until it ends. */
const FLOW_EXTRAS: number = EXTRA.keys | EXTRA.standing | EXTRA.unique;

/** A job changes: it leaves its gates, or enters its group. Gives the number of the group for its row. */
export function regroup(context: Context, before: StoredJob, after: StoredJob): number | null {
  const { keys, state } = after.record;
  // A claim counts at the gates until it ends: a workflow run that its owner holds while it waits does, too.
  const isClaimed = after.record.token !== null;
  if (before.group !== null && before.record.token !== null && !isClaimed) {
    leaveGates(context, context.gates.group(context, before.group));
  }
  if (keys.length === 0) return null;
  // Its first keys may come with another input, long after its lane.
  noteKeyed(context, after.lane);
  if (isClaimed) return before.group;
  // A suspect waits apart; its gates are looked at when it is claimed.
  if (state !== "ready" || after.company !== null) return null;
  return enterGroup(context, after.lane, keys).no;
}

/** A lane has jobs with keys from now on: each process looks at its turns. */
export function noteKeyed(context: Context, lane: Lane): void {
  if (lane.isKeyed) return;
  context.connection.run("UPDATE lanes SET keyed = 1 WHERE no = ?", lane.no);
  context.lanes.noteKeyed(lane);
  context.connection.run("UPDATE revision SET n = n + 1");
}

/** A job changes: what is kept until it ends goes with its end. Gives its extras. */
export function flowExtras(context: Context, after: StoredJob, extras: number): number {
  if (!isTerminal(after.record.state)) {
    return after.record.keys.length === 0 ? extras : extras | EXTRA.keys;
  }
  endFlow(context, after.lane, after.record.id, extras, after.unique);
  return extras & ~FLOW_EXTRAS;
}

/** A job is over: it stands for no other any more. */
export function endFlow(
  { connection, namespace }: Context,
  lane: Lane,
  id: string,
  extras: number,
  unique: string | undefined,
): void {
  if ((extras & EXTRA.standing) !== 0) {
    connection.run(
      "DELETE FROM standing WHERE namespace = ? AND id = unhex(?, '-')",
      namespace,
      id,
    );
  }
  if ((extras & EXTRA.unique) === 0 || unique === undefined) return;
  connection.run(
    `DELETE FROM uniques WHERE namespace = ? AND queue = ? AND type = ? AND key = ? AND id = unhex(?, '-')`,
    namespace,
    lane.queue,
    lane.type,
    unique,
    id,
  );
}
