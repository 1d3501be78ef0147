// Fires due ticks: every process that works runs one, and of all who fire one tick, the store lets one.
import {
  MAX_ENQUEUE_BATCH,
  type SchedulePage,
  type ScheduleRecord,
  type ScheduleSpec,
  type Store,
  type TickCommand,
  type TickReply,
  toErrorRecord,
} from "../core/index.ts";
import type { Logger } from "../runtime/index.ts";
import { tickJobId } from "./tick-id.ts";
import { type TickPlan, type Timetable, createTimetable, planTicks } from "./timetable.ts";

/**
 * Longest time without a look at the store: a schedule that another process puts is noticed after this at the latest.
 * A look is one indexed read.
 */
const LOOK_INTERVAL_MS = 1_000;
/** Schedules fired in one step: with the jobs of all, a transaction of a few milliseconds. */
const MAX_DUE = 200;
/** Waits after the store failed grow up to this. */
const LONGEST_RETRY_MS = 5_000;
/** Steps of one look: more than 20,000 schedules due at once take another look, so that a stop is never far off. */
const MAX_STEPS = 100;
/** Timetables kept: parsing a cron takes 0.1 ms, and 10,000 schedules may be due in one minute. */
const MAX_REMEMBERED_TIMETABLES = 10_000;

/** What a scheduler stands on. */
export interface SchedulerParts {
  readonly store: Pick<Store, "schedules" | "changeSchedules" | "tick" | "cancel">;
  readonly logger: Logger;
}

/** Fires ticks from `start` to `stop`. Both may be called again, and at once. */
export interface Scheduler {
  start(): void;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
  /** Looks now: a schedule may have been put. */
  wake(): void;
  /** One look by hand; gives the time until the next one is needed. For tests and for callers with a loop of their own. */
  fireDue(): Promise<number>;
}

/** Makes a scheduler. */
export function createScheduler(parts: SchedulerParts): Scheduler {
  const timetables = new Map<string, Timetable>();
  let running: AbortController | undefined;
  let loop: Promise<void> = Promise.resolve();
  let isWoken = false;
  let wakeUp: (() => void) | undefined;

  const sleep = (durationMs: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (isWoken || signal.aborted) {
        resolve();
        return;
      }
      const timer = setTimeout(resolve, durationMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const run = async (signal: AbortSignal): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      isWoken = false;
      let waitMs: number;
      try {
        waitMs = Math.min(await fireDue(parts, timetables), LOOK_INTERVAL_MS);
        failures = 0;
      } catch (error) {
        failures += 1;
        waitMs = Math.min(LOOK_INTERVAL_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
        parts.logger.debug({ error: toErrorRecord(error), waitMs }, "schedules looked at in vain");
      }
      await sleep(waitMs, signal);
    }
  };

  const wake = (): void => {
    isWoken = true;
    wakeUp?.();
  };
  return {
    start: () => {
      if (running !== undefined) return;
      const starting = new AbortController();
      running = starting;
      // A start that comes during a stop waits for its end: never are there two loops.
      loop = loop.then(() => run(starting.signal));
    },
    stop: async () => {
      running?.abort();
      running = undefined;
      wake();
      await loop;
    },
    wake,
    fireDue: () => fireDue(parts, timetables),
  };
}

/** Fires all that is due, step by step; gives the time until something else is. */
async function fireDue(parts: SchedulerParts, timetables: Map<string, Timetable>): Promise<number> {
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const page = await parts.store.schedules({ kind: "due", limit: MAX_DUE });
    if (page.schedules.length === 0) return page.lookAgainInMs ?? Number.POSITIVE_INFINITY;
    await fire(parts, timetables, page);
  }
  return 0;
}

interface Planned {
  readonly schedule: ScheduleRecord;
  readonly plan: TickPlan;
  readonly spec: ScheduleSpec;
}

async function fire(
  parts: SchedulerParts,
  timetables: Map<string, Timetable>,
  { schedules, nowMs }: SchedulePage,
): Promise<void> {
  const plans: Planned[] = [];
  for (const schedule of schedules) {
    try {
      const timetable = timetableOf(schedule, timetables);
      const plan = planTicks(timetable, { nextDueAtMs: schedule.next?.dueAtMs ?? nowMs, nowMs });
      plans.push({ schedule, plan, spec: timetable.spec });
    } catch (error) {
      await pauseUnreadable(parts, schedule, error);
    }
  }
  // Before the tick: whoever fires it has asked for the cancellation, and asking twice is harmless.
  await cancelPredecessors(parts.store, plans);
  for (const batch of batchesOf(plans)) {
    const replies = await parts.store.tick({ ticks: batch.map(commandOf) });
    for (const [index, planned] of batch.entries()) tell(parts.logger, planned, replies[index]);
  }
}

/** Cuts plans so that no call fires more jobs than an enqueue may have: missed ticks may be hundreds a schedule. */
function batchesOf(plans: readonly Planned[]): readonly (readonly Planned[])[] {
  const batches: Planned[][] = [];
  let jobs = 0;
  for (const planned of plans) {
    const count = planned.plan.fire.length;
    const batch = batches.at(-1);
    if (batch === undefined || jobs + count > MAX_ENQUEUE_BATCH) {
      batches.push([planned]);
      jobs = count;
    } else {
      batch.push(planned);
      jobs += count;
    }
  }
  return batches;
}

/** A schedule that this machine can't read (its zone is unknown here, say) must not hold up the others. */
async function pauseUnreadable(
  parts: SchedulerParts,
  { name }: ScheduleRecord,
  error: unknown,
): Promise<void> {
  const { message } = toErrorRecord(error);
  parts.logger.error(
    { schedule: name, error: toErrorRecord(error) },
    "schedule paused: it can't be read",
  );
  await parts.store.changeSchedules({
    changes: [{ kind: "pause", name, by: "millrace", reason: `it can't be read: ${message}` }],
  });
}

function timetableOf(schedule: ScheduleRecord, timetables: Map<string, Timetable>): Timetable {
  const known = timetables.get(schedule.spec);
  if (known !== undefined) return known;
  const timetable = createTimetable(JSON.parse(schedule.spec) as ScheduleSpec);
  if (timetables.size >= MAX_REMEMBERED_TIMETABLES) timetables.clear();
  timetables.set(schedule.spec, timetable);
  return timetable;
}

async function cancelPredecessors(
  store: SchedulerParts["store"],
  plans: readonly Planned[],
): Promise<void> {
  const ids = plans
    .filter(({ plan, spec }) => spec.overlap === "cancel" && plan.fire.length > 0)
    .flatMap(({ schedule }) => (schedule.last === null ? [] : [schedule.last.jobId]));
  if (ids.length === 0) return;
  await store.cancel({ ids, reason: "the next tick of its schedule has come" });
}

function commandOf({ schedule, plan, spec }: Planned): TickCommand {
  return {
    name: schedule.name,
    revision: schedule.revision,
    createdAtMs: schedule.createdAtMs,
    dueAtMs: schedule.next?.dueAtMs ?? 0,
    fire: plan.fire.map(({ dueAtMs }) => ({
      id: tickJobId(schedule.name, dueAtMs, schedule.job.queue),
      dueAtMs,
    })),
    next: plan.next,
    missed: plan.dropped,
    isSkippedWhileActive: spec.overlap === "skip",
  };
}

function tell(logger: Logger, { schedule, plan }: Planned, reply: TickReply | undefined): void {
  // Refused: another process fired it, and tells of it.
  if (reply?.accepted !== true) return;
  const fields = { schedule: schedule.name, type: schedule.job.type };
  if (reply.jobs.length > 0) {
    logger.debug({ ...fields, jobIds: reply.jobs.map(({ id }) => id) }, "schedule fired");
  }
  if (reply.skipped > 0) {
    logger.info(
      { ...fields, skipped: reply.skipped },
      "tick skipped: the one before has not ended",
    );
  }
  if (plan.dropped > 0) {
    const atLeast = plan.isDroppedExact ? {} : { isAtLeast: true };
    logger.warn({ ...fields, missed: plan.dropped, ...atLeast }, "ticks missed and not made good");
  }
}
