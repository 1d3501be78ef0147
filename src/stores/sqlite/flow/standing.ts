// What stands for a new job: one of the same key, or as many as its limit lets run.
import { type LimitKey, type NewLimitKey, type Unique, isStandingFor } from "../../../core/flow.ts";
import { JOB_STATES, type JobState } from "../../../core/job.ts";
import type { EnqueueReply, NewJob } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { debounce } from "./debounce.ts";
import { EXTRA } from "../extras.ts";
import { enterGroup } from "./gates.ts";
import { noteKeyed } from "./keyed.ts";
import type { Lane } from "../lanes.ts";
import { boundsOf } from "./limits.ts";
import { changeJobs } from "../orders.ts";
import { dashed } from "../rows.ts";

/** The job that stands for a new one, told as the reply to it; `null`: the new one is to be kept. */
export function findStanding(context: Context, job: NewJob): EnqueueReply | null {
  // The same enqueue again finds its own job, whoever else stands.
  if (isKept(context, job.id)) return null;
  if (job.unique !== undefined) {
    const standing = findUnique(context, job, job.unique);
    if (standing !== null) return standing;
  }
  const full = (job.keys ?? []).flatMap((key) =>
    isChoosing(key) ? (fullKey(context, job, key) ?? []) : [],
  );
  // Nothing is cancelled for a job that another of its keys drops.
  if (full.some(({ key }) => key.onLimit === "drop-new")) {
    return { id: job.id, state: null, isNew: false, because: "dropped" };
  }
  for (const each of full) cancelOldest(context, each);
  return null;
}

function isKept({ connection, namespace }: Context, id: string): boolean {
  const sql = "SELECT 1 FROM jobs WHERE namespace = ? AND id = unhex(?, '-')";
  return connection.first(sql, namespace, id) !== undefined;
}

function findUnique(context: Context, job: NewJob, unique: Unique): EnqueueReply | null {
  const { connection, namespace } = context;
  const rows = connection.all(
    `SELECT lower(hex(u.id)), (SELECT state FROM jobs j WHERE j.namespace = u.namespace AND j.id = u.id)
     FROM uniques u WHERE namespace = ? AND queue = ? AND type = ? AND key = ?`,
    namespace,
    job.queue,
    job.type,
    unique.key,
  );
  for (const [hex, number] of rows) {
    const id = dashed(String(hex));
    const state: JobState | undefined = number === null ? undefined : JOB_STATES[Number(number)];
    if (state === undefined || !isStandingFor(state, unique)) continue;
    if (unique.debounce === undefined) return { id, state, isNew: false, because: "unique" };
    return debounce(context, id, job, unique.debounce);
  }
  return null;
}

/** A key of a new job under which as many stand as its limit lets run, or more. */
interface FullKey {
  readonly key: NewLimitKey;
  readonly gate: number;
  /** Whose place the new one would take. */
  readonly oldest: readonly string[];
}

function fullKey(context: Context, job: NewJob, key: NewLimitKey): FullKey | null {
  const { concurrency } = boundsOf(context, job.queue, key.limit);
  if (concurrency === null) return null;
  const { no: gate } = context.gates.ofKey(context, job.queue, key);
  const rows = context.connection.all(
    "SELECT lower(hex(id)) FROM standing WHERE gate = ? ORDER BY id",
    gate,
  );
  if (rows.length < concurrency) return null;
  const oldest = rows.slice(0, rows.length - concurrency + 1).map(([hex]) => dashed(String(hex)));
  return { key, gate, oldest };
}

function cancelOldest(context: Context, { key, gate, oldest }: FullKey): void {
  const reason = `a newer job of ${key.limit} ${JSON.stringify(key.key)} took its place`;
  changeJobs(context, { ids: oldest, order: { kind: "cancel", reason } });
  for (const id of oldest) forgetStanding(context, gate, id);
}

/** One that was asked to cancel stands in nobody's way any more, however long it takes to end. */
function forgetStanding({ connection }: Context, gate: number, id: string): void {
  connection.run("DELETE FROM standing WHERE gate = ? AND id = unhex(?, '-')", gate, id);
}

/** Extras and group of a new job's row. */
export function flowOfNew(
  context: Context,
  lane: Lane,
  job: NewJob,
  isReady: boolean,
): { readonly extras: number; readonly group: number | null } {
  const { keys = [], unique } = job;
  if (keys.length > 0) noteKeyed(context, lane);
  return {
    extras:
      (keys.length > 0 ? EXTRA.keys : 0) |
      (keys.some(isChoosing) ? EXTRA.standing : 0) |
      (unique === undefined ? 0 : EXTRA.unique),
    group: keys.length > 0 && isReady ? enterGroup(context, lane, keys.map(bare)).no : null,
  };
}

/** Keeps what a new job stands for. */
export function putFlow(context: Context, job: NewJob): void {
  const { connection, namespace } = context;
  for (const key of job.keys ?? []) {
    if (!isChoosing(key)) continue;
    const gate = context.gates.ofKey(context, job.queue, key);
    connection.run(
      "INSERT OR IGNORE INTO standing VALUES (?, ?, unhex(?, '-'))",
      namespace,
      gate.no,
      job.id,
    );
  }
  if (job.unique === undefined) return;
  connection.run(
    "INSERT OR IGNORE INTO uniques VALUES (?, ?, ?, ?, unhex(?, '-'))",
    namespace,
    job.queue,
    job.type,
    job.unique.key,
    job.id,
  );
}

function isChoosing({ onLimit = "wait" }: NewLimitKey): boolean {
  return onLimit !== "wait";
}

function bare({ limit, key }: NewLimitKey): LimitKey {
  return { limit, key };
}
