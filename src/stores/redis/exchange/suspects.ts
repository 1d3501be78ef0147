// Suspects: how a job that kills its worker is found without charging the jobs that ran beside it.

/*
 * A worker died with n jobs running; one of them may be the cause, and most deaths (a deploy, a kill, no power) have no
 * cause among them. So:
 * - A job that was alone (n = 1) is charged: its `crashes` go up, and at its type's `maxCrashes` it fails.
 * - In company nobody is charged. Each of the n gets a strike, which any end of a try takes away (the worker outlived
 *   the job). The first strike has no consequence: after an ordinary kill all goes on as before.
 * - From the second strike in a row a job is a suspect. It waits in a lane of suspects, which is served only to a
 *   worker that runs nothing else, and at most `company` jobs with it, a tenth of those it died with. So 100 become 10
 *   and then 1: two more deaths isolate the culprit, which is then charged each time, while its old neighbours end
 *   and are cleared.
 * - A suspect is not given to a worker that says that it is young: the numbers are beside the same rule of SQLite.
 */

/** Strikes in a row that make a suspect. */
const SUSPECT_STRIKES = 2;
/** By how much the company shrinks at each strike: 100 jobs are told apart in two steps. */
const COMPANY_DIVISOR = 10;
/** A suspect that waits this long for an idle worker makes the next one that asks drain for it. */
export const SUSPECT_PATIENCE_MS = 5_000;

/** What a worker's death makes of one of the jobs that ran in it. `company` 0: it is no suspect. */
export function suspicionAfterDeath(
  strikesBefore: number,
  runningJobs: number,
): { readonly isCharged: boolean; readonly strikes: number; readonly company: number } {
  const strikes = strikesBefore + 1;
  return {
    isCharged: runningJobs === 1,
    strikes,
    company: strikes < SUSPECT_STRIKES ? 0 : Math.max(1, Math.floor(runningJobs / COMPANY_DIVISOR)),
  };
}
