// Moves what waits from one store to another, so that a move cut off at any moment can be repeated.
import { type OptionNames, checkObject, checkOptions } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import type { JobRecord } from "../core/job.ts";
import type { NewJob, QueueRecord, Store } from "../core/store.ts";
import { MEMORY_STORE_URL, isMissingFile, openStore } from "./open-store.ts";

/** Between which stores, and how it is followed. */
interface MoveOptions {
  readonly from: Store;
  readonly to: Store;
  /** Counts what would be moved, and changes nothing. */
  readonly isDryRun?: boolean;
  /** Told after every step. */
  readonly onProgress?: (report: MoveReport) => void;
  /** Ends the move after the step under way: what was not moved stays where it is, and its queues go on. */
  readonly signal?: AbortSignal;
}

/** What a move came to. */
export interface MoveReport {
  /** Jobs that waited when it began. */
  readonly total: number;
  /** Jobs that are in the other store now, and no longer in the first. */
  readonly moved: number;
  /** Of these: jobs that the other store knew already, as after a move that was cut off. */
  readonly known: number;
  /** Jobs that belong to something that can't be moved: a workflow, a flow, a job scheduler. They stay. */
  readonly left: number;
  /** Jobs that ran, and stay until they end. What they enqueue, and their next tries, are for another move. */
  readonly running: number;
  readonly isDryRun: boolean;
}

/** Jobs of one step: as many of the largest inputs are 25 MB. */
const STEP = 100;
/**
 * How long the other store remembers that a job was moved. It must outlive the time until a move that was cut off is
 * repeated, as the job may have run there and be gone by then.
 */
const REMEMBER_MS = 30 * 86_400_000;
/** Who pauses the queues while a move is under way. */
const MOVER = "millrace move";

/**
 * Moves jobs that wait for their time or for a worker. Their ids stay, so nothing is doubled and nothing lost when it
 * is cut off and repeated: a job is kept by the other store before the first one forgets it, and the queues of the
 * first are paused meanwhile, so that nobody runs it there. A move that was cut off leaves them paused.
 */
async function moveJobs(options: MoveOptions): Promise<MoveReport> {
  const { from, to, isDryRun = false, signal, onProgress } = options;
  const queues = await from.queues();
  const paused = isDryRun ? [] : await pauseAll(from, queues);
  const pages = await findPages(from, to).catch(async (error: unknown) => {
    // Nothing was moved: whatever a move before this one did not pause goes on.
    await resume(
      from,
      paused.filter(({ paused: before }) => before === null),
    );
    throw error;
  });
  let report: MoveReport = {
    total: pages.total,
    moved: 0,
    known: 0,
    left: 0,
    running: 0,
    isDryRun,
  };
  onProgress?.(report);
  // Oldest first, so that first in stays first out.
  for (const cursor of pages.cursors.toReversed()) {
    if (signal?.aborted === true) break;
    const { jobs } = await listPage(from, cursor);
    const step = isDryRun ? countStep(jobs) : await moveStep(options, jobs);
    report = {
      ...report,
      moved: report.moved + step.moved,
      known: report.known + step.known,
      left: report.left + step.left,
    };
    onProgress?.(report);
  }
  const running = (await from.queues()).reduce((sum, { counts }) => sum + counts.running, 0);
  // Not reached where something was thrown or the process ended: then nobody may run what both stores may have.
  await resume(from, paused);
  return { ...report, running };
}

async function resume(from: Store, queues: readonly QueueRecord[]): Promise<void> {
  for (const { name: queue } of queues) {
    await from.setPaused({ queue, paused: false, by: MOVER, reason: "moved" });
  }
}

/** Pauses queues that are not paused; gives those that this move, or one that was cut off, paused. */
async function pauseAll(
  from: Store,
  queues: readonly QueueRecord[],
): Promise<readonly QueueRecord[]> {
  const open = queues.filter(({ paused }) => paused === null || paused.by === MOVER);
  const reason = "its jobs are being moved to another store; if that was cut off, move again";
  for (const { name: queue } of open) {
    await from.setPaused({ queue, paused: true, by: MOVER, reason });
  }
  return open;
}

const WAITING = { states: ["scheduled", "ready"] } as const;

async function listPage(from: Store, cursor: string | undefined) {
  return from.list({
    filter: WAITING,
    limit: STEP,
    ...(cursor === undefined ? {} : { cursor }),
  });
}

/** Where the pages of the list begin. They stand while older jobs are taken out of it. */
async function findPages(
  from: Store,
  to: Store,
): Promise<{ readonly cursors: readonly (string | undefined)[]; readonly total: number }> {
  const cursors: (string | undefined)[] = [];
  let total = 0;
  let cursor: string | undefined;
  do {
    const page = await listPage(from, cursor);
    for (const job of page.jobs) checkAbility(to, job);
    if (page.jobs.length > 0) cursors.push(cursor);
    total += page.jobs.length;
    ({ cursor } = page);
  } while (cursor !== undefined);
  return { cursors, total };
}

/** Refuses before anything is moved what the other store could not keep as it is. */
function checkAbility({ capabilities }: Store, { id, headStartMs, labels, keys }: JobRecord): void {
  const lacking = [
    ...(headStartMs !== 0 && !capabilities.has("priorities") ? ["priorities"] : []),
    ...(labels.length > 0 && !capabilities.has("labels") ? ["labels"] : []),
    ...(keys.length > 0 && !capabilities.has("limits") ? ["limits"] : []),
  ];
  if (lacking.length === 0) return;
  throw new MillraceError("UNSUPPORTED", {
    message: `job ${id} needs ${lacking.join(", ")}, which the store that it would go to can't keep`,
    details: { id, lacking },
  });
}

type Step = Pick<MoveReport, "moved" | "known" | "left">;

function countStep(jobs: readonly JobRecord[]): Step {
  const moved = jobs.filter(mayMove).length;
  return { moved, known: 0, left: jobs.length - moved };
}

/** A part of something larger is known there by its place: it can't go alone. */
function mayMove({ parent }: JobRecord): boolean {
  return parent === undefined;
}

async function moveStep({ from, to }: MoveOptions, jobs: readonly JobRecord[]): Promise<Step> {
  const oldestFirst = jobs.filter(mayMove).toReversed();
  if (oldestFirst.length === 0) return { moved: 0, known: 0, left: jobs.length };
  const { nowMs } = await from.describe();
  const kept = await to.enqueue({ jobs: oldestFirst.map((job) => newJobOf(job, nowMs)) });
  const removed = await from.remove({ ids: oldestFirst.map(({ id }) => id) });
  const stuck: JobId[] = [];
  for (const [index, { id }] of oldestFirst.entries()) {
    const reply = removed[index];
    if (reply?.changed === false && reply.state !== null) stuck.push(id);
  }
  if (stuck.length > 0) {
    throw new MillraceError("WRONG_STATE", {
      message: `${stuck.length} jobs can't be taken out of the first store, and are in both: ${stuck.slice(0, 3).join(", ")}; were queues resumed while they are moved?`,
      details: { ids: stuck },
    });
  }
  const known = kept.filter(({ isNew }) => !isNew).length;
  return { moved: oldestFirst.length, known, left: jobs.length - oldestFirst.length };
}

function newJobOf(job: JobRecord, nowMs: number): NewJob {
  const dueInMs = Math.max(0, job.dueAtMs - nowMs);
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    input: job.input,
    ...(dueInMs === 0 ? {} : { runAtMs: job.dueAtMs }),
    ...(job.headStartMs === 0 ? {} : { headStartMs: job.headStartMs }),
    ...(job.expiresAtMs === null
      ? {}
      : { expireAfterMs: Math.max(1, job.expiresAtMs - nowMs - dueInMs) }),
    ...(job.labels.length === 0 ? {} : { labels: job.labels }),
    ...(job.tags.length === 0 ? {} : { tags: job.tags }),
    ...(job.keys.length === 0 ? {} : { keys: job.keys }),
    idempotency: { key: job.idempotencyKey ?? `moved ${job.id}`, rememberMs: REMEMBER_MS },
  };
}

/** Where a store is. */
interface StorePlace {
  readonly url: string;
  readonly namespace: string;
}

const PLACE_NAMES: OptionNames<StorePlace> = { url: true, namespace: true };

/** Between which places, and how it is followed. */
interface MoveBetweenOptions extends Omit<MoveOptions, "from" | "to"> {
  readonly from: StorePlace;
  readonly to: StorePlace;
}

const MOVE_NAMES: OptionNames<MoveBetweenOptions> = {
  from: PLACE_NAMES,
  to: PLACE_NAMES,
  isDryRun: true,
  onProgress: true,
  signal: true,
};

/**
 * Moves jobs that wait from one store to another: ids kept, nothing lost or doubled, repeatable when it is cut off.
 *
 * @throws MillraceError `INVALID_ARGUMENT` where both are one or one is in memory, `STORE_FAILED` where the first is a
 * file that is not there, `UNSUPPORTED` where the second can't keep a job as it is,
 * and whatever the stores throw
 * @example
 * const report = await moveBetween({
 *   from: { url: "bullmq+redis://127.0.0.1:6379", namespace: "default" },
 *   to: { url: "redis://127.0.0.1:6379", namespace: "default" },
 *   onProgress: ({ moved, total }) => console.log(`${moved} of ${total}`),
 * });
 */
export async function moveBetween(options: MoveBetweenOptions): Promise<MoveReport> {
  const { from, to } = checkOptions(options, "options", MOVE_NAMES);
  checkObject(from, "from");
  checkObject(to, "to");
  if (from.url === to.url && from.namespace === to.namespace) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "both stores are the same; expected another URL or namespace to move to",
    });
  }
  for (const { url } of [from, to]) {
    if (url !== MEMORY_STORE_URL) continue;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `a store in memory ends with this process, and so would its jobs; expected one that stays, such as "sqlite:millrace.db"`,
    });
  }
  if (typeof from.url === "string" && isMissingFile(from.url)) {
    throw new MillraceError("STORE_FAILED", {
      message: `there is no store at ${from.url} to move from; say where the jobs are`,
    });
  }
  const source = await openStore(from);
  try {
    const target = await openTarget(to, options.isDryRun === true);
    try {
      return await moveJobs({ ...options, from: source, to: target });
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** A dry run changes nothing: a file that is not there is not made, and one in memory can keep what it could. */
function openTarget(to: StorePlace, isDryRun: boolean): Promise<Store> {
  const isLeft = isDryRun && typeof to.url === "string" && isMissingFile(to.url);
  return openStore(isLeft ? { ...to, url: MEMORY_STORE_URL } : to);
}
