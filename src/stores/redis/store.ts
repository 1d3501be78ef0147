// The store on Redis or Valkey: the seam's methods, put together from the parts beside.
import type { SharedClock } from "../clock.ts";
import { check } from "../checks.ts";
import {
  checkScheduleChanges,
  checkScheduleQuery,
  checkTicks,
} from "../../core/schedule-checks.ts";
import { checkFigures } from "../../core/figures.ts";
import { MillraceError } from "../../core/errors.ts";
import { CAPABILITIES, type Durability } from "../../core/store-description.ts";
import type { EnqueueReply, NewJob, Store } from "../../core/store.ts";
import type { KeepJobs } from "./runs/children.ts";
import type { Context } from "./context.ts";
import { describeStore } from "./describe.ts";
import { type Enqueuer, createEnqueuer } from "./enqueue.ts";
import { createExchanger } from "./exchange/exchange.ts";
import { addFigures, readFigures } from "./figures.ts";
import { openFollowers } from "./follow.ts";
import { enqueueKeyed, hasKey } from "./flow/idempotency.ts";
import { cancelJobs, orderJobs, orderMatching, removeJobs, retryJobs } from "./orders/orders.ts";
import { readPlaces } from "./orders/places.ts";
import { createLimitUpkeep, listLimits, releaseHold, setLimits } from "./flow/limits.ts";
import { listQueues, listTypes, putTypes, readLogs, setPaused } from "./queues.ts";
import { findJobs, listJobs } from "./reading.ts";
import { keepReports } from "./reporting.ts";
import { changeSchedules, fireTicks, readSchedules } from "./schedules.ts";
import { readRun, sendSignals } from "./runs/runs.ts";
import { createSubscriber } from "./link/subscriber.ts";
import { sweepAll } from "./sweep.ts";
import type { RedisLocation } from "./url.ts";
import { enqueueUnique, isUnique } from "./flow/unique.ts";
import { createUniqueUpkeep } from "./flow/unique-upkeep.ts";
import { openWorkers } from "./workers/workers.ts";

/** What a store is put together from. */
export interface StoreParts {
  readonly context: Context;
  readonly location: RedisLocation;
  readonly durability: Durability;
  readonly clock: SharedClock | undefined;
}

/** Puts a store together. */
export function createRedisStore({ context, location, durability, clock }: StoreParts): Store {
  const subscriber = createSubscriber(context.link, location);
  const workers = openWorkers(context, location, subscriber, clock);
  const enqueuer = createEnqueuer(context);
  const keepJobs: KeepJobs = (jobs) => enqueueAll(context, enqueuer, jobs);
  const exchanger = createExchanger(context, workers.states, keepJobs);
  const followers = openFollowers(context, subscriber);
  const uniques = createUniqueUpkeep();
  const limits = createLimitUpkeep();
  let closing: Promise<void> | null = null;
  const end = async (): Promise<void> => {
    followers.close();
    await workers.close(exchanger);
    await context.delivered.flush();
    subscriber.close();
    context.link.close();
  };
  /** A closed store answers with a promise too. */
  const open: Opened = async (act) => {
    if (closing !== null) throw new MillraceError("STORE_CLOSED");
    return act();
  };
  return {
    capabilities: new Set(CAPABILITIES),
    signal: (request) => open(() => sendSignals(context, check.signal(request).signals)),
    readRun: (request) => open(() => readRun(context, check.readRun(request))),
    ...orderMethods(context, open),
    durability,
    enqueue: (request) => open(() => keepJobs(check.enqueue(request).jobs)),
    exchange: (request) => open(() => exchanger.exchange(check.exchange(request))),
    report: (request) => open(() => keepReports(context, exchanger, check.report(request).reports)),
    attachWorker: (request) =>
      open(() => {
        check.attach(request);
        return workers.attach(request, exchanger);
      }),
    workers: () => open(() => workers.list()),
    get: (request) =>
      open(async () => {
        const jobs = await findJobs(context, check.ids(request).ids);
        return jobs.map((job) => job?.record ?? null);
      }),
    list: (request) => open(() => listJobs(context, check.list(request))),
    logs: (request) => open(() => readLogs(context, check.logs(request))),
    ...queueMethods(context, open),
    putTypes: (request) => open(() => putTypes(context, check.putTypes(request).types)),
    types: () => open(() => listTypes(context)),
    ...directoryMethods(context, open),
    sweep: (request) =>
      open(async () => {
        const reply = await sweepAll(context, check.sweep(request), keepJobs);
        workers.noteDead(reply.deadWorkers);
        await uniques.step(context, request.limit);
        await limits.step(context);
        return reply;
      }),
    subscribe: (request) => open(() => followers.subscribe(request)),
    describe: () => open(() => describeStore(context, location, durability)),
    close: () => (closing ??= end()),
  };
}

/** The methods that are about whole queues. */
function queueMethods(
  context: Context,
  open: Opened,
): Pick<Store, "queues" | "setPaused" | "setLimits" | "releaseHold" | "limits"> {
  return {
    queues: () => open(() => listQueues(context)),
    setPaused: (request) => open(() => setPaused(context, check.setPaused(request))),
    setLimits: (request) => open(() => setLimits(context, check.setLimits(request))),
    releaseHold: (request) => open(() => releaseHold(context, check.releaseHold(request))),
    limits: (query) => open(() => listLimits(context, check.limits(query))),
  };
}

type Opened = <Value>(act: () => Promise<Value> | Value) => Promise<Value>;

/** The methods by which operators change jobs, and see where they stand. */
function orderMethods(
  context: Context,
  open: Opened,
): Pick<Store, "cancel" | "retry" | "remove" | "change" | "changeMatching" | "places"> {
  return {
    cancel: (request) => open(() => cancelJobs(context, check.ids(request))),
    retry: (request) => open(() => retryJobs(context, check.ids(request).ids)),
    remove: (request) => open(() => removeJobs(context, check.ids(request).ids)),
    change: (request) => open(() => orderJobs(context, check.change(request))),
    changeMatching: (request) => open(() => orderMatching(context, check.changeMatching(request))),
    places: (request) => open(() => readPlaces(context, check.ids(request))),
  };
}

/** The methods that are about the namespace as a whole: schedules and figures. */
function directoryMethods(
  context: Context,
  open: Opened,
): Pick<Store, "changeSchedules" | "schedules" | "tick" | "addFigures" | "figures"> {
  return {
    changeSchedules: (request) =>
      open(() => changeSchedules(context, checkScheduleChanges(request).changes)),
    schedules: (request) => open(() => readSchedules(context, checkScheduleQuery(request))),
    tick: (request) => open(() => fireTicks(context, checkTicks(request).ticks)),
    addFigures: (request) =>
      open(() => {
        checkFigures(request.figures);
        return addFigures(context, request.figures);
      }),
    figures: (request) => open(() => readFigures(context, request)),
  };
}

async function enqueueAll(
  context: Context,
  enqueuer: Enqueuer,
  jobs: readonly NewJob[],
): Promise<readonly EnqueueReply[]> {
  // Every room is known before the first job is added, so that jobs of one call share a batch, in their order.
  for (const { queue } of jobs) {
    if (context.rooms.known(queue) === undefined) {
      await context.rooms.ofQueue(queue, { isNew: true });
    }
  }
  const adding = jobs
    .filter((job) => !hasKey(job) && !isUnique(job))
    .map((job) => enqueuer.add(context.rooms.ofKnown(job.queue, job.id), job));
  const keyed = jobs.filter(hasKey);
  const unique = jobs.filter(isUnique);
  if (keyed.length + unique.length === 0) return Promise.all(adding);
  // All at once, so that no one's failure goes unheard while another is waited for.
  const [keyedReplies, uniqueReplies, replies] = await Promise.all([
    enqueueKeyed(context, keyed),
    enqueueUnique(context, unique),
    Promise.all(adding),
  ]);
  const turns = {
    keyed: keyedReplies.values(),
    unique: uniqueReplies.values(),
    plain: replies.values(),
  };
  return jobs.map((job) => {
    const turn = hasKey(job) ? turns.keyed : isUnique(job) ? turns.unique : turns.plain;
    const { value } = turn.next();
    if (value === undefined) throw new MillraceError("STORE_FAILED");
    return value;
  });
}
