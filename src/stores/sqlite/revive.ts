// Ended jobs made ready again by the hundred: two statements for all of which nothing but their row changes.
import { type Context, emit, noteRoom } from "./context.ts";
import { STATE } from "./counts.ts";
import { EXTRA } from "./extras.ts";
import { cursorOf } from "./list.ts";
import { dashed, laneOf, noteReady } from "./rows.ts";

/** Of these more is kept than a row, and it changes when they are ready. */
const MORE_THAN_A_ROW = EXTRA.run | EXTRA.parent | EXTRA.keys | EXTRA.standing | EXTRA.unique;

const CHOSEN = "namespace = ? AND id IN (SELECT unhex(value) FROM json_each(?))";

/** A text in `rest` that only looks like progress or strikes costs its job the long way. */
const PLAIN = `SELECT lower(hex(id)), lane, state FROM jobs WHERE ${CHOSEN}
  AND state IN (${STATE.failed}, ${STATE.cancelled}) AND company IS NULL AND cancel_at IS NULL AND entries = 0
  AND extras & ${MORE_THAN_A_ROW} = 0
  AND (rest IS NULL OR (instr(rest, '"progress":') = 0 AND instr(rest, '"strikes":') = 0))`;
/*
 * What `retryByHand` makes of such a job. Its `rest` stays, so the indexes of errors and keys, which are made of its JSON,
 * are left alone. A job took 47 µs of the store thread so, of which half is the commit, and 56 µs read and written by
 * itself (20,000 failed jobs with their stacks, a busy machine).
 */
const REVIVE = `UPDATE OR FAIL jobs SET state = ${STATE.ready}, rank = ? + rank - due_at, due_at = ?, attempts = 0,
  crashes = 0, expires_at = NULL, finished_at = NULL, remove_at = NULL WHERE ${CHOSEN}`;

/** What became of jobs that should be ready again. */
export interface Revived {
  readonly changed: number;
  /** Those that have to be read, and decided one by one. */
  readonly left: readonly Uint8Array[];
}

/** Makes ended jobs ready again, as far as they are plain. */
export function revivePlain(context: Context, ids: readonly Uint8Array[]): Revived {
  const { connection, namespace, nowMs } = context;
  const asked = ids.map(cursorOf);
  const rows = connection.all(PLAIN, namespace, JSON.stringify(asked));
  if (rows.length === 0) return { changed: 0, left: ids };
  const plain = rows.map(([id]) => String(id));
  connection.run(REVIVE, nowMs, nowMs, namespace, JSON.stringify(plain));
  noteRoom(context);
  for (const [id, no, state] of rows) {
    const lane = laneOf(context, Number(no));
    context.counts.add(lane.no, Number(state), -1);
    context.counts.add(lane.no, STATE.ready, 1);
    noteReady(context, lane);
    emit(context, lane, dashed(String(id)), { kind: "readied", why: "asked" });
  }
  if (plain.length === ids.length) return { changed: plain.length, left: [] };
  const done = new Set(plain);
  return { changed: plain.length, left: ids.filter((_, index) => !done.has(asked[index] ?? "")) };
}
