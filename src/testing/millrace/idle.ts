// Idle: whether anything is left that this process could run now.
import { MillraceError } from "../../core/errors.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_PAGE } from "../../core/limits.ts";
import type { Store } from "../../core/store.ts";
import { isClaimable } from "../model/index.ts";

/** Time between two looks: short beside any handler, long beside a look at a store in memory. */
const LOOK_EVERY_MS = 1;

/** What a process can run. */
export interface Abilities {
  readonly types: ReadonlySet<string>;
  readonly labels: readonly string[];
  /** Only these queues, where they were named. */
  readonly queues: readonly string[] | undefined;
  readonly now: () => number;
}

/**
 * Waits until nothing runs and nothing that could be run is left.
 *
 * @throws MillraceError `WAIT_TIMEOUT` that names a job which still runs
 */
export async function untilIdle(
  store: Store,
  abilities: Abilities,
  timeoutMs: number,
): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs;
  for (;;) {
    // Schedules first: what they fire is then among the jobs.
    const due = await dueSchedule(store);
    const busy = await findBusy(store, abilities);
    if (busy === null && due === null) return;
    if (performance.now() > giveUpAtMs) throw stillBusy(busy, due, timeoutMs);
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_EVERY_MS);
    });
  }
}

async function dueSchedule(store: Store): Promise<string | null> {
  const { schedules } = await store.schedules({ kind: "due", limit: 1 });
  return schedules[0]?.name ?? null;
}

async function findBusy(store: Store, abilities: Abilities): Promise<JobRecord | null> {
  const queues = await store.queues();
  const paused = new Set(queues.filter((queue) => queue.paused !== null).map(({ name }) => name));
  let cursor: string | undefined;
  do {
    const page = await store.list({
      filter: { states: ["running", "ready", "scheduled"] },
      limit: MAX_PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const busy = page.jobs.find((job) => job.state === "running" || canRun(job, abilities, paused));
    if (busy !== undefined) return busy;
    ({ cursor } = page);
  } while (cursor !== undefined);
  return null;
}

function canRun(job: JobRecord, abilities: Abilities, paused: ReadonlySet<string>): boolean {
  const { types, labels, queues, now } = abilities;
  return (
    isClaimable(job, now()) &&
    types.has(job.type) &&
    !paused.has(job.queue) &&
    (queues === undefined || queues.includes(job.queue)) &&
    job.labels.every((label) => labels.includes(label))
  );
}

function stillBusy(
  busy: JobRecord | null,
  schedule: string | null,
  timeoutMs: number,
): MillraceError {
  if (busy === null) {
    return new MillraceError("WAIT_TIMEOUT", {
      message: `after ${timeoutMs} ms the schedule ${String(schedule)} is still due`,
      details: { schedule },
    });
  }
  const { id, type, state } = busy;
  return new MillraceError("WAIT_TIMEOUT", {
    message: `after ${timeoutMs} ms job ${id} of type ${type} is still ${state}; a handler that waits for the test must be run with mode "manual", or given a longer drainTimeout`,
    details: { jobId: id, type, state },
  });
}
