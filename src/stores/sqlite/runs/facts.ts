// Facts: what workflow runs are told (a child ended, a signal), kept with their record; and who must hear of it.
import type { JobId } from "../../../core/ids.ts";
import { JOB_STATES, type JobRecord, type JobState, isTerminal } from "../../../core/job.ts";
import {
  type RunFact,
  type RunNews,
  type Signal,
  endingOf,
  writeSignal,
} from "../../../core/run.ts";
import type { ChangeReply } from "../../../core/store.ts";
import { type Context, emit } from "../context.ts";
import { STATE } from "../counts.ts";
import { EXTRA } from "../extras.ts";
import { enterGroup } from "../flow/gates.ts";
import type { Lane } from "../lanes.ts";
import { keysOf } from "../rest.ts";
import { dashed, laneOf, noteReady } from "../rows.ts";
import { findWorkerNumber } from "../worker-names.ts";

/** Kinds of rows in a run's record: its own entries, by number, come before facts, by id. */
export const ENTRY = 0;
const FACT: Readonly<Record<RunFact["kind"], number>> = { ended: 1, signal: 2 };
/** The kinds of facts, by the number of their rows. */
export const FACT_KINDS: readonly (RunFact["kind"] | undefined)[] = [undefined, "ended", "signal"];

const FIND = `SELECT state, lane, worker, token IS NOT NULL, entries, due_at - rank, extras & ${EXTRA.keys} FROM jobs
  WHERE namespace = ? AND id = unhex(?, '-')`;
const PUT = "INSERT OR IGNORE INTO runs VALUES (?, unhex(?, '-'), unhex(?, '-'), ?, ?)";
/** For a run whose row is remembered. */
const PUT_HELD = `INSERT OR IGNORE INTO runs SELECT namespace, id, unhex(?, '-'), ?, ? FROM jobs
  WHERE namespace = ? AND id = unhex(?, '-') AND token = ?`;
const MARK = `UPDATE jobs SET extras = extras | ${EXTRA.run} WHERE namespace = ? AND id = unhex(?, '-')`;
const WAKE = `UPDATE jobs SET state = 1, due_at = ?, rank = ?, grp = ? WHERE namespace = ? AND id = unhex(?, '-')`;
const REST = "SELECT rest FROM jobs WHERE namespace = ? AND id = unhex(?, '-')";
const TELL_LATER = "INSERT OR IGNORE INTO news VALUES (?, unhex(?, '-'), unhex(?, '-'))";

/**
 * Keeps a fact for a run and wakes the run: its owner hears of it, one that is out of memory is ready. `by`: the worker
 * that brings it and so knows it already. Gives back the state in which the run was found; `null`: it is not kept.
 */
export function tellRun(
  context: Context,
  run: JobId,
  fact: RunFact,
  by: string | null,
): JobState | null {
  const held = by === null ? null : tellOwn(context, run, fact, by);
  if (held !== null) return held;
  const { connection, namespace, nowMs } = context;
  const row = connection.first(FIND, namespace, run);
  if (row === undefined) return null;
  const state = JOB_STATES[Number(row[0])] ?? "ready";
  if (isTerminal(state)) return state;
  const kind = BigInt(FACT[fact.kind]);
  if (connection.run(PUT, namespace, run, fact.key, kind, fact.body) === 0) return state;
  const lane = laneOf(context, Number(row[1]));
  const hasBegun = Number(row[4]) > 0;
  if (!hasBegun) connection.run(MARK, namespace, run);
  if (Number(row[3]) === 1) {
    const owner = Number(row[2]);
    if (by === null || findWorkerNumber(context, by) !== owner) {
      if (context.isAttached(owner)) context.effects.news.push({ owner, news: { run, fact } });
      else connection.run(TELL_LATER, BigInt(owner), run, fact.key);
    }
  } else if (hasBegun && (state === "waiting" || state === "scheduled")) {
    const group = Number(row[6]) === 0 ? null : groupOf(context, lane, run);
    connection.run(WAKE, nowMs, nowMs - Number(row[5]), group, namespace, run);
    context.counts.add(lane.no, STATE[state], -1);
    context.counts.add(lane.no, STATE.ready, 1);
    noteReady(context, lane);
    emit(context, lane, run, { kind: "advanced", state: "ready" });
    return "ready";
  }
  emit(context, lane, run, { kind: "advanced", state });
  return state;
}

/** The group in which a run with keys waits once it is ready: limits hold it there. */
function groupOf(context: Context, lane: Lane, run: JobId): number {
  const row = context.connection.first(REST, context.namespace, run);
  return enterGroup(context, lane, keysOf(row?.[0])).no;
}

/** Keeps a fact for a run of which it is known that it is kept and not over. */
export function putFact({ connection, namespace }: Context, run: JobId, fact: RunFact): void {
  connection.run(PUT, namespace, run, fact.key, BigInt(FACT[fact.kind]), fact.body);
}

/** Tells a run by its own owner, in one statement. `null` where that does not fit: nothing was changed then. */
function tellOwn(context: Context, run: JobId, fact: RunFact, by: string): JobState | null {
  const known = context.held.find(run);
  if (known === undefined || findWorkerNumber(context, by) !== known.owner) return null;
  const { connection, namespace } = context;
  const kind = BigInt(FACT[fact.kind]);
  if (connection.run(PUT_HELD, fact.key, kind, fact.body, namespace, run, known.token) === 0) {
    return null;
  }
  const state = JOB_STATES[known.state] ?? "waiting";
  emit(context, known.lane, run, { kind: "advanced", state });
  return state;
}

/** Tells the run that made a job, where one did, that it ended. `ended`: its record as it ended. */
export function tellParent(context: Context, ended: JobRecord, by: string | null): void {
  if (ended.parent === undefined) return;
  const body = endingOf(ended, context.nowMs);
  tellRun(context, ended.parent, { key: ended.id, kind: "ended", body }, by);
}

/** Keeps signals for runs. */
export function signal(context: Context, signals: readonly Signal[]): ChangeReply[] {
  return signals.map((each) => {
    const body = writeSignal(each, context.nowMs);
    const state = tellRun(context, each.run, { key: each.id, kind: "signal", body }, null);
    return state === null || isTerminal(state)
      ? { changed: false, state }
      : { changed: true, state };
  });
}

/** Most news read in one look; the rest come with the next. */
const MAX_NEWS = 1_000;
const NEWS = `SELECT lower(hex(news.run)), lower(hex(news.key)), kind, body FROM news JOIN runs USING (run, key)
  WHERE news.worker = ? AND runs.namespace = ? LIMIT ${MAX_NEWS}`;
const DROP = "DELETE FROM news WHERE worker = ? AND run = unhex(?, '-') AND key = unhex(?, '-')";

/** What other processes told the runs of a worker, as far as it is not forgotten. */
export function newsFor(context: Context, workerNo: number): RunNews[] {
  const rows = context.connection.all(NEWS, workerNo, context.namespace);
  return rows.map(([run, key, kind, body]) => ({
    run: dashed(String(run)),
    fact: {
      key: dashed(String(key)),
      kind: FACT_KINDS[Number(kind)] ?? "ended",
      body: String(body),
    },
  }));
}

/** Forgets news that were heard. */
export function dropNews(
  { connection }: Context,
  workerNo: number,
  heard: readonly { readonly run: JobId; readonly key: JobId }[],
): void {
  for (const { run, key } of heard) connection.run(DROP, workerNo, run, key);
}
