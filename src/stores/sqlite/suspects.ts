// Suspects: how a job that kills its worker is found without charging the jobs that ran beside it.
import type { SQLOutputValue } from "node:sqlite";
import { type Claiming, type OpenLane, claimSuspects } from "./claim.ts";
import type { Context } from "./context.ts";
import { shutGate } from "./flow/gates.ts";
import { EXTRA } from "./extras.ts";
import { keysOf } from "./rest.ts";
import type { StoredJob } from "./rows.ts";

/*
 * A worker died with n jobs running; one of them may be the cause, and most deaths (a deploy, a kill, no power) have no
 * cause among them. So:
 * - A job that was alone (n = 1) is charged: its `crashes` go up, and at its type's `maxCrashes` it fails.
 * - In company nobody is charged. Each of the n gets a strike, which any end of a try takes away (the worker outlived
 *   the job). The first strike has no consequence: after an ordinary kill all goes on as before.
 * - From the second strike in a row a job is a suspect: it is claimed only into a worker that runs nothing else, and at
 *   most `company` jobs with it, a tenth of those it died with. So 100 become 10 and then 1: two more deaths isolate
 *   the culprit, which is then charged each time, while its old neighbours end and are cleared.
 * A worker of concurrency 1 needs `maxCrashes` deaths; one of concurrency 100 needs three more.
 *
 * A suspect is not given to a worker that says that it is young. Chance finds a try of 30 ms under a worker that is
 * killed every 2.5 s (row W1 of the faults) once in 83, and three times in a row, which fails the job, once in 580,000.
 * But idle workers are mostly those that have just begun, and what kills a worker as it begins kills the next one too:
 * there one start in three was killed at once, and three in a row were one in 27.
 *
 * Jobs that a worker claimed ahead and has not begun count among the n: the store is not told of beginnings, which would
 * cost a write for each job. They get a strike that their next end takes away, and are never charged for it: a worker
 * that holds jobs ahead runs others.
 *
 * The runtime has nothing to do for it: it asks with its free slots, as always, and may be given nothing while a group
 * of suspects runs, or while the worker drains for one that has waited too long.
 */

/** Strikes in a row that make a suspect. */
const SUSPECT_STRIKES = 2;
/** By how much the company shrinks at each strike: 100 jobs are told apart in two steps. */
const COMPANY_DIVISOR = 10;
/** A suspect that waited this long for an idle worker makes the next one that asks drain for it. */
const SUSPECT_PATIENCE_MS = 5_000;

/** What suspicion marks a job with. */
export type Suspicion = Pick<StoredJob, "strikes" | "company">;

/** What a worker's death makes of one of the jobs that ran in it: whether it is charged, and its new marks. */
export function suspectAfterDeath(
  job: Suspicion,
  runningJobs: number,
): Suspicion & { readonly isCharged: boolean } {
  const strikes = job.strikes + 1;
  const company =
    strikes < SUSPECT_STRIKES ? null : Math.max(1, Math.floor(runningJobs / COMPANY_DIVISOR));
  return { isCharged: runningJobs === 1, strikes, company };
}

const RUNNING = "SELECT count(*), min(company) FROM jobs WHERE worker = ? AND state = 2";
/** It became a suspect when its latest try was lost. */
const OLDEST = `SELECT company, rank, json_extract(rest, '$.history[#-1].endedAtMs'), extras, rest FROM jobs
  WHERE lane = ? AND state = 1 AND company IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)
  ORDER BY rank, id LIMIT 1`;

/** Claims suspects when it is their turn, and takes from the claim's capacity what suspicion forbids. */
export function claimForSuspects(
  context: Context,
  claiming: Claiming,
  open: readonly OpenLane[],
): void {
  const waiting = claiming.request.isYoung === true ? null : oldestSuspect(context, open);
  const { suspectWorkers } = context;
  if (waiting === null && !suspectWorkers.has(claiming.workerNo)) return;
  const [count, company] = context.connection.first(RUNNING, claiming.workerNo) ?? [0, null];
  const running = Number(count);
  if (company !== null && company !== undefined) {
    claiming.left = Math.max(0, Math.min(claiming.left, Number(company) - running));
    return;
  }
  suspectWorkers.delete(claiming.workerNo);
  if (waiting === null) return;
  if (running > 0) {
    if (context.nowMs - waiting.sinceMs >= SUSPECT_PATIENCE_MS) claiming.left = 0;
    return;
  }
  claimSuspects(context, claiming, waiting, waiting.company);
  suspectWorkers.add(claiming.workerNo);
  claiming.left = 0;
}

interface WaitingSuspect extends OpenLane {
  readonly company: number;
  readonly rank: number;
  readonly sinceMs: number;
}

function oldestSuspect(context: Context, open: readonly OpenLane[]): WaitingSuspect | null {
  let oldest: WaitingSuspect | null = null;
  for (const entry of open) {
    if (!entry.lane.mayBeSuspect || entry.offer.left === 0) continue;
    const row = context.connection.first(OLDEST, entry.lane.no, context.nowMs);
    if (row === undefined) {
      entry.lane.mayBeSuspect = false;
      continue;
    }
    if (isHeld(context, entry, Number(row[3]), row[4])) continue;
    const rank = Number(row[1]);
    if (oldest === null || rank < oldest.rank) {
      oldest = { ...entry, company: Number(row[0]), rank, sinceMs: Number(row[2]) };
    }
  }
  return oldest;
}

/** Whether a limit holds a suspect: then no worker is to make room for it. */
function isHeld(
  context: Context,
  { lane }: OpenLane,
  extras: number,
  rest: SQLOutputValue | undefined,
): boolean {
  if ((extras & EXTRA.keys) === 0) return false;
  return shutGate(context, context.gates.ofKeys(context, lane, keysOf(rest))) !== undefined;
}
